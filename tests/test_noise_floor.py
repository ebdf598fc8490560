"""Levels of bands: measured as they are, mapped to others, in signals whose levels are known."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.torch

from ecgsdk.training.frames import filtered, framed, unframed  # noqa: E402
from ecgsdk.training.noise_floor import NoiseFloor  # noqa: E402
from ecgsdk.training.transport import Moments, transport  # noqa: E402

RATE = 100


def noisy(records: int, spread: float, seed: int, samples: int = 1000) -> torch.Tensor:
    """White noise of 20 µV, whose level differs between records and leads, on 1 mV at 1 Hz."""
    draw = torch.Generator().manual_seed(seed)
    level = 0.02 * (spread * torch.randn(records, 8, 1, generator=draw)).exp()
    slow = torch.sin(2 * torch.pi * torch.arange(samples) / RATE)
    return slow + level * torch.randn(records, 8, samples, generator=draw)


def learned(made: torch.Tensor, recorded: torch.Tensor) -> NoiseFloor:
    floor = NoiseFloor(1000)
    moments = []
    for signals in (made, recorded):
        moments.append(Moments(len(floor.made)))
        moments[-1].observe(floor.levels(signals))
    floor.take(*moments)
    return floor


def test_a_filter_in_frames_is_the_filter_sample_by_sample():
    draw = np.random.default_rng(0)
    signals, filters = draw.normal(size=(2, 3, 80)), draw.normal(size=(4, 21))
    found = filtered(torch.from_numpy(signals).float(), framed(torch.from_numpy(filters)))
    assert found.shape == (2, 12, 8, 10)
    samples = unframed(found).view(2, 3, 4, 80).numpy()
    padded = np.pad(signals, ((0, 0), (0, 0), (10, 10)), mode="edge")
    expected = np.convolve(padded[1, 2], filters[3][::-1], mode="valid")
    assert np.allclose(samples[1, 2, 3], expected, atol=1e-5)


def test_transport_gives_the_wanted_covariance_and_leaves_an_equal_one_alone():
    draw = torch.Generator().manual_seed(3)
    given, wanted = (x @ x.T for x in torch.randn(2, 4, 9, generator=draw).double())
    matrix = transport(given, wanted)
    assert torch.allclose(matrix @ given @ matrix.T, wanted)
    assert torch.allclose(matrix, matrix.T)
    assert torch.allclose(transport(given, given), torch.eye(4).double())


def test_signals_of_any_length_have_as_many_levels():
    floor = NoiseFloor(1024)
    assert (
        floor.levels(noisy(2, 0.0, seed=1)).shape == floor.levels(noisy(2, 0.0, seed=1, samples=1024)).shape == (2, 200)
    )


def test_a_floor_that_has_learned_nothing_changes_nothing():
    signals = noisy(3, 0.5, seed=1)
    assert torch.allclose(NoiseFloor(1000)(signals), signals, atol=1e-6)


def test_levels_grow_with_the_noise_and_not_with_what_is_slow():
    floor, signals = NoiseFloor(1000), noisy(4, 0.0, seed=2)
    slow = torch.sin(2 * torch.pi * torch.arange(1000) / RATE)
    levels, louder, slower = (
        floor.levels(x).unflatten(1, (8, 5, 5)) for x in (signals, signals + (signals - slow), signals + slow)
    )
    assert float((louder - levels).median()) == pytest.approx(np.log(4), abs=0.01)
    above = slice(1, None)  # some of 1 Hz is left at 8 Hz
    assert float((louder - levels - np.log(4))[:, :, above].abs().max()) < 0.06
    assert float((slower - levels)[:, :, above].abs().max()) < 0.12


def test_records_get_levels_that_differ_as_recorded_ones_do():
    made, recorded = noisy(150, 0.3, seed=4), noisy(150, 0.8, seed=5)
    floor = learned(made, recorded)
    before, after, wanted = (floor.levels(x) for x in (made, floor(made), recorded))
    assert float((wanted.std(0) / before.std(0)).median()) > 2
    assert float((wanted.std(0) / after.std(0)).median()) == pytest.approx(1, abs=0.1)
    assert float((after - wanted).mean(0).abs().median()) < 0.15


def test_what_lies_below_5_hz_stays():
    made = noisy(60, 0.3, seed=6)
    changed = learned(made, noisy(60, 0.8, seed=7))(made) - made
    power = torch.fft.rfft(changed).abs().square().mean((0, 1))
    assert float(power[:50].sum() / power.sum()) < 0.02
    own = torch.fft.rfft(made).abs().square().mean((0, 1))
    assert float(power[8:12].sum() / own[8:12].sum()) < 1e-4  # the sine at 1 Hz
