"""The upsampler: PTB-XL's own decimation, the grain's arithmetic, training, export, and generating at three rates."""

from __future__ import annotations

import csv
import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import ecgsdk
from ecgsdk.errors import DataError, ModelError, TrainingError, WriteError
from ecgsdk.leads import to_eight
from ecgsdk.models import find_model
from ecgsdk.readers.ptbxl import read_ptbxl
from ecgsdk.resampling import resample

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.torch
torch.set_num_threads(1)

from ecgsdk.training.config import TrainConfig  # noqa: E402
from ecgsdk.training.loop import load_stage  # noqa: E402
from ecgsdk.training.train import train  # noqa: E402
from ecgsdk.training.upsampler import around_beats, band_power  # noqa: E402
from ecgsdk.training.upsampler_data import MARGIN, RatePairs, decimated  # noqa: E402
from ecgsdk.training.upsampler_export import SAMPLING_RATES, add_upsampler  # noqa: E402
from ecgsdk.training.upsampler_network import build_upsampler, lapped_transform, noise_shape  # noqa: E402

TINY = replace(TrainConfig(), upsampler_width=4, upsampler_grain_width=4, upsampler_steps=6, upsampler_batch=2)
GROUPS = ecgsdk.Cohort.from_groups(["norm", "lbbb"])


@pytest.fixture(scope="module")
def ptbxl(tmp_path_factory, ptbxl_folder):
    """The shipped records, one of them moved to fold 9 and the rest to folds 1 to 8."""
    folder = shutil.copytree(ptbxl_folder, tmp_path_factory.mktemp("data") / "ptb-xl")
    with (folder / "ptbxl_database.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    with (folder / "ptbxl_database.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows({**row, "strat_fold": str(fold or 9)} for fold, row in enumerate(rows))
    return folder


@pytest.fixture(scope="module")
def run(tmp_path_factory, ptbxl):
    folder = tmp_path_factory.mktemp("run")
    assert train(folder, ptbxl, stages=["upsampler"], config=TINY, device="cpu")
    return folder


@pytest.fixture(scope="module")
def model(tmp_path_factory, run):
    """The shipped generator with a tiny upsampler in the place of its own."""
    target = tmp_path_factory.mktemp("models") / "fine"
    shutil.copytree(find_model().folder, target)
    add_upsampler(run, target, overwrite=True)
    return target


@pytest.fixture(scope="module")
def generator(model):
    return ecgsdk.load_generator(model, device="cpu", threads=1)


def signals(generator, rate, n=2, **options):
    batches = list(generator.generate(GROUPS, n, seed=3, sampling_rate=rate, **options))
    assert {batch.sampling_rate for batch in batches} == {rate}
    return np.concatenate([batch.signals for batch in batches])


def test_the_source_filter_gives_ptbxl_s_own_100_hz_from_its_500_hz(ptbxl_folder):
    fine, coarse = (
        torch.from_numpy(to_eight(next(read_ptbxl(ptbxl_folder, sampling_rate=rate).batches()).signals))
        for rate in (500, 100)
    )
    made = decimated(fine)
    difference = 1000 * (made - coarse[..., MARGIN // 5 : MARGIN // 5 + made.shape[-1]])
    assert difference.square().mean().sqrt() < 0.5  # rounding to 1 µV alone makes 0.29


def test_the_lapped_transform_is_orthonormal():
    kernels, random = lapped_transform(20), torch.randn(1, 1, 1, 400)
    coefficients = torch.nn.functional.conv2d(random, kernels, stride=(1, 20), padding=(0, 20))
    back = torch.nn.functional.conv_transpose2d(coefficients, kernels, stride=(1, 20), padding=(0, 20))
    assert torch.allclose(back[..., 20:-20], random[..., 20:-20], atol=1e-5)


def test_an_untrained_upsampler_expects_the_band_limited_signal_in_the_recording_s_time():
    network = build_upsampler(TINY)
    coarse = torch.sin(2 * torch.pi * 10 * (torch.arange(400) / 100 + 0.00125)).repeat(1, 8, 1)
    fine = torch.sin(2 * torch.pi * 10 * torch.arange(2000) / 500)
    assert (network.expected(coarse)[..., 200:-200] - fine[200:-200]).abs().max() < 2e-3


def test_grain_keeps_above_40_hz_and_goes_together_as_the_leads_did():
    network = build_upsampler(TINY)
    grain = network.grain
    grain.correlations.fill_(0.9).diagonal(dim1=2, dim2=3).fill_(1.0)
    grain.settle()
    made = grain(0.1 * torch.randn(4, 8, 1000), torch.randn(4, *noise_shape(1000))).detach()
    assert band_power(made, 1, 30) < 0.02 * band_power(made, 45, 240)
    assert torch.corrcoef(made.transpose(0, 1).flatten(1))[0, 5] == pytest.approx(0.9, abs=0.03)


def test_levels_tell_how_much_louder_a_record_is_than_its_gains():
    grain = build_upsampler(TINY).grain
    ratios = 4 * torch.randn(3, 17, 8, 2000).square()
    levels = grain.levels(ratios, torch.full((3, 1, 1, 2000), 0.2))
    assert levels.shape == (3, 7, 8, 1)
    assert torch.allclose(levels, torch.tensor(4.0).log(), atol=0.15)


def test_statistics_follow_what_is_observed():
    grain = build_upsampler(TINY).grain
    common, own = torch.randn(400, 7, 1, 1), 0.5 * torch.randn(400, 7, 8, 1)
    scores = torch.randn(400, 17, 1, 10).expand(-1, -1, 8, -1)
    grain.observe(common + own, scores, torch.full((400, 1, 1, 10), 0.5), 1.0)
    assert torch.allclose(grain.common_levels.diag(), torch.tensor(1 + 0.25 / 8), atol=0.25)
    assert torch.allclose(grain.own_levels.diag(), torch.tensor(0.25), atol=0.05)
    assert torch.allclose(grain.correlations, torch.ones(()), atol=1e-3)


def test_windows_around_beats_are_a_tenth_of_a_second_wide(ptbxl_folder):
    fine = torch.from_numpy(to_eight(next(read_ptbxl(ptbxl_folder, sampling_rate=500).batches()).signals))
    near = around_beats(fine)
    share = near.float().mean() * 10 / 0.102  # beats in ten seconds
    assert 8 < share < 20


def test_pairs_are_drawn_at_any_phase_and_whole(run):
    pairs = RatePairs(run / "upsampler_train.npy", torch.device("cpu"))
    coarse, fine = pairs.draw(3, 1280)
    assert (coarse.shape, fine.shape) == ((3, 8, 256), (3, 8, 1280))
    coarse, fine = pairs.whole(range(2))
    assert coarse.shape[-1] * 5 == fine.shape[-1] == 4780


def test_the_stage_logs_errors_on_the_held_out_record(run):
    last = json.loads((run / "metrics.jsonl").read_text().splitlines()[-1])
    assert last["stage"] == "upsampler"
    assert 0 < last["val_qrs_rmse_expected"] <= last["val_qrs_rmse_interpolated"] * 1.05
    assert not list(run.glob("*.part"))


def test_a_stopped_run_ends_as_an_unbroken_one(run, tmp_path):
    for path in run.glob("*.npy"):
        shutil.copy(path, tmp_path)
    shutil.copy(run / "config.json", tmp_path)
    while not train(tmp_path, stages=["upsampler"], device="cpu", max_seconds=1e-6):
        pass
    stopped, unbroken = (load_stage(folder, "upsampler")["networks"]["average"] for folder in (tmp_path, run))
    assert all(torch.allclose(stopped[name], unbroken[name], atol=1e-6) for name in unbroken)


def test_the_first_run_needs_records_at_500_hz(tmp_path, ptbxl):
    with pytest.raises(TrainingError, match="needs the PTB-XL folder, for its records at 500 Hz"):
        train(tmp_path / "none", stages=["upsampler"], config=TINY, device="cpu")
    lacking = shutil.copytree(ptbxl, tmp_path / "lacking")
    shutil.rmtree(lacking / "records500")
    with pytest.raises(DataError, match="records500"):
        train(tmp_path / "run", lacking, stages=["upsampler"], config=TINY, device="cpu")


def test_the_card_tells_of_the_upsampler(model, run):
    card = find_model(model).card
    assert card.sampling_rates == SAMPLING_RATES
    assert card.decoder_rate == 100
    assert card.data["upsampler"] == {"records": 5, "folds": list(range(1, 9)), "sampling_rate": 500.0}
    assert card.training["upsampler"]["steps_done"] == {"upsampler": 6}
    assert "val_qrs_rmse" in card.metrics["fold_9"]["upsampler"]
    assert (model / "upsampler.onnx").stat().st_size < 1_000_000
    with pytest.raises(WriteError, match="--force"):
        add_upsampler(run, model)


def test_a_folder_named_like_an_installed_model_is_the_one_that_gets_it(model, run, tmp_path, monkeypatch):
    mine = shutil.copytree(model, tmp_path / "ptbxl-flow")
    card = json.loads((mine / "card.json").read_text())
    (mine / "card.json").write_text(json.dumps({**card, "description": "of another run"}))
    monkeypatch.chdir(tmp_path)
    add_upsampler(run, Path("ptbxl-flow"), overwrite=True)
    assert json.loads((mine / "card.json").read_text())["description"] == "of another run"


def test_several_rates_need_an_upsampler(model, tmp_path):
    broken = shutil.copytree(model, tmp_path / "broken")
    card = json.loads((broken / "card.json").read_text())
    del card["graphs"]["upsampler"]
    (broken / "card.json").write_text(json.dumps(card))
    with pytest.raises(ModelError, match="all but one need an upsampler"):
        find_model(broken)


def test_100_hz_is_what_it_was_without_an_upsampler(generator, model, tmp_path):
    plain = shutil.copytree(model, tmp_path / "plain")
    card = json.loads((plain / "card.json").read_text())
    del card["graphs"]["upsampler"]
    card["sampling_rates"] = [100.0]
    (plain / "card.json").write_text(json.dumps(card))
    Path(plain / "upsampler.onnx").unlink()
    alone = ecgsdk.load_generator(plain, device="cpu", threads=1)
    assert np.array_equal(signals(generator, 100.0), signals(alone, 100.0))
    with pytest.raises(ecgsdk.ConditionError, match="makes 100 Hz, not 500"):
        alone.generate(GROUPS, 1, sampling_rate=500)


def test_500_hz_follows_100_hz_and_keeps_the_lead_equations(generator):
    fine, coarse = signals(generator, 500.0), signals(generator, 100.0)
    assert fine.shape == (2, 12, 5000)
    again = decimated(torch.from_numpy(fine)).numpy()
    inner = coarse[..., MARGIN // 5 : MARGIN // 5 + again.shape[-1]]
    assert np.sqrt(np.square(again - inner).mean()) < 0.1 * inner.std()
    assert np.allclose(fine[:, 2], fine[:, 1] - fine[:, 0], atol=1e-5)


def test_a_record_at_500_hz_does_not_depend_on_its_batch(generator):
    together = signals(generator, 500.0, 5)
    apart = signals(generator, 500.0, 5, batch_size=2)
    alone = next(generator.generate(GROUPS, 1, seed=3, start=4, sampling_rate=500)).signals
    assert np.array_equal(together, apart)
    assert np.array_equal(together[4:], alone)


def test_250_hz_is_the_band_limited_half_of_500_hz(generator):
    half = signals(generator, 250.0)
    assert half.shape == (2, 12, 2500)
    assert np.allclose(half, resample(signals(generator, 500.0), 500, 250), atol=1e-5)
