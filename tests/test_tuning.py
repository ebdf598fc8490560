"""Tuning's own measures: where a signal begins in tokens, and how unlike a token's samples are."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.torch

from ecgsdk.training.cut import Cut, begun_later  # noqa: E402
from ecgsdk.training.losses import unevenness  # noqa: E402


def test_a_signal_that_begins_later_stands_still_before_and_behind():
    signals = torch.arange(16.0).repeat(3, 2, 1)
    later = begun_later(signals, torch.tensor([0, 1, 7]))
    assert later.shape == (3, 2, 40)
    assert later[0, 0].tolist() == [*range(16), *[15] * 24]
    assert later[1, 1].tolist() == [0, *range(16), *[15] * 23]
    assert later[2, 0].tolist() == [*[0] * 7, *range(16), *[15] * 17]


def test_unevenness_is_of_the_mean_and_not_of_the_scatter():
    scatter = torch.randn(4000, 5, 8, generator=torch.Generator().manual_seed(1))
    assert float(unevenness(scatter)) == pytest.approx(0, abs=0.002)
    assert float(unevenness(scatter + 0.3)) == pytest.approx(0.09, abs=0.01)


def test_ends_take_the_covariance_of_recorded_ends_and_keep_their_level():
    draw = torch.Generator().manual_seed(2)
    recorded = 0.003 * torch.randn(3000, 8, 1000, generator=draw)
    recorded[..., -5:] *= 2
    recorded[:, 0, :100] += 1.0  # a steep step at 100, in one lead
    cut = Cut(1000)
    cut.learn_ends(recorded)
    made = 0.003 * torch.randn(3000, 8, 1008, generator=draw) + 0.5
    spread = cut(made, torch.full((3000,), 4)).std(dim=(0, 1)) / 0.003
    assert float((spread[:-5] - 1).abs().max()) < 0.1
    assert float((spread[-5:] - 2).abs().max()) < 0.25
    assert float(cut(torch.full((1, 8, 1008), 0.7), torch.tensor([0])).sub(0.7).abs().max()) < 1e-5
