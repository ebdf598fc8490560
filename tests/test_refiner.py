"""Usual beats: where they are, their average, and what is added at each of them and nowhere else."""

from __future__ import annotations

import numpy as np
import pytest

from ecgsdk.beats import detect_beats
from ecgsdk.leads import to_eight
from ecgsdk.readers import read_ptbxl
from ecgsdk.usual_beats import AFTER, BEFORE, impulse_trains, usual_beats

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


@pytest.mark.torch
def test_a_change_is_added_at_usual_beats_alone_and_the_average_moves_by_what_overlap_tells():
    torch = pytest.importorskip("torch")
    from ecgsdk.training.refiner import Refiner, _overlap, averaged

    torch.manual_seed(0)
    refiner, condition = Refiner(5, width=8, blocks=1).eval(), torch.ones(2, 5)
    torch.nn.init.normal_(refiner.last.weight)
    signals = torch.randn(2, 8, 1000)
    trains = torch.from_numpy(impulse_trains(usual_beats(padded(TIMES, [1.0])), 1000))
    with torch.no_grad():
        made, before = refiner(signals, trains, condition), averaged(signals, trains[:, 0])
        change = refiner.change(before, condition)
    assert torch.equal(made[1], signals[1])
    moved = (made - signals)[0].abs().amax(0)
    assert moved[330:360].max() == 0  # between a usual beat at 2.51 s and one at 4.1 s
    assert moved[400:420].min() > 0
    lags = torch.arange(LENGTH) - torch.arange(LENGTH)[:, None] + LENGTH - 1
    wanted = before + change @ _overlap(trains)[:, lags]
    wanted = wanted - wanted.mean(-1, keepdim=True)
    assert torch.allclose(averaged(made, trains[:, 0])[0], wanted[0], atol=1e-4)
