"""From checkpoints to a model folder: ONNX graphs that give what PyTorch gives, and the card."""

from __future__ import annotations

import hashlib
import io
import json
import warnings
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

import ecgsdk
from ecgsdk.conditions import GROUPS
from ecgsdk.drawing import relative_entropy, smoothed
from ecgsdk.encoding import BEAT_CHANNELS, condition_width
from ecgsdk.errors import TrainingError, WriteError
from ecgsdk.leads import LEADS
from ecgsdk.models import Card
from ecgsdk.runtime import open_session
from ecgsdk.training.autoencoder import build_decoder
from ecgsdk.training.data import TRAINING_FOLDS, load_prepared
from ecgsdk.training.flow import build_flow
from ecgsdk.training.loop import load_stage, load_weights
from ecgsdk.training.rhythm import build_rhythm
from ecgsdk.training.train import HISTORY, run_config
from ecgsdk.writers.atomic import check_target, discard, publish, staging_path

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ecgsdk.training.config import TrainConfig
    from ecgsdk.training.data import Prepared
    from ecgsdk.training.networks import Rhythm

__all__ = ["OPSET", "PTBXL", "compare_graph", "export", "histograms"]

OPSET = 17
_BATCHES = (1, 3, 8)
_TOLERANCE = 1e-3
_SMALLEST_HALF = 256
_FEWEST = 5
_FEWEST_ALONE = 50
_EDGES: dict[str, list[float]] = {
    "heart_rate": [35, 40, 45, 50, 55, 60, 65, 70, 75, 80, 85, 90, 95, 100, 105, 110, 115, 120, 130, 140, 150, 170],
    "rr_variation": [
        0,
        0.005,
        0.01,
        0.015,
        0.02,
        0.03,
        0.04,
        0.05,
        0.06,
        0.08,
        0.1,
        0.125,
        0.15,
        0.175,
        0.2,
        0.25,
        0.3,
        0.35,
        0.4,
        0.5,
        0.8,
    ],
    "age": [15, 20, 25, 30, 35, 40, 45, 50, 55, 60, 65, 70, 75, 80, 85, 90],
}
PTBXL = {
    "source": "PTB-XL 1.0.3, PhysioNet",
    "credit": "Wagner, Strodthoff, Bousseljot, Kreiseler, Lunze, Samek, Schaeffter: PTB-XL, a large publicly "
    "available electrocardiography dataset. Scientific Data 7:154 (2020), doi 10.1038/s41597-020-0495-6",
    "licence": "CC BY 4.0",
    "folds": list(TRAINING_FOLDS),
}
"""Data that models are trained on, for their cards."""


class RhythmStep(nn.Module):
    """One interval of the rhythm model, beginning with its own start state where `first` is 1."""

    def __init__(self, rhythm: Rhythm) -> None:
        super().__init__()
        self.rhythm = rhythm

    def forward(self, condition: Tensor, previous: Tensor, first: Tensor, state: Tensor) -> tuple[Tensor, ...]:
        state = torch.where(first > 0.5, self.rhythm.start(condition), state)
        return self.rhythm.step(condition, previous, first, state)


def export(
    folder: Path,
    target: Path,
    *,
    version: str,
    description: str = "",
    command: str = "",
    device: str = "",
    steps: int = 6,
    overwrite: bool = False,
) -> Card:
    """Writes a model folder from the checkpoints of a training run.

    Args:
        folder: the run's folder.
        target: the model folder; its name is the model's.
        version: of the model.
        command, device: how it was trained, for the card; default: as the run's own history tells.
        steps: default number of flow evaluations.

    Raises:
        TrainingError: a checkpoint is missing, or a graph differs from PyTorch by more than 1e-3 of the output's
            standard deviation at any of three batch sizes.
        WriteError: the target exists and `overwrite` is off.
    """
    check_target(target, overwrite=overwrite, folder=True, ours=lambda f: f.name == "card.json" or f.suffix == ".onnx")
    config = run_config(folder)
    prepared = load_prepared(folder / "train.npz", config)
    networks, done = _networks(folder, config)
    graphs = {name: _graph(name, network, config) for name, network in networks.items()}
    facts = {
        name: {"file": f"{name}.onnx", "sha256": hashlib.sha256(graph).hexdigest()} for name, graph in graphs.items()
    }
    card = _card(target.name, version, description, config, prepared, facts, steps)
    card = _with_training(card, folder, config, command, device, done, len(prepared))
    _write(target, graphs, card)
    return card


def histograms(prepared: Prepared, config: TrainConfig) -> dict[str, Any]:
    """Counts of records by heart rate, RR variation, age and sex, for all and for each statement.

    `telling` lists the statements for each figure, the one first whose counts differ most from all records'. RR
    variation is counted over the records without a more telling statement, if there are 50 of them: a normal ECG with
    premature beats must not make normal ECGs irregular. Cells of fewer than five records are emptied.
    """
    figures = {
        "heart_rate": prepared.heart_rate,
        "rr_variation": prepared.rr_variation(),
        "age": np.minimum(prepared.age, _EDGES["age"][-1]),
        "sex": np.where(prepared.sex < 0, np.nan, prepared.sex),
    }
    codes = config.statements
    table: dict[str, Any] = {"edges": _EDGES, "telling": {}, "all": {}, **{code: {} for code in codes}}
    for name, values in figures.items():
        everyone = _counts(values, name)
        own = [_counts(values[rows], name) for rows in prepared.statements.T]
        entropy = np.array([relative_entropy(smoothed(counts), smoothed(everyone)) for counts in own])
        table["telling"][name] = [codes[position] for position in np.argsort(-entropy, kind="stable")]
        table["all"][name] = everyone
        if name == "rr_variation":
            own = _without_more_telling(values, prepared.statements, entropy, own)
        for code, counts in zip(codes, own):
            table[code][name] = counts
    return table


def _counts(values: np.ndarray, name: str) -> list[int]:
    counts = np.histogram(values, _EDGES.get(name, [0, 0.5, 1]))[0]
    return np.where(counts < _FEWEST, 0, counts).tolist()


def _without_more_telling(
    values: np.ndarray, statements: np.ndarray, entropy: np.ndarray, own: list[list[int]]
) -> list[list[int]]:
    most = np.where(statements, entropy, -1).argmax(axis=1)
    rows = [statements[:, position] & (most == position) for position in range(len(own))]
    return [_counts(values[r], "rr_variation") if r.sum() >= _FEWEST_ALONE else counts for r, counts in zip(rows, own)]


def compare_graph(graph: bytes, network: nn.Module, inputs: dict[str, Tensor]) -> float:
    """Greatest difference between ONNX Runtime and PyTorch over the outputs, in their standard deviations."""
    session = open_session(graph, device="cpu")
    with torch.no_grad():
        expected = network(*inputs.values())
    expected = expected if isinstance(expected, tuple) else (expected,)
    found = session.run(None, {name: value.numpy() for name, value in inputs.items()})
    return max(float((torch.from_numpy(f) - e).abs().max() / e.std()) for f, e in zip(found, expected))


def _networks(folder: Path, config: TrainConfig) -> tuple[dict[str, nn.Module], dict[str, int]]:
    """Networks to export with their averaged weights, and the steps that each stage has done."""
    decoder, flow, rhythm = build_decoder(config), build_flow(config), build_rhythm(config)
    stored = {name: load_stage(folder, name) for name in ("autoencoder", "flow", "rhythm")}
    if config.adversarial_steps:
        stored["adversarial"] = load_stage(folder, "adversarial")
        _load_average(decoder, stored["adversarial"], "adversarial")
    else:
        load_weights(decoder, stored["autoencoder"]["networks"]["decoder"], "autoencoder")
    _load_average(flow, stored["flow"], "flow")
    load_weights(rhythm, stored["rhythm"]["networks"]["rhythm"], "rhythm")
    networks = {"flow": flow, "decoder": decoder, "rhythm": RhythmStep(rhythm)}
    flow.half().float()  # as its weights are stored, so that the comparison measures the graph and not the rounding
    return {name: network.eval() for name, network in networks.items()}, {n: s["step"] for n, s in stored.items()}


def _load_average(network: nn.Module, stored: dict[str, Any], stage: str) -> None:
    prefix = "average."
    average = stored["networks"]["average"]
    weights = {k.removeprefix(prefix): v for k, v in average.items() if k.startswith(prefix)}
    load_weights(network, weights, stage)


def _inputs(name: str, n: int, config: TrainConfig) -> dict[str, Tensor]:
    tokens, width = config.samples // 8, condition_width(config.statements)
    latents = torch.randn(n, config.latent_channels, tokens)
    condition = torch.randn(n, width)
    if name == "flow":
        beats = torch.randn(n, BEAT_CHANNELS, tokens)
        return {"latents": latents, "time": torch.rand(n), "condition": condition, "beats": beats}
    if name == "decoder":
        return {"latents": latents, "noise": torch.randn(n, config.decoder_noise, 2 * tokens)}
    first = (torch.arange(n) % 2).float()[:, None]
    return {
        "condition": torch.randn(n, width + 1),
        "previous": torch.randn(n, 1),
        "first": first,
        "state": torch.randn(n, config.rhythm_width),
    }


def _graph(name: str, network: nn.Module, config: TrainConfig) -> bytes:
    inputs = _inputs(name, 2, config)
    outputs = (
        ["logits", "means", "log_widths", "next_state"]
        if name == "rhythm"
        else ["velocity" if name == "flow" else "signals"]
    )
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        # The exporter without dynamo is deprecated, but writes a bidirectional LSTM as one node in 0.2 s.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            network,
            tuple(inputs.values()),
            buffer,  # type: ignore[arg-type]
            dynamo=False,
            opset_version=OPSET,
            input_names=list(inputs),
            output_names=outputs,
            dynamic_axes={key: {0: "records"} for key in [*inputs, *outputs]},
        )
    graph = with_half_weights(buffer.getvalue()) if name == "flow" else buffer.getvalue()
    for n in _BATCHES:
        difference = compare_graph(graph, network, _inputs(name, n, config))
        if not difference < _TOLERANCE:
            raise TrainingError(
                f"the {name} graph differs from PyTorch by {difference:.1e} standard deviations at batch {n}"
            )
    return graph


def with_half_weights(graph: bytes) -> bytes:
    """The graph with its larger weights stored in half precision and cast back, so that it takes half the space.

    ONNX Runtime folds the casts while it loads the graph: it computes in single precision as before.
    """
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    model = onnx.load_from_string(graph)
    casts = []
    for weight in model.graph.initializer:
        if weight.data_type != TensorProto.FLOAT or np.prod(weight.dims) < _SMALLEST_HALF:
            continue
        name = weight.name
        stored = f"{name}.half"
        weight.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(weight).astype(np.float16), stored))
        casts.append(helper.make_node("Cast", [stored], [name], to=TensorProto.FLOAT))
    for position, cast in enumerate(casts):
        model.graph.node.insert(position, cast)
    onnx.checker.check_model(model)
    return model.SerializeToString()


def _card(
    name: str,
    version: str,
    description: str,
    config: TrainConfig,
    prepared: Prepared,
    graphs: dict[str, dict[str, str]],
    steps: int,
) -> Card:
    tokens = config.samples // 8
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
        steps=steps,
        guidance=1.0,
        latent_shape=(config.latent_channels, tokens),
        decoder_noise_shape=(config.decoder_noise, 2 * tokens),
        heart_rate=(float(_EDGES["heart_rate"][0]), float(_EDGES["heart_rate"][-1])),
        age=(float(_EDGES["age"][0]), float(_EDGES["age"][-1])),
        histograms=histograms(prepared, config),
        data=PTBXL,
        training={},
        metrics={},
        graphs=graphs,
    )


def _with_training(
    card: Card, folder: Path, config: TrainConfig, command: str, device: str, done: dict[str, int], records: int
) -> Card:
    history = _json_lines(folder / HISTORY)
    training = {
        "command": command or "; ".join(dict.fromkeys(row["command"] for row in history)),
        "device": device or "; ".join(dict.fromkeys(row["device"] for row in history)),
        "seed": config.seed,
        "steps_done": done,
        "config": {name: value for name, value in config.as_dict().items() if name != "statements"},
    }
    metrics = {"fold_9": _held_out(_json_lines(folder / "metrics.jsonl"), done)}
    return replace(card, data=PTBXL | {"records": records}, training=training, metrics=metrics)


def _held_out(logged: list[dict[str, Any]], stages: Iterable[str]) -> dict[str, dict[str, float]]:
    """The last figures on held-out records that each stage has logged."""
    table = {}
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


def _write(target: Path, graphs: dict[str, bytes], card: Card) -> None:
    staged = staging_path(target)
    try:
        staged.mkdir(parents=True)
        for name, graph in graphs.items():
            (staged / f"{name}.onnx").write_bytes(graph)
        (staged / "card.json").write_text(json.dumps(card.as_dict(), indent=1, ensure_ascii=False) + "\n")
        publish(staged, target)
    except OSError as error:
        raise WriteError(f"cannot write {target}: {error.strerror}") from None
    finally:
        discard(staged)
