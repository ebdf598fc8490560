"""Usual beats: where they are, their average, and what is added at each of them and nowhere else."""

from __future__ import annotations

import numpy as np
import pytest

from ecgsdk.beats import detect_beats
from ecgsdk.leads import to_eight
from ecgsdk.readers import read_ptbxl
from ecgsdk.usual_beats import AFTER, BEFORE, beat_taper, beats_given, impulse_trains, usual_beats

LENGTH = BEFORE + AFTER
TIMES = [0.9137, 1.7, 2.5111, 3.0, 4.1, 4.9032, 5.7, 6.5, 7.3071, 8.1, 8.9]


def padded(*records: list[float]) -> np.ndarray:
    times = np.full((len(records), 48), np.nan)
    for row, record in zip(times, records):
        row[: len(record)] = record
    return times


def test_early_beats_are_not_usual_ones():
    usual = usual_beats(padded(TIMES, [1.0], []))
    assert np.isnan(usual[0, TIMES.index(3.0)])
    assert (~np.isnan(usual)).sum(axis=1).tolist() == [len(TIMES) - 1, 1, 0]


def test_impulses_hold_the_times_between_samples():
    mean, every = impulse_trains(padded(TIMES), 1000)[0]
    assert mean.sum() == pytest.approx(1, abs=0.01)
    assert every.sum() == pytest.approx(len(TIMES), abs=0.1)
    around = every[80:103]
    assert (around * np.arange(80, 103)).sum() / around.sum() == pytest.approx(91.37, abs=0.05)
    assert not impulse_trains(padded(TIMES[:2]), 1000).any()


def test_an_averaged_beat_is_the_mean_of_a_records_beats(ptbxl_folder):
    torch = pytest.importorskip("torch")
    from ecgsdk.training.critics import beat_windows
    from ecgsdk.training.refiner import averaged

    signals = to_eight(next(read_ptbxl(ptbxl_folder).batches()).signals)
    beats = usual_beats(padded(*[list(times) for times in detect_beats(signals, 100.0)]))
    trains = torch.from_numpy(impulse_trains(beats, signals.shape[2]))
    found = averaged(torch.from_numpy(signals), trains[:, 0])
    inside = torch.from_numpy(np.where((beats > 0.48) & (beats <= 9.44), beats, np.nan))
    windows, whole = beat_windows(torch.from_numpy(signals), inside)
    mean = (windows * whole[:, :, None, None]).sum(1) / whole.sum(1)[:, None, None]
    wanted, found = (x - x.mean(-1, keepdim=True) for x in (mean, found[..., BEFORE - 28 : BEFORE + 36]))
    for one, other in zip(wanted.flatten(1), found.flatten(1)):
        assert np.corrcoef(one, other)[0, 1] > 0.999


def test_a_beat_has_its_share_of_the_interval():
    slow, fast, none = beat_taper(padded([1.0, 2.1, 3.2], [1.0, 1.4, 1.8], [1.0]))
    assert (slow[12:-12] == 1).all()
    assert (fast[: BEFORE - 22] == 0).all()
    assert (fast[BEFORE + 26 :] == 0).all()
    assert (fast[BEFORE - 12 : BEFORE + 12] == 1).all()
    assert not none.any()


@pytest.mark.torch
def test_a_change_is_added_at_usual_beats_alone():
    torch = pytest.importorskip("torch")
    from ecgsdk.training.refiner import Refiner, averaged

    torch.manual_seed(0)
    refiner, condition = Refiner(5, 1000), torch.ones(2, 5)
    wave = 0.1 * torch.sin(torch.arange(LENGTH) / 9)
    refiner.expected_recorded[-1] = wave.repeat(8)
    signals = torch.randn(2, 8, 1000)
    trains, taper = map(torch.from_numpy, beats_given(padded(TIMES, [1.0]), 1000))
    made = refiner.changed(signals, trains, taper, condition)
    assert torch.equal(made[1], signals[1])
    moved = (made - signals)[0]
    assert moved[:, 330:350].abs().max() == 0  # an early beat at 3.0 s, behind a usual one at 2.51 s
    at = 410  # a usual one on a sample
    assert torch.allclose(moved[:, at - 20 : at + 30], wave[BEFORE - 20 : BEFORE + 30].expand(8, -1), atol=3e-3)
    before, after = (averaged(x, trains[:, 0])[0, :, 20:60] for x in (signals, made))
    assert torch.allclose((after - before).diff(dim=1), wave[20:60].diff().expand(8, -1), atol=3e-3)


@pytest.mark.torch
def test_averaged_beats_get_the_expectations_and_the_covariance_of_recorded_ones():
    torch = pytest.importorskip("torch")
    from ecgsdk.training.refiner import Refiner

    torch.manual_seed(1)
    condition = (torch.rand(6000, 2) > 0.5).float()
    mixing = 0.1 * torch.randn(2, 8 * LENGTH, 8 * LENGTH) / LENGTH**0.5
    made, recorded = (torch.randn(6000, 8 * LENGTH) @ m + 0.1 * (condition @ torch.randn(2, 704)) for m in mixing)
    refiner = Refiner(2, 1000)
    refiner.learn(made.unflatten(1, (8, LENGTH)), recorded.unflatten(1, (8, LENGTH)), condition)
    known = torch.cat([condition, torch.ones(6000, 1)], dim=1)
    mapped = known @ refiner.expected_recorded + (made - known @ refiner.expected_made) @ refiner.matrix
    for chosen in (condition[:, 0] == 1, condition[:, 0] == 0):
        assert torch.allclose(mapped[chosen].mean(0), recorded[chosen].mean(0), atol=5e-3)
    apart = [x - known @ torch.linalg.lstsq(known, x).solution for x in (mapped, recorded)]
    ours, theirs = (x.T @ x / len(x) for x in apart)
    assert (ours - theirs).norm() < 0.05 * theirs.norm()
