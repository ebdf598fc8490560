"""Critics of whole ECGs: beats laid side by side, and what smooths a critic."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from ecgsdk.encoding import BEAT_CHANNELS  # noqa: E402
from ecgsdk.training.critics import Critics, Given, beat_windows  # noqa: E402
from ecgsdk.training.losses import gradient_penalty  # noqa: E402

WIDTH = 9


def waves(times: list[float]) -> torch.Tensor:
    """Eight leads with the same smooth wave at each time, (1, 8, 1000)."""
    grid = np.arange(1000) / 100
    wave = sum(np.exp(-0.5 * ((grid - t) / 0.03) ** 2) for t in times)
    return torch.tensor(np.repeat(wave[None, None], 8, axis=1), dtype=torch.float32)


def given(n: int, times: list[float]) -> Given:
    padded = np.full((n, 48), np.nan, dtype=np.float32)
    padded[:, : len(times)] = times
    return Given(torch.zeros(n, WIDTH), torch.zeros(n, BEAT_CHANNELS, 125), torch.from_numpy(padded))


def test_the_same_wave_between_samples_is_cut_out_the_same():
    times = [1.0, 2.003, 3.0049, 4.0071, 5.5]
    windows, whole = beat_windows(waves(times), torch.tensor([times]))
    assert whole.tolist() == [[1.0] * 5]
    assert windows.shape == (1, 5, 8, 64)
    assert float((windows - windows[:, :1]).abs().max()) < 2e-3
    assert int(windows[0, 0, 0].argmax()) == 28


def test_beats_near_an_end_and_absent_beats_are_not_seen():
    times = torch.tensor([[0.1, 5.0, 9.8, float("nan")]])
    windows, whole = beat_windows(waves([5.0]), times)
    assert whole.tolist() == [[0.0, 1.0, 0.0, 0.0]]
    assert bool(windows.isfinite().all())


def test_each_critic_gives_verdicts_also_of_a_record_without_whole_beats():
    critics = Critics(WIDTH)
    for times in ([0.1], [1.0, 2.0, 3.0]):
        verdicts = critics(waves([1.0, 2.0]).repeat(3, 1, 1), given(3, times))
        assert len(verdicts) == 15
        assert all(len(v[-1]) == 3 and bool(v[-1].isfinite().all()) for v in verdicts)


def test_the_penalty_is_the_squared_slope_of_the_verdicts():
    real = torch.ones(4, 8, 10, requires_grad=True)
    verdicts = [[3 * real[:, 0, :1]], [real[:, 1, 1:2] * 5]]
    penalty = gradient_penalty(verdicts, real)
    assert float(penalty) == pytest.approx(1.5**2 + 2.5**2)


def test_conditions_of_records_are_joined_and_cut():
    both = given(2, [1.0]).and_then(given(3, [2.0]).first(1))
    assert both.times[:, 0].tolist() == [1.0, 1.0, 2.0]
