"""Early beats: which they are, what a critic sees of them, and which tokens are free around them."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.torch

from ecgsdk.encoding import BEAT_CHANNELS  # noqa: E402
from ecgsdk.training.critics import EctopicCritic, Given, early_beats  # noqa: E402
from ecgsdk.training.ectopic import held  # noqa: E402

WIDTH = 5
EVEN, EARLY = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0], [1.0, 2.0, 2.6, 4.0, 5.0, 6.0]


def given(*records: list[float], asked: float = 0.0) -> Given:
    times = np.full((len(records), 48), np.nan, dtype=np.float32)
    for row, record in zip(times, records):
        row[: len(record)] = record
    n = len(records)
    return Given(torch.full((n, WIDTH), asked), torch.zeros(n, BEAT_CHANNELS, 125), torch.from_numpy(times))


def waves(times: list[float], broad: float | None = None) -> torch.Tensor:
    """A wave at each time in eight leads, one of them broader, (1, 8, 1000)."""
    grid = np.arange(1000) / 100
    wave = sum(np.exp(-0.5 * ((grid - t) / (0.06 if t == broad else 0.02)) ** 2) for t in times)
    return torch.tensor(np.repeat(wave[None, None], 8, axis=1), dtype=torch.float32)


def test_a_beat_comes_early_after_less_than_085_of_the_median_interval():
    early = early_beats(given(EVEN, EARLY, [1.0, 2.0, 2.86, 4.0]).times)
    assert not early[0].any()
    assert early[1].nonzero().flatten().tolist() == [2]
    assert not early[2].any()


def test_latents_are_free_from_04_s_before_to_06_s_behind_an_early_beat():
    free = (held(given(EVEN, EARLY).times, torch.tensor([8, 8]), 128) == 0).nonzero()
    assert set(free[:, 0].tolist()) == {1}
    middles = (free[:, 1] + 0.5) * 0.08 - 0.08
    assert float(middles.min()) == pytest.approx(2.2, abs=0.05)
    assert float(middles.max()) == pytest.approx(3.2, abs=0.05)


def test_the_critic_sees_the_form_of_early_beats_alone_and_what_was_asked_for():
    critic = EctopicCritic(WIDTH)

    def verdicts(signals: torch.Tensor, of: Given) -> list[float]:
        torch.manual_seed(0)  # for the order of the beats
        with torch.no_grad():
            return critic(signals, of)[0][-1].flatten().tolist()

    plain = verdicts(waves(EARLY), given(EARLY))
    assert np.count_nonzero(plain) == 1
    assert verdicts(waves(EARLY, broad=2.6), given(EARLY)) != plain
    assert verdicts(waves(EARLY), given(EARLY, asked=1.0)) != plain
    assert not np.any(verdicts(waves(EVEN), given(EVEN)))
