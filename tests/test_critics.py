"""Critics of whole ECGs: beats laid side by side, and what smooths a critic."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from ecgsdk.encoding import BEAT_CHANNELS  # noqa: E402
from ecgsdk.training.critics import Critics, Given, TokenCritic, beat_windows, token_powers  # noqa: E402
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
        assert len(verdicts) == 19
        assert all(len(v[-1]) == 3 and bool(v[-1].isfinite().all()) for v in verdicts)


def louder_on(sample: int, n: int = 40) -> torch.Tensor:
    """Noise that is louder at one of eight samples."""
    loud = torch.where(torch.arange(1000) % 8 == sample, 3.0, 1.0)
    return 0.05 * loud * torch.randn(n, 8, 1000, generator=torch.Generator().manual_seed(3))


def test_powers_are_folded_from_the_first_sample_of_a_token():
    n, loud = 40, louder_on(5)
    from_the_start = token_powers(loud, torch.zeros(n, dtype=torch.long)).mean(0)
    assert from_the_start.shape == (32, 8)
    assert set(from_the_start[:8].argmax(-1).tolist()) <= {4, 5}  # the difference to the loud sample, or from it
    assert float(from_the_start[:8, 4:6].min()) > 0.5
    later = token_powers(loud, torch.full((n,), 2)).mean(0)
    assert torch.allclose(later[:, :6], from_the_start[:, 2:], atol=0.1)
    even = token_powers(0.05 * torch.randn(n, 8, 1000), torch.zeros(n, dtype=torch.long))
    assert float(even.mean(0).abs().max()) < 0.15


def test_the_critic_of_tokens_sees_the_same_wherever_a_record_begins():
    critic, loud = TokenCritic(), louder_on(5, n=2)
    first = critic(loud[..., :-3], torch.tensor([0, 0]))[0][-1]
    later = critic(loud[..., 3:], torch.tensor([5, 5]))[0][-1]
    assert torch.allclose(first, later, rtol=0.2, atol=0.2)


def test_the_penalty_is_the_squared_slope_of_the_verdicts():
    real = torch.ones(4, 8, 10, requires_grad=True)
    verdicts = [[3 * real[:, 0, :1]], [real[:, 1, 1:2] * 5]]
    penalty = gradient_penalty(verdicts, real)
    assert float(penalty) == pytest.approx(1.5**2 + 2.5**2)


def test_conditions_of_records_are_joined_and_cut():
    both = given(2, [1.0]).and_then(given(3, [2.0]).first(1))
    assert both.times[:, 0].tolist() == [1.0, 1.0, 2.0]
