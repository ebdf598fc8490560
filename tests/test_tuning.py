"""Tuning's own measures: where a signal begins in tokens, and how unlike a token's samples are."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.torch

from ecgsdk.training.tuning import begun_later, unevenness  # noqa: E402


def test_a_signal_that_begins_later_stands_still_before_and_behind():
    signals = torch.arange(16.0).repeat(3, 2, 1)
    later = begun_later(signals, torch.tensor([0, 1, 7]))
    assert later.shape == (3, 2, 24)
    assert later[0, 0].tolist() == [*range(16), *[15] * 8]
    assert later[1, 1].tolist() == [0, *range(16), *[15] * 7]
    assert later[2, 0].tolist() == [*[0] * 7, *range(16), 15]


def test_unevenness_is_of_the_mean_and_not_of_the_scatter():
    scatter = torch.randn(4000, 5, 8, generator=torch.Generator().manual_seed(1))
    assert float(unevenness(scatter)) == pytest.approx(0, abs=0.002)
    assert float(unevenness(scatter + 0.3)) == pytest.approx(0.09, abs=0.01)
