"""From the upsampler's checkpoint to a generator's model folder: one more graph, and what the card says of it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import torch

from ecgsdk.errors import WriteError
from ecgsdk.leads import INDEPENDENT_LEADS
from ecgsdk.models import find_model
from ecgsdk.training.data import TRAINING_FOLDS
from ecgsdk.training.export import held_out_figures, training_facts
from ecgsdk.training.graphs import BATCHES, export_graph, graph_facts, with_half_weights, write_model_folder
from ecgsdk.training.loop import load_average, load_stage
from ecgsdk.training.train import run_config
from ecgsdk.training.upsampler_data import RatePairs
from ecgsdk.training.upsampler_network import build_upsampler, noise_shape
from ecgsdk.training.upsampler_rates import FINE_RATE

if TYPE_CHECKING:
    from pathlib import Path

    from ecgsdk.cards import Card
    from ecgsdk.training.config import TrainConfig

__all__ = ["SAMPLING_RATES", "add_upsampler"]

SAMPLING_RATES = (500.0, 250.0, 100.0)
"""Hz that a model with an upsampler makes, the default first."""

# Of the output's standard deviation, which is above 0.2 mV for the inputs that graphs are compared with: some steps.
_STEPS_TOLERANCE = 0.1
_STAGE, _TUNED = "upsampler", "upsampler_tuned"
# Values of a weight from which it is stored in half precision: those that mix a record's noise, which may be rounded.
_LARGE = 10_000


def add_upsampler(folder: Path, target: Path, *, command: str = "", device: str = "", overwrite: bool = False) -> Card:
    """Adds the upsampler of a run to a generator's model folder, whatever run that comes from.

    Args:
        folder: the run's folder; or a model folder, whose upsampler is taken over with what its card says of it.
        target: the model folder.
        command, device: how it was trained, for the card; default: as the run's own history tells.

    Raises:
        ModelError: the target is no generator's model folder.
        TrainingError: the checkpoint is missing, or the graph differs from PyTorch.
        WriteError: the model has an upsampler and `overwrite` is off, or the disk does not take it.
    """
    model = find_model(target.absolute())  # a bare name could be an installed model's
    if _STAGE in model.card.graphs and not overwrite:
        raise WriteError(f"{target} has an upsampler already; use --force to replace it")
    others = {name: model.graph(name) for name in model.card.graphs if name != _STAGE}
    take = _taken_over if (folder / "card.json").exists() else _with_upsampler
    graph, card = take(model.card, folder, command, device)
    graph = with_half_weights(graph, _LARGE)
    card = replace(card, graphs={**card.graphs, **graph_facts({_STAGE: graph})})
    write_model_folder(target, others | {_STAGE: graph}, card)
    return card


def _taken_over(card: Card, folder: Path, command: str, device: str) -> tuple[bytes, Card]:
    """Another model's upsampler, with its own facts but for those given."""
    source = find_model(folder.absolute())
    facts = {name: value for name, value in (("command", command), ("device", device)) if value}
    theirs = source.card
    figures = {name: theirs.metrics.get("fold_9", {}).get(name) for name in (_STAGE, _TUNED)}
    known = {name: value for name, value in figures.items() if value is not None}
    return source.graph(_STAGE), replace(
        card,
        sampling_rates=theirs.sampling_rates,
        data={**card.data, _STAGE: theirs.data.get(_STAGE, {})},
        training={**card.training, _STAGE: {**theirs.training.get(_STAGE, {}), **facts}},
        metrics={**card.metrics, "fold_9": {**card.metrics.get("fold_9", {}), **known}},
    )


def _with_upsampler(card: Card, folder: Path, command: str, device: str) -> tuple[bytes, Card]:
    config = run_config(folder)
    stored = load_stage(folder, _TUNED)
    graph = _graph(stored, config)
    done = {_STAGE: int(load_stage(folder, _STAGE)["step"]), _TUNED: int(stored["step"])}
    records = len(RatePairs(folder, "train", torch.device("cpu")))
    facts = {"records": records, "folds": list(TRAINING_FOLDS), "sampling_rate": float(FINE_RATE)}
    figures = dict(card.metrics.get("fold_9", {})) | held_out_figures(folder, done)
    return graph, replace(
        card,
        sampling_rates=SAMPLING_RATES,
        data={**card.data, _STAGE: facts},
        training={**card.training, _STAGE: training_facts(folder, config, done, command, device)},
        metrics={**card.metrics, "fold_9": figures},
    )


def _graph(stored: dict[str, Any], config: TrainConfig) -> bytes:
    """Compared without the recorder's steps, which make 5 µV of a difference in the last bit, and written with them."""
    network = build_upsampler(config)
    load_average(network, stored, _TUNED)
    network.eval()
    inputs = [
        {
            "signals": 0.3 * torch.randn(n, len(INDEPENDENT_LEADS), config.samples),
            "noise": torch.randn(n, *noise_shape(config.samples)),
        }
        for n in BATCHES
    ]
    with torch.no_grad():  # so that the comparison measures the graph and not the rounding
        for weights in network.parameters():
            if weights.numel() >= _LARGE:
                weights.copy_(weights.half())
    network.in_steps = False
    export_graph(_STAGE, network, inputs, ["upsampled"])
    network.in_steps = True
    return export_graph(_STAGE, network, inputs, ["upsampled"], tolerance=_STEPS_TOLERANCE)
