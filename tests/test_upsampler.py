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
from ecgsdk.training.train import UPSAMPLER_STAGES, train  # noqa: E402
from ecgsdk.training.upsampler import band_power, near_error  # noqa: E402
from ecgsdk.training.upsampler_critics import (  # noqa: E402
    PIECE,
    LevelCritics,
    band_figures,
    phase_powers,
    piece_figures,
)
from ecgsdk.training.upsampler_data import RatePairs, samples_near_beats  # noqa: E402
from ecgsdk.training.upsampler_export import SAMPLING_RATES, add_upsampler  # noqa: E402
from ecgsdk.training.upsampler_grain import lapped_transform  # noqa: E402
from ecgsdk.training.upsampler_network import build_upsampler, noise_shape  # noqa: E402
from ecgsdk.training.upsampler_rates import MARGIN, STEP_MV, decimated, recorded, splined, stepped  # noqa: E402
from ecgsdk.training.upsampler_statistics import levels_of, own_weights, without_own_way  # noqa: E402
from ecgsdk.training.upsampler_tuning import Price  # noqa: E402

TINY = replace(
    TrainConfig(),
    upsampler_width=4,
    upsampler_grain_width=4,
    upsampler_steps=6,
    upsampler_tuning_steps=4,
    upsampler_batch=2,
)
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
    assert train(folder, ptbxl, stages=UPSAMPLER_STAGES, config=TINY, device="cpu")
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


def at_500(ptbxl_folder):
    return to_eight(next(read_ptbxl(ptbxl_folder, sampling_rate=500).batches()).signals)


def test_ptbxl_s_500_hz_are_splines_through_steps_at_400_hz(ptbxl_folder):
    fine = at_500(ptbxl_folder)
    again = splined(torch.from_numpy(recorded(fine).astype(np.float32)) * STEP_MV).numpy()
    inner = slice(50, -50)  # the ends of natural splines bend in another way
    assert np.abs(again - fine)[..., inner].max() < 0.00052  # half of 1 µV, to which files are rounded


def test_the_recorded_400_hz_are_found_whatever_they_are():
    steps = np.random.default_rng(0).integers(-300, 300, (2, 8, 800))
    fine = splined(torch.from_numpy(steps * STEP_MV)).numpy()
    assert np.array_equal(recorded(fine)[..., 20:-20], steps[..., 20:-20])


def test_100_hz_made_of_400_hz_are_ptbxl_s_own(ptbxl_folder):
    coarse = torch.from_numpy(to_eight(next(read_ptbxl(ptbxl_folder, sampling_rate=100).batches()).signals))
    made = decimated(torch.from_numpy(recorded(at_500(ptbxl_folder)).astype(np.float32)) * STEP_MV)
    difference = 1000 * (made - coarse[..., MARGIN // 4 : MARGIN // 4 + made.shape[-1]])
    assert difference.square().mean().sqrt() < 0.5  # rounding to 1 µV alone makes 0.29


def test_the_lapped_transform_is_orthonormal():
    kernels, random = lapped_transform(16), torch.randn(1, 1, 1, 320)
    coefficients = torch.nn.functional.conv2d(random, kernels, stride=(1, 16), padding=(0, 16))
    back = torch.nn.functional.conv_transpose2d(coefficients, kernels, stride=(1, 16), padding=(0, 16))
    assert torch.allclose(back[..., 16:-16], random[..., 16:-16], atol=1e-5)


def test_an_untrained_upsampler_expects_the_band_limited_signal_in_the_recording_s_time():
    network = build_upsampler(TINY)
    coarse = torch.sin(2 * torch.pi * 10 * (torch.arange(400) / 100 + 0.00125)).repeat(1, 8, 1)
    fine = torch.sin(2 * torch.pi * 10 * torch.arange(2000) / 500)
    expected = network.at_500(network.expected(coarse, network.features(coarse)))
    assert (expected[..., 200:-200] - fine[200:-200]).abs().max() < 2e-3


@torch.no_grad()
def test_what_is_made_is_the_sum_of_its_parts_in_steps_of_5_microvolts():
    network = build_upsampler(TINY)
    torch.nn.init.normal_(network.head, std=0.1)
    coarse, noise = 0.3 * torch.randn(2, 8, 400), torch.randn(2, *noise_shape(400))
    features, (weights, _, drawn) = network.features(coarse), network.of_records(noise)
    network.drawn.weight[-24:] = 0
    network.drawn.bias[-24:] = 0
    own = torch.einsum("nlkt,nkl->nlt", network.basis(features), weights[..., 0])
    parts = network.expected(coarse, features) + own + network.grain(coarse, features, noise[:, :, :-2], drawn)
    assert torch.allclose(network.sampled(coarse, noise), parts, atol=1e-5)
    in_steps = network(coarse, noise)[..., ::5] / STEP_MV  # each fifth sample at 500 Hz is one at 400 Hz
    assert (in_steps - in_steps.round()).abs().max() < 1e-2


@torch.no_grad()
def test_grain_keeps_above_40_hz():
    network = build_upsampler(TINY)
    coarse, noise = 0.1 * torch.randn(4, 8, 1000), torch.randn(4, *noise_shape(1000))
    made = splined(network.grain(coarse, network.features(coarse), noise[:, :, :-2], network.of_records(noise)[2]))
    assert band_power(made, 1, 30) < 0.02 * band_power(made, 45, 180)


def test_own_weights_are_found_again():
    basis, weights = torch.randn(2, 8, 3, 400), torch.randn(2, 8, 3)
    left = torch.einsum("nlkt,nlk->nlt", basis, weights)
    found = own_weights(basis, left)
    assert torch.allclose(found, weights, atol=1e-3)
    assert without_own_way(basis, left, found).abs().max() < 1e-2


def test_levels_tell_how_much_louder_a_record_is_than_its_gains():
    logs, busy = torch.randn(3, 13, 8, 1).expand(-1, -1, -1, 4000), torch.full((3, 1, 1, 4000), 0.2)
    found = 2 * logs.exp() * torch.randn(3, 13, 8, 4000)
    levels = levels_of(found, logs, torch.stack([1 - busy, busy], dim=1))
    assert levels.shape == (3, 2, 13, 8)
    assert torch.allclose(levels, torch.tensor(2.0).log(), atol=0.1)


def test_steps_let_gradients_through():
    signals = torch.tensor([0.0012, 0.0031, -0.0074], requires_grad=True)
    made = stepped(signals)
    made.sum().backward()
    assert torch.allclose(made, torch.tensor([0.0, 0.005, -0.005]), atol=1e-7)
    assert torch.equal(signals.grad, torch.ones(3))


def test_figures_follow_power_where_it_is_and_how_leads_go_together():
    time = torch.arange(PIECE) / 500
    near = (torch.arange(PIECE) % 500 < 100)[None]
    lead = torch.sin(2 * torch.pi * 70 * time) * (0.1 + 0.9 * near)
    figures = band_figures(lead.repeat(1, 8, 1), near)
    assert figures.shape == (1, 244)
    bands = figures[0, :208].view(2, 13, 8)
    assert bands[:, :, 0].argmax(dim=1).tolist() == [7, 7]  # 60 to 80 Hz
    assert bands[0, 7, 0] > bands[1, 7, 0] + 1
    assert torch.allclose(figures[0, -28:], torch.ones(28), atol=1e-3)


def test_critics_see_recordings_on_a_common_scale():
    figures = piece_figures(torch.randn(64, 8, 2 * PIECE), torch.arange(2 * PIECE)[None].expand(64, -1) % 400 < 50)
    critics = LevelCritics(figures.flatten(0, 1))
    normal = critics.normal(figures).flatten(0, 1)
    assert torch.allclose(normal.mean(dim=0), torch.zeros(244), atol=1e-2)
    assert [v[-1].shape[1] for v in critics(critics.normal(figures))] == [1, 1, 1]


def test_recordings_are_rough_alike_at_all_samples_of_a_frame(ptbxl_folder):
    powers = phase_powers(torch.from_numpy(recorded(at_500(ptbxl_folder))).float() * STEP_MV)
    assert powers.shape == (6, 32, 16)
    assert powers.mean(dim=-1).abs().max() < 1e-4
    mean = powers.unflatten(1, (4, 8)).mean(dim=(0, 2))
    assert mean.abs().max() < 0.1  # 48 leads of 244 frames: one standard error is 0.02


def test_powers_tell_which_samples_of_a_frame_are_rough():
    loud = torch.where(torch.arange(1600) % 16 == 5, 0.1, 0.02)
    powers = phase_powers(loud * torch.randn(8, 8, 1600, generator=torch.Generator().manual_seed(0)))
    mean = powers.unflatten(1, (4, 8)).mean(dim=(0, 2))
    assert (mean[0].topk(2).indices.sort().values == torch.tensor([4, 5])).all()  # x[5] - x[4] and x[6] - x[5]
    assert (mean[3].topk(5).indices.sort().values == torch.arange(1, 6)).all()


@torch.no_grad()
def test_bent_kernels_change_what_is_drawn_and_not_what_is_analysed():
    grain = build_upsampler(TINY).grain
    coefficients = torch.randn(1, 13, 8, 22)
    before, seen = grain.synthesised(coefficients), grain.coefficients(torch.ones(1, 8, 336))
    grain.bent[0, 0, 0, 3] = 0.5
    difference = grain.synthesised(coefficients) - before
    assert difference[..., 3::16].abs().min() > 0
    assert difference[..., 4::16].abs().max() == 0
    assert torch.equal(grain.coefficients(torch.ones(1, 8, 336)), seen)


def test_errors_cost_more_while_they_are_above_the_bound():
    dear, cheap = Price(0.9), Price(0.9)
    for _ in range(200):
        dear.observe(torch.tensor(1.5))
        cheap.observe(torch.tensor(0.5))
    assert dear.price > 0.12 > 0.08 > cheap.price


def test_windows_around_beats_are_a_tenth_of_a_second_wide(ptbxl_folder):
    near = samples_near_beats(at_500(ptbxl_folder), 500)
    share = near.mean() * 10 / 0.102  # beats in ten seconds
    assert 8 < share < 20
    assert near_error(torch.ones(6, 8, 5000), torch.zeros(6, 8, 5000), torch.from_numpy(near)) == pytest.approx(1)


def test_pairs_are_drawn_at_any_phase_and_whole(run):
    pairs = RatePairs(run, "train", torch.device("cpu"))
    coarse, fine, near = pairs.draw(3, 1280)
    assert (coarse.shape, fine.shape, near.shape) == ((3, 8, 320), (3, 8, 1280), (3, 1280))
    coarse, fine, near = pairs.whole(range(2))
    assert coarse.shape[-1] * 4 == fine.shape[-1] == near.shape[-1] == 4000


def test_the_stages_log_errors_on_the_held_out_record(run):
    rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert [row["stage"] for row in rows] == list(UPSAMPLER_STAGES)
    assert 0 < rows[0]["val_qrs_rmse_expected"] <= rows[0]["val_qrs_rmse_interpolated"] * 1.05
    assert not list(run.glob("*.part"))


def test_a_stopped_run_ends_as_an_unbroken_one(run, tmp_path):
    for path in run.glob("*.npy"):
        shutil.copy(path, tmp_path)
    shutil.copy(run / "config.json", tmp_path)
    while not train(tmp_path, stages=UPSAMPLER_STAGES, device="cpu", max_seconds=1e-6):
        pass
    for stage in UPSAMPLER_STAGES:
        stopped, unbroken = (load_stage(folder, stage)["networks"]["average"] for folder in (tmp_path, run))
        assert all(torch.allclose(stopped[name], unbroken[name], atol=1e-5) for name in unbroken)


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
    assert card.training["upsampler"]["steps_done"] == {"upsampler": 6, "upsampler_tuned": 4}
    assert "val_qrs_rmse" in card.metrics["fold_9"]["upsampler_tuned"]
    assert (model / "upsampler.onnx").stat().st_size < 1_000_000
    with pytest.raises(WriteError, match="--force"):
        add_upsampler(run, model)


def test_an_upsampler_is_taken_over_from_another_model(model, tmp_path):
    target = shutil.copytree(find_model().folder, tmp_path / "other")
    add_upsampler(model, target, overwrite=True)
    taken, given = find_model(target), find_model(model)
    assert taken.graph("upsampler") == given.graph("upsampler")
    assert taken.card.training["upsampler"] == given.card.training["upsampler"]
    assert taken.card.metrics["fold_9"]["upsampler_tuned"] == given.card.metrics["fold_9"]["upsampler_tuned"]
    without = shutil.copytree(find_model(kind="synthesiser").folder, tmp_path / "synthesiser")
    with pytest.raises(ModelError, match="is a model of the kind synthesiser"):
        add_upsampler(without, target, overwrite=True)


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
    again = decimated(torch.from_numpy(recorded(fine).astype(np.float32)) * STEP_MV).numpy()
    inner = coarse[..., MARGIN // 4 : MARGIN // 4 + again.shape[-1]]
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
