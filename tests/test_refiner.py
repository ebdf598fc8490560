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


def usual(times: np.ndarray, *columns: int) -> np.ndarray:
    """Usual beats of a model that knows AFIB and PVC, with the condition's columns 1 and 2 for them."""
    condition = np.zeros((len(times), 9), dtype=np.float32)
    condition[:, columns] = 1
    return usual_beats(times, condition, ("AFIB", "PVC"))


def test_early_beats_are_not_usual_ones():
    assert np.isnan(beat_taper(usual(np.array([[1.0], [np.nan]])))).sum() == 0
    found = usual(padded(TIMES, [1.0], []))
    assert np.isnan(found[0, TIMES.index(3.0)])
    assert (~np.isnan(found)).sum(axis=1).tolist() == [len(TIMES) - 1, 1, 0]


def test_in_fibrillation_early_beats_are_usual_but_for_ventricular_ones():
    early, condition = TIMES.index(3.0), np.ones((1, 9), dtype=np.float32)
    assert usual(padded(TIMES), 1)[0, early] == 3.0
    assert np.isnan(usual(padded(TIMES), 1, 2)[0, early])
    known = {("AFLT", "MI"): 3.0, ("AFLT", "BIGU"): np.nan, ("MI",): np.nan, (): np.nan}
    for statements, time in known.items():
        assert np.array_equal(usual_beats(padded(TIMES), condition, statements)[0, early], time, equal_nan=True)


def test_impulses_hold_the_times_between_samples():
    mean, every, usual, others = impulse_trains(padded(TIMES), padded(TIMES), padded(TIMES), 1000)[0]
    assert np.array_equal(every, usual)
    assert not others.any()
    assert mean.sum() == pytest.approx(1, abs=0.01)
    assert every.sum() == pytest.approx(len(TIMES), abs=0.1)
    around = every[80:103]
    assert (around * np.arange(80, 103)).sum() / around.sum() == pytest.approx(91.37, abs=0.05)
    assert not impulse_trains(*[padded(TIMES[:2])] * 3, 1000).any()


def test_early_beats_are_changed_like_the_others_but_in_ventricular_ectopy():
    condition = np.zeros((3, 9), dtype=np.float32)
    condition[1, 2] = condition[2, 1] = 1
    trains, _ = beats_given(padded(TIMES, TIMES, TIMES), condition, ("AFIB", "PVC"), 1000)
    early = trains[:, :, 295:306].any(axis=2)
    assert early.tolist() == [[False, True, False, True], [False, False, False, True], [True, True, True, False]]


def test_an_averaged_beat_is_the_mean_of_a_records_beats(ptbxl_folder):
    torch = pytest.importorskip("torch")
    from ecgsdk.training.critics import beat_windows
    from ecgsdk.training.impulses import correlated

    signals = to_eight(next(read_ptbxl(ptbxl_folder).batches()).signals)
    beats = usual(padded(*[list(times) for times in detect_beats(signals, 100.0)]))
    trains = torch.from_numpy(impulse_trains(beats, beats, beats, signals.shape[2]))
    found = correlated(torch.from_numpy(signals), trains[:, 0])
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
    from ecgsdk.training.beat_flow import BeatFlow
    from ecgsdk.training.impulses import correlated
    from ecgsdk.training.refiner import Refiner

    torch.manual_seed(0)
    refiner, condition = Refiner(BeatFlow(2, 8), 9, 1000), torch.ones(2, 9)
    wave = 0.1 * torch.sin(torch.arange(LENGTH) / 9)
    refiner.mapping.expected_recorded[-1] = wave.repeat(8)
    signals = torch.randn(2, 8, 1000)
    trains, taper = map(torch.from_numpy, beats_given(padded(TIMES, [1.0]), condition.numpy(), ("PVC", "MI"), 1000))
    made = refiner.changed(signals, trains, taper, condition)
    assert torch.equal(made[1], signals[1])
    moved = (made - signals)[0]
    assert moved[:, 330:350].abs().max() == 0  # an early beat at 3.0 s, behind a usual one at 2.51 s
    at = 410  # a usual one on a sample
    assert torch.allclose(moved[:, at - 20 : at + 30], wave[BEFORE - 20 : BEFORE + 30].expand(8, -1), atol=3e-3)
    before, after = (correlated(x, trains[:, 0])[0, :, 20:60] for x in (signals, made))
    assert torch.allclose((after - before).diff(dim=1), wave[20:60].diff().expand(8, -1), atol=3e-3)


@pytest.mark.torch
def test_where_changes_of_two_beats_meet_each_has_its_share():
    torch = pytest.importorskip("torch")
    from ecgsdk.training.beat_flow import BeatFlow
    from ecgsdk.training.refiner import Refiner

    refiner, condition = Refiner(BeatFlow(2, 8), 9, 1000), torch.zeros(1, 9)
    refiner.mapping.expected_recorded[-1] = 0.1
    trains, taper = map(torch.from_numpy, beats_given(padded(TIMES), condition.numpy(), ("PVC", "MI"), 1000))
    moved = refiner.changed(torch.zeros(1, 8, 1000), trains, taper, condition)
    assert moved[0, 0, 80:900].max() < 0.105
    assert moved[0, 0, 251:300].min() > 0.095  # between a usual beat and the early one


@pytest.mark.torch
def test_unusual_conditions_get_what_is_to_be_expected_alone():
    torch = pytest.importorskip("torch")
    from ecgsdk.training.beat_flow import BeatFlow, unusual_columns
    from ecgsdk.training.config import TrainConfig
    from ecgsdk.training.refiner import Refiner

    torch.manual_seed(4)
    refiner = Refiner(BeatFlow(2, 8), 9, 1000)
    refiner.unusual.copy_(unusual_columns(TrainConfig(statements=("AFIB", "MI"))))
    assert refiner.unusual.tolist() == [0, 1, 0, 0, 0, 0, 0, 0, 0]
    with torch.no_grad():
        refiner.flow.basis[0, 0] = refiner.flow.last.bias[0] = 1
        refiner.mapping.axes[:300, :300] = torch.eye(300)
        refiner.mapping.stretch[:300] = 1
        refiner.mapping.expected_recorded[-1] = 0.5
        beats, condition = torch.randn(2, 8 * LENGTH), torch.zeros(2, 9)
        condition[0, 1] = condition[1, 2] = 1
        moved = refiner.moved(beats, condition)
    assert torch.allclose(moved[0], beats[0] + 0.5)
    flowed = beats[1] + torch.eye(8 * LENGTH)[0]
    assert torch.allclose(moved[1, :300], 2 * flowed[:300] + 0.5, atol=1e-5)
    assert torch.allclose(moved[1, 300:], flowed[300:] + 0.5, atol=1e-5)


@pytest.mark.torch
def test_what_is_made_gets_the_expectations_and_the_covariance_of_what_is_recorded():
    torch = pytest.importorskip("torch")
    from ecgsdk.training.transport import ConditionalTransport

    torch.manual_seed(1)
    condition = (torch.rand(6000, 9) > 0.5).float()
    mixing = torch.randn(2, 60, 60) / 60**0.5
    made, recorded = (torch.randn(6000, 60) @ m + condition @ torch.randn(9, 60) for m in mixing)

    def apart(values):
        known = torch.cat([condition, torch.ones(6000, 1)], dim=1)
        rest = values - known @ torch.linalg.lstsq(known, values).solution
        return rest.T @ rest / len(rest)

    missing = {}
    for rank in (60, 20, 1):
        mapping = ConditionalTransport(9, 60, rank)
        assert torch.equal(mapping(made, condition), made)
        mapping.learn(made, recorded, condition, 1e-6)
        mapped = mapping(made, condition)
        for chosen in (condition[:, 0] == 1, condition[:, 0] == 0):
            assert torch.allclose(mapped[chosen].mean(0), recorded[chosen].mean(0), atol=0.02)
        missing[rank] = float((apart(mapped) - apart(recorded)).norm() / apart(recorded).norm())
    assert missing[60] < 0.01 < missing[20] < missing[1]


@pytest.mark.torch
def test_axes_are_taken_from_usual_conditions():
    torch = pytest.importorskip("torch")
    from ecgsdk.training.beat_flow import BeatFlow
    from ecgsdk.training.refiner import Refiner

    torch.manual_seed(5)
    refiner, condition = Refiner(BeatFlow(2, 8), 9, 1000).requires_grad_(False), torch.zeros(3000, 9)
    refiner.unusual[1] = 1
    condition[:1500, 1] = 1
    made = 0.1 * torch.randn(3000, 8 * LENGTH)
    recorded = made.clone()
    recorded[:1500, :9] *= 3
    recorded[1500:, 9:18] *= 2
    refiner.learn(made, recorded, condition)
    mapped = refiner.moved(made, condition)
    assert mapped[1500:, 9:18].std() == pytest.approx(0.2, abs=0.01)
    assert torch.allclose(mapped[:1500], made[:1500], atol=0.02)


@pytest.mark.torch
def test_beats_become_as_like_each_other_as_recorded_ones_and_p_waves_as_strong():
    torch = pytest.importorskip("torch")
    from ecgsdk.training.beat_flow import BeatFlow
    from ecgsdk.training.refiner import Refiner
    from ecgsdk.training.scatter import averages, scatter_levels

    random, rows = np.random.default_rng(6), np.arange(400)
    shape = np.exp(-((np.arange(-30, 31) / 3) ** 2))
    condition = torch.zeros(400, 9)
    condition[::2, 2] = 1
    absent = (condition[:, 2] == 1).numpy()[:, None, None]

    def records(spread: float, p_mv: np.ndarray) -> tuple[torch.Tensor, np.ndarray]:
        """Beats of a P wave and a QRS complex, whose sizes vary, and their times; the early one is half as large."""
        signals = 0.004 * random.standard_normal((400, 8, 1000))
        times = np.array(TIMES) + 0.02 * random.random((400, 1))
        for beat, early in zip(times.T, np.array(TIMES) == 3.0):
            for after, size in ((0.0, 1.0), (-0.16, p_mv)):
                places = np.rint(100 * (beat + after)).astype(int)[:, None] + np.arange(-30, 31)
                sizes = size * (0.5 if early else 1.0) * (1 + spread * random.standard_normal((400, 8, 1)))
                for lead in range(8):
                    np.add.at(signals[:, lead], (rows[:, None], places), (sizes * shape)[:, lead])
        return torch.from_numpy(signals.astype(np.float32)), np.pad(times, [(0, 0), (0, 37)], constant_values=np.nan)

    refiner = Refiner(BeatFlow(2, 8), 9, 1000).requires_grad_(False)

    def seen(signals: torch.Tensor, times: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
        train = torch.from_numpy(impulse_trains(times, usual(times), usual(times), 1000)[:, 0])
        beats, mean, power = averages(signals, refiner.scatter.waves(signals), train)
        return scatter_levels(mean, power), beats

    made, times = records(0.3, np.full((400, 1, 1), 0.15))
    recorded = records(0.1, np.where(absent, 0.02, 0.15))
    trains, taper = map(torch.from_numpy, beats_given(times, condition.numpy(), ("PVC", "MI"), 1000))
    assert torch.allclose(refiner.changed(made, trains, taper, condition), made, atol=1e-6)
    refiner.scatter.learn(seen(made, times), seen(*recorded), condition)
    changed = refiner.changed(made, trains, taper, condition)
    wanted, before, after = (seen(x, t)[0].mean((0, 1)) for x, t in (recorded, (made, times), (changed, times)))
    waves = [5, 6, *range(8, 12)]
    assert ((before - wanted)[waves] > 1).all()
    assert ((after - wanted)[waves].abs() < 0.4 * (before - wanted)[waves]).all()
    p_waves = [(x[..., 24] - x[..., 16]).mean(1) for x in (seen(made, times)[1], seen(changed, times)[1])]
    left = (p_waves[1] / p_waves[0]).numpy()
    assert np.median(left[absent[:, 0, 0]]) < 0.5
    assert np.median(left[~absent[:, 0, 0]]) == pytest.approx(1, abs=0.1)
    assert (seen(changed, times)[1] - seen(made, times)[1])[:, :, BEFORE - 4 : BEFORE + 6].abs().max() < 0.03
    moved = (changed - made)[:, :, 250 + 36 : 330].abs()  # an early beat at 3.0 s with all of its P wave
    assert moved[~absent[:, 0, 0]].max() < 0.03


@pytest.mark.torch
def test_beats_flow_by_statements_towards_recorded_ones(tmp_path):
    torch = pytest.importorskip("torch")
    from ecgsdk.training.averages import AveragedBeats, averages_file
    from ecgsdk.training.beat_flow import beat_flow_stage
    from ecgsdk.training.config import TrainConfig
    from ecgsdk.training.loop import run_stage

    class Records:
        conditions = torch.zeros(600, 9)

    Records.conditions[::2, 1] = 1
    torch.manual_seed(2)
    made = 0.1 * torch.randn(3, 600, 8, LENGTH)
    recorded = 0.1 * torch.randn(600, 8, LENGTH) + 0.1 * Records.conditions[:, 1, None, None]
    scatter = torch.zeros(3, 600, 8, 22)
    enough, source = torch.ones(600, dtype=torch.bool), torch.zeros(32, dtype=torch.uint8)
    beats = AveragedBeats(recorded, scatter[0], made, scatter, enough, source)
    np.savez(averages_file(tmp_path), **{name: values.numpy() for name, values in beats._asdict().items()})
    config = TrainConfig(
        statements=("PVC", "MI"), beat_flow_width=64, beat_flow_steps=300, beat_flow_batch=64, beat_flow_rate=1e-2
    )
    stage = beat_flow_stage(config, tmp_path, Records(), torch.device("cpu"))
    assert run_stage(stage, tmp_path)
    flow = stage.networks["average"].average.eval()
    with torch.no_grad():
        moved = flow(0.1 * torch.randn(600, 8 * LENGTH), Records.conditions)
    means = [moved[Records.conditions[:, 1] == known].mean().item() for known in (0, 1)]
    assert means == pytest.approx([0, 0.1], abs=0.03)


@pytest.mark.torch
def test_baselines_get_the_spread_of_recorded_ones_and_nothing_else_is_touched():
    torch = pytest.importorskip("torch")
    from ecgsdk.training.wander import Wander

    torch.manual_seed(3)
    time = torch.arange(1000) / 100
    slow = torch.cos(torch.pi * torch.arange(1, 10)[:, None] * (time + 0.005) / 10)
    fast = 0.3 * torch.cos(torch.pi * 140 * (time + 0.005) / 10)

    def records(heavy: float):
        far = torch.exp(heavy * torch.randn(4000, 1, 1))
        return 0.1 * far * (torch.randn(4000, 8, 9) @ slow) + fast

    made, recorded = records(0.5), records(1.2)
    wander = Wander(1000)
    assert torch.allclose(wander(made[:9]), made[:9], atol=1e-5)
    wander.take(wander.levels(made), wander.levels(recorded))
    mapped = wander(made)
    for share in (0.1, 0.5, 0.9, 0.98):
        ours, theirs = (wander.levels(x).quantile(share, dim=0) for x in (mapped, recorded))
        assert torch.allclose(ours, theirs, atol=0.15)
    assert ((mapped - made) @ fast).abs().max() < 0.01
