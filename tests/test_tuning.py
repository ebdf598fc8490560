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
    assert later.shape == (3, 2, 48)
    assert later[0, 0].tolist() == [*range(16), *[15] * 32]
    assert later[1, 1].tolist() == [0, *range(16), *[15] * 31]
    assert later[2, 0].tolist() == [*[0] * 7, *range(16), *[15] * 25]


def test_unevenness_is_of_the_mean_and_not_of_the_scatter():
    scatter = torch.randn(4000, 5, 8, generator=torch.Generator().manual_seed(1))
    assert float(unevenness(scatter)) == pytest.approx(0, abs=0.002)
    assert float(unevenness(scatter + 0.3)) == pytest.approx(0.09, abs=0.01)


def test_ends_become_as_rough_as_recorded_ones_and_begin_where_the_inside_ends():
    draw = torch.Generator().manual_seed(2)
    recorded = 0.005 * torch.randn(3000, 8, 1000, generator=draw).cumsum(2)
    recorded[..., -5:] = recorded[..., -6:-5] + 2 * (recorded[..., -5:] - recorded[..., -6:-5])
    steps = 0.005 * torch.randn(3000, 8, 1008, generator=draw)
    steps[..., :12] *= 1.8
    made = steps.cumsum(2)
    offset = torch.full((3000,), 4)
    cut = Cut(1000)
    cut.learn_ends(recorded, cut.between(made, offset))
    size = cut(made, offset).diff(dim=2).abs().median(dim=0).values.median(dim=0).values
    assert float((size[:-6] / size[500] - 1).abs().max()) < 0.1
    assert float((size[-5:] / size[500] - 2).abs().max()) < 0.2
    assert torch.equal(cut(made, offset)[..., 23:-23], cut.between(made, offset)[..., 23:-23])
    assert float(cut(torch.full((1, 8, 1008), 0.7), torch.tensor([0])).sub(0.7).abs().max()) < 1e-5
