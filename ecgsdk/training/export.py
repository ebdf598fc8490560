"""From checkpoints to a model folder: ONNX graphs that give what PyTorch gives, and the card."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

import ecgsdk
from ecgsdk.cards import Card
from ecgsdk.conditions import GROUPS
from ecgsdk.encoding import BEAT_CHANNELS, condition_width
from ecgsdk.errors import TrainingError
from ecgsdk.leads import LEADS
from ecgsdk.training.accompanying import accompanying
from ecgsdk.training.autoencoder import build_decoder
from ecgsdk.training.begun import begun_facts
from ecgsdk.training.cut import LEAST_OFFSET, SPARE, Cut, CutDecoder
from ecgsdk.training.data import TRAINING_FOLDS, load_prepared
from ecgsdk.training.distillation import build_distilled
from ecgsdk.training.flow import build_flow
from ecgsdk.training.fusing import fused
from ecgsdk.training.graphs import BATCHES, check_model_folder, export_graph, graph_facts, write_model_folder
from ecgsdk.training.histograms import EDGES, histograms
from ecgsdk.training.judge import Judge, judge_source, load_judge
from ecgsdk.training.loop import fingerprint, load_average, load_stage, load_weights
from ecgsdk.training.networks import TOKEN, Flow, Rhythm
from ecgsdk.training.noise_floor import NoiseFloor, build_noise_floor
from ecgsdk.training.refiner import Refiner, load_refiner
from ecgsdk.training.rhythm import build_rhythm
from ecgsdk.training.rhythm_graph import export_rhythm
from ecgsdk.training.train import HISTORY, run_config
from ecgsdk.training.tuned import last_tuned, tuned_networks
from ecgsdk.usual_beats import beats_given

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ecgsdk.training.config import TrainConfig
    from ecgsdk.training.data import Prepared

__all__ = ["CANDIDATES", "PTBXL", "STEPS", "export", "held_out_figures", "training_facts"]

PTBXL = {
    "source": "PTB-XL 1.0.3, PhysioNet",
    "credit": "Wagner, Strodthoff, Bousseljot, Kreiseler, Lunze, Samek, Schaeffter: PTB-XL, a large publicly "
    "available electrocardiography dataset. Scientific Data 7:154 (2020), doi 10.1038/s41597-020-0495-6",
    "licence": "CC BY 4.0",
    "folds": list(TRAINING_FOLDS),
}
"""Data that models are trained on, for their cards."""

STEPS = 6
"""Evaluations of the flow unless told otherwise."""

CANDIDATES = 8
"""ECGs of which `--quality high` chooses one for each record, in models with a judge."""


def export(
    folder: Path,
    target: Path,
    *,
    version: str,
    description: str = "",
    command: str = "",
    device: str = "",
    steps: int = STEPS,
    overwrite: bool = False,
) -> Card:
    """Writes a model folder from the checkpoints of a training run.

    Args:
        folder: the run's folder.
        target: the model folder; its name is the model's.
        version: of the model.
        command, device: how it was trained, for the card; default: as the run's own history tells.
        steps: number of flow evaluations; a distilled flow takes one, and this number is that of `--quality high`.

    Raises:
        TrainingError: a checkpoint is missing, or a graph differs from PyTorch by more than 1e-3 of the output's
            standard deviation at any of several batch sizes.
        WriteError: the target exists and `overwrite` is off.
    """
    check_model_folder(target, overwrite=overwrite)
    config = run_config(folder)
    prepared = load_prepared(folder / "train.npz", config)
    networks, done = _networks(folder, config)
    tokens = config.samples // TOKEN + (SPARE if isinstance(networks["decoder"], CutDecoder) else 0)
    graphs = {name: _graph(name, network, config, tokens) for name, network in networks.items()}
    card = _card(target.name, version, description, config, prepared, graph_facts(graphs), steps, tokens)
    card = _with_training(card, folder, config, command, device, done, len(prepared))
    write_model_folder(target, graphs, card)
    return card


def _networks(folder: Path, config: TrainConfig) -> tuple[dict[str, nn.Module], dict[str, int]]:
    """Networks to export with their averaged weights, and the steps that each stage has done."""
    decoder, flow, rhythm = build_decoder(config), build_flow(config), build_rhythm(config)
    begun = begun_facts(folder) is not None  # such a run has no encoder
    stored = {
        name: load_stage(folder, name)
        for name in ("autoencoder", "flow", "rhythm")
        if not begun or name != "autoencoder"
    }
    if config.adversarial_steps or begun:
        stored["adversarial"] = load_stage(folder, "adversarial")
        load_average(decoder, stored["adversarial"], "adversarial")
    else:
        load_weights(decoder, stored["autoencoder"]["networks"]["decoder"], "autoencoder")
    load_average(flow, stored["flow"], "flow")
    load_weights(rhythm, stored["rhythm"]["networks"]["rhythm"], "rhythm")
    networks: dict[str, nn.Module] = {"flow": flow, "decoder": decoder, "rhythm": rhythm}
    if (folder / "distilled.pt").exists():
        stored["distilled"] = load_stage(folder, "distilled")
        networks["distilled"] = build_distilled(config)
        load_average(networks["distilled"], stored["distilled"], "distilled")
        if (folder / "tuned.pt").exists():
            last = last_tuned(folder)
            stored |= {name: load_stage(folder, name) for name in dict.fromkeys(("tuned", last))}
            cut, floor = Cut(config.samples), None
            tuned = tuned_networks(networks | {"cut": cut})
            load_average(tuned, stored[last], last)
            if (folder / "noise_floor.pt").exists():
                stored["noise_floor"] = load_stage(folder, "noise_floor")
                floor = _noise_floor(stored["noise_floor"], tuned, config)
                load_weights(cut, stored["noise_floor"]["networks"]["cut"], "noise_floor")
            if (folder / "refined.pt").exists():
                stored |= {name: load_stage(folder, name) for name in ("beat_flow", "refined")}
                refiner = networks["refiner"] = load_refiner(config, folder)
                if (folder / "judged.pt").exists():
                    stored |= {name: load_stage(folder, name) for name in ("reader", "judged")}
                    networks["judge"] = load_judge(config, folder, judge_source(refiner, rhythm))
            networks["decoder"] = CutDecoder(decoder, cut, floor)
    return {name: network.eval() for name, network in networks.items()}, {n: s["step"] for n, s in stored.items()}


def _noise_floor(stored: dict[str, Any], tuned: nn.Module, config: TrainConfig) -> NoiseFloor:
    """A run's noise floor; raises TrainingError where it was taken from other networks than the tuned ones."""
    floor = build_noise_floor(config)
    load_weights(floor, stored["networks"]["floor"], "noise_floor")
    if not torch.equal(floor.networks, fingerprint(tuned)):
        raise TrainingError("noise_floor.pt belongs to other tuned networks; delete it and run the stage again")
    return floor


def _inputs(network: nn.Module, n: int, config: TrainConfig, tokens: int) -> dict[str, Tensor]:
    width = condition_width(config.statements)
    latents = torch.randn(n, config.latent_channels, tokens)
    condition = torch.randn(n, width)
    if isinstance(network, Refiner):
        beats = 0.5 + torch.rand(n, 1) + 0.8 * torch.arange(10)
        arrays = beats_given(beats.numpy(), condition.numpy(), config.statements, config.samples)
        trains, taper = map(torch.from_numpy, arrays)
        signals = torch.randn(n, 8, config.samples)
        return {"signals": signals, "trains": trains, "taper": taper, "condition": condition}
    if isinstance(network, Judge):
        return {"signals": torch.randn(n, 8, config.samples), "condition": condition}
    if isinstance(network, Flow):
        beats = torch.randn(n, BEAT_CHANNELS, tokens)
        return {"latents": latents, "time": torch.rand(n), "condition": condition, "beats": beats}
    given = {"latents": latents, "noise": torch.randn(n, config.decoder_noise, 2 * tokens)}
    return given | ({"offset": LEAST_OFFSET + torch.randint(TOKEN, (n,))} if isinstance(network, CutDecoder) else {})


def _graph(name: str, network: nn.Module, config: TrainConfig, tokens: int) -> bytes:
    if isinstance(network, Rhythm):
        return export_rhythm(network)
    inputs = [_inputs(network, n, config, tokens) for n in BATCHES]
    form = fused(network, tokens)
    named = {Flow: "velocity", Refiner: "refined", Judge: "likelihood"}
    output = next((output for kind, output in named.items() if isinstance(network, kind)), "signals")
    return export_graph(name, network, inputs, [output], form=form, half_weights=True)


def _card(
    name: str,
    version: str,
    description: str,
    config: TrainConfig,
    prepared: Prepared,
    graphs: dict[str, dict[str, str]],
    steps: int,
    tokens: int,
) -> Card:
    return Card(
        name=name,
        version=version,
        description=description or "12-lead ECGs of 10 s at 100 Hz by statements, heart rate, age and sex",
        ecgsdk_version=ecgsdk.__version__,
        statements=config.statements,
        groups={group: list(codes) for group, codes in GROUPS.items()},
        leads=LEADS,
        units="mV",
        seconds=config.samples / config.sampling_rate,
        sampling_rates=(float(config.sampling_rate),),
        steps=1 if "distilled" in graphs else steps,
        high_quality_steps=steps if "distilled" in graphs else None,
        high_quality_candidates=CANDIDATES if "judge" in graphs else 1,
        guidance=1.0,
        latent_shape=(config.latent_channels, tokens),
        decoder_noise_shape=(config.decoder_noise, 2 * tokens),
        latent_seconds=tokens * TOKEN / config.sampling_rate,
        cut_from=(LEAST_OFFSET, LEAST_OFFSET + TOKEN - 1) if tokens * TOKEN > config.samples else None,
        heart_rate=(float(EDGES["heart_rate"][0]), float(EDGES["heart_rate"][-1])),
        age=(float(EDGES["age"][0]), float(EDGES["age"][-1])),
        histograms=histograms(prepared, config),
        accompanying=accompanying(prepared.statements, config.statements),
        data=PTBXL,
        training={},
        metrics={},
        graphs=graphs,
    )


def _with_training(
    card: Card, folder: Path, config: TrainConfig, command: str, device: str, done: dict[str, int], records: int
) -> Card:
    return replace(
        card,
        data=PTBXL | {"records": records},
        training=training_facts(folder, config, done, command, device),
        metrics={"fold_9": held_out_figures(folder, done)},
    )


def training_facts(
    folder: Path, config: TrainConfig, done: dict[str, int], command: str = "", device: str = ""
) -> dict[str, Any]:
    """How a run was trained, for its model's card; the run's history tells the stages' commands and devices."""
    begun = begun_facts(folder)
    if begun is not None:
        begun = {name: value for name, value in begun.items() if name != "figures"}
    history = [row for row in _json_lines(folder / HISTORY) if row["stage"] in done]
    return {
        "command": command or "; ".join(dict.fromkeys(row["command"] for row in history)),
        "device": device or "; ".join(dict.fromkeys(row["device"] for row in history)),
        "seed": config.seed,
        "steps_done": done,
        "config": {name: value for name, value in config.as_dict().items() if name != "statements"},
    } | ({} if begun is None else {"begun_with": begun})


def held_out_figures(folder: Path, stages: Iterable[str]) -> dict[str, dict[str, float]]:
    """The last figures on held-out records that each stage has logged, of this run or of the model it began with."""
    begun, logged = begun_facts(folder), _json_lines(folder / "metrics.jsonl")
    known = {} if begun is None else begun["figures"]
    table = {stage: known[stage] for stage in stages if stage in known}
    for stage in stages:
        rows = [row for row in logged if row["stage"] == stage and any(key.startswith("val_") for key in row)]
        if rows:
            table[stage] = {key: v for key, v in rows[-1].items() if key.startswith(("val_", "power_"))}
    return table


def _json_lines(path: Path) -> list[dict[str, Any]]:
    """Lines of a run's log; none where there is none, and without a last line that a kill cut off."""
    rows = []
    for line in path.read_text().splitlines() if path.exists() else []:
        with suppress(ValueError):
            rows.append(json.loads(line))
    return rows
