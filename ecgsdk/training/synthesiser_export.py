"""From the synthesiser's checkpoint to a model folder: one ONNX graph and the card."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

import ecgsdk
from ecgsdk.cards import SynthesiserCard
from ecgsdk.errors import TrainingError
from ecgsdk.leads import INDEPENDENT_LEADS, LEADS
from ecgsdk.training.data import load_prepared
from ecgsdk.training.export import PTBXL, held_out_figures, training_facts
from ecgsdk.training.graphs import BATCHES, check_model_folder, export_graph, graph_facts, write_model_folder
from ecgsdk.training.loop import load_average, load_stage
from ecgsdk.training.synthesiser import BLOCK, NOISE_RANGE, build_synthesiser
from ecgsdk.training.train import run_config

if TYPE_CHECKING:
    from pathlib import Path

    from torch import Tensor

    from ecgsdk.training.config import TrainConfig

__all__ = ["export_synthesiser"]


def export_synthesiser(
    folder: Path,
    target: Path,
    *,
    version: str,
    noise_level: float,
    description: str = "",
    command: str = "",
    device: str = "",
    overwrite: bool = False,
) -> SynthesiserCard:
    """Writes a model folder from the synthesiser stage of a run.

    Args:
        folder: the run's folder.
        target: the model folder; its name is the model's.
        noise_level: standard deviation of the latent noise that strength 1 stands for.
        version: of the model.
        command, device: how it was trained, for the card; default: as the run's own history tells.

    Raises:
        TrainingError: the checkpoint is missing, the graph differs from PyTorch, or the noise level is beyond what the
            network was trained with.
        WriteError: the target exists and `overwrite` is off.
    """
    if not 0 < noise_level <= NOISE_RANGE[1]:
        raise TrainingError(
            f"noise level {noise_level:g} is beyond what is trained with; give up to {NOISE_RANGE[1]:g}"
        )
    check_model_folder(target, overwrite=overwrite)
    config = run_config(folder)
    network, stored = build_synthesiser(config), load_stage(folder, "synthesiser")
    load_average(network, stored, "synthesiser")
    inputs = [_inputs(n, config) for n in BATCHES]
    graphs = {"synthesiser": export_graph("synthesiser", network.eval(), inputs, ["made"])}
    done = {"synthesiser": int(stored["step"])}
    card = SynthesiserCard(
        name=target.name,
        version=version,
        description=description or "one synthetic 12-lead ECG of each real one, after Yoo et al. 2023: CNN + Bi-LSTM",
        ecgsdk_version=ecgsdk.__version__,
        leads=LEADS,
        units="mV",
        seconds=config.samples / config.sampling_rate,
        sampling_rates=(float(config.sampling_rate),),
        latent_shape=(config.synthesiser_channels, config.samples // BLOCK),
        noise_level=noise_level,
        strength=(0.0, round(NOISE_RANGE[1] / noise_level, 3)),
        data=PTBXL | {"records": len(load_prepared(folder / "train.npz", config))},
        training=training_facts(folder, config, done, command, device),
        metrics={"fold_9": held_out_figures(folder, done)},
        graphs=graph_facts(graphs),
    )
    write_model_folder(target, graphs, card)
    return card


def _inputs(n: int, config: TrainConfig) -> dict[str, Tensor]:
    return {
        "signals": 0.3 * torch.randn(n, len(INDEPENDENT_LEADS), config.samples),
        "noise": torch.randn(n, config.synthesiser_channels, config.samples // BLOCK),
        "level": torch.rand(n, 1),
    }
