"""`python -m ecgsdk.training.encoder_export PTBXL --run RUN -o FOLDER`: trains the validation encoder and writes it."""

from __future__ import annotations

import dataclasses
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import numpy as np

try:
    import torch
except ModuleNotFoundError:
    if __name__ != "__main__":
        raise
    sys.exit('error: torch is not installed; run `pip install "ecgsdk[train]"`')

import ecgsdk
from ecgsdk.cards import EncoderCard
from ecgsdk.errors import EcgsdkError
from ecgsdk.leads import INDEPENDENT_LEADS
from ecgsdk.training.encoder import EncoderSettings, load_data, outputs, record_losses, targets, train_encoder
from ecgsdk.training.encoder_network import FEATURES, MEASURED
from ecgsdk.training.export import PTBXL
from ecgsdk.training.graphs import check_model_folder, export_graph, graph_facts, write_model_folder
from ecgsdk.validation.fidelity.feature_distances import frechet_distance, nearest_distances, two_sample_auc
from ecgsdk.validation.scores import auroc

if TYPE_CHECKING:
    from torch import Tensor

    from ecgsdk.training.data import Prepared
    from ecgsdk.training.encoder import Targets
    from ecgsdk.training.encoder_network import EncoderNetwork, Features

__all__ = ["encoder_graph", "export_encoder", "held_out_scores", "seen_beside_unseen"]

_SHAPES = ((2, 1000), (1, 1000), (3, 1000), (8, 730), (2, 100))
_LEADS = len(INDEPENDENT_LEADS)


def export_encoder(
    ptbxl: Path,
    folder: Path,
    target: Path,
    settings: EncoderSettings,
    *,
    version: str = "1",
    command: str = "",
    quiet: bool = True,
    overwrite: bool = False,
) -> EncoderCard:
    """Trains the encoder on PTB-XL and writes its model folder.

    Args:
        ptbxl: PTB-XL as PhysioNet publishes it.
        folder: where the prepared records are kept; they are prepared at the first call.
        target: the model folder; its name is the encoder's.
        command: how it was trained, for the card.

    Raises:
        TrainingError: the loss is not finite, or the graph differs from PyTorch.
        WriteError: the target exists and `overwrite` is off.
    """
    check_model_folder(target, overwrite=overwrite)
    train, held_out, folds = load_data(ptbxl, folder, quiet=quiet)
    own, others = targets(train, held_out, settings)
    network = train_encoder(train, np.arange(len(train)), own, settings, quiet=quiet)
    twin = train_encoder(train, np.flatnonzero(folds < folds.max()), own, settings, quiet=quiet)
    graph = encoder_graph(network.features)
    card = EncoderCard(
        name=target.name,
        version=version,
        description="features of 8-lead ECGs for the validation suite: 1-D ResNet trained to tell statements, heart "
        "rate, RR variation, age, sex, power by lead and band, and lead correlations",
        ecgsdk_version=ecgsdk.__version__,
        leads=INDEPENDENT_LEADS,
        units="mV",
        sampling_rate=100.0,
        features=FEATURES,
        statements=own.statements,
        measured=MEASURED,
        data={**PTBXL, "records": len(train)},
        training={
            "command": command,
            "device": f"CPU; PyTorch {torch.__version__}",
            "parameters": sum(weights.numel() for weights in network.parameters()),
            "settings": dataclasses.asdict(settings),
            "seed": settings.seed,
        },
        metrics={
            "fold_9": held_out_scores(outputs(network, held_out, np.arange(len(held_out))), others),
            "fold_7_seen_beside_fold_8_unseen": seen_beside_unseen(twin, train, own, folds, settings),
        },
        graphs=graph_facts({"encoder": graph}),
    )
    write_model_folder(target, {"encoder": graph}, card)
    return card


def seen_beside_unseen(
    twin: EncoderNetwork, data: Prepared, own: Targets, folds: np.ndarray, settings: EncoderSettings
) -> dict[str, Any]:
    """How well a twin of the encoder, trained without the last fold, tells records it has seen from that fold's.

    Areas under the ROC curve of a smaller loss, of a smaller distance to the nearest record of earlier folds, and of
    a two-sample test on the features; and the Fréchet distance of the features beside its floor within the last fold.
    Areas of one half and a distance like its floor mean that records trained on do not stand apart. Fold 9 would not
    do: its records differ from those of folds 1 to 8 before any network is trained.
    """
    random = np.random.default_rng(settings.seed)  # records stand in the order of their dates, and devices changed
    unseen, seen, earlier = (random.permutation(np.flatnonzero(chosen)) for chosen in _last_folds(folds))
    losses = [record_losses(outputs(twin, data, rows), own, rows, settings) for rows in (seen, unseen)]
    features = [outputs(twin.features, data, rows).numpy() for rows in (seen, unseen, earlier)]
    distances = np.concatenate([nearest_distances(part, features[2]) for part in features[:2]])
    was_seen = np.repeat([True, False], [len(seen), len(unseen)])
    half = min(len(seen), len(unseen)) // 2
    return {
        "records": [len(seen), len(unseen)],
        "loss": [_rounded(part.mean()) for part in losses],
        "auroc_by_loss": _rounded(auroc(was_seen, -torch.cat(losses).numpy())),
        "auroc_by_nearest_neighbour": _rounded(auroc(was_seen, -distances)),
        "two_sample_auc": _rounded(two_sample_auc(features[1], features[0]).value),
        "frechet_distance": _rounded(frechet_distance(features[0][:half], features[1][:half])),
        "frechet_distance_within_fold_8": _rounded(frechet_distance(features[1][half : 2 * half], features[1][:half])),
    }


def _last_folds(folds: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Which records are of the last fold, of the one before it, and of those before that."""
    last, before = sorted(set(folds.tolist()))[:-3:-1]
    return folds == last, folds == before, folds < before


def held_out_scores(output: Tensor, wanted: Targets) -> dict[str, Any]:
    """Macro-AUROC over the statements, and correlations of the measured figures with what is told."""
    count = len(wanted.statements)
    logits, guessed = output[:, :count].numpy(), output[:, count : count + len(MEASURED)].numpy()
    labels, measured = wanted.labels.numpy(), wanted.measured.numpy()
    present = [k for k in range(count) if 0 < labels[:, k].sum() < len(labels)]
    areas = {wanted.statements[k]: _rounded(auroc(labels[:, k], logits[:, k])) for k in present}
    correlations = {}
    for k, name in enumerate(MEASURED):
        rows = np.isfinite(measured[:, k])
        correlations[name] = _rounded(np.corrcoef(guessed[rows, k], measured[rows, k])[0, 1])
    macro = _rounded(np.mean(list(areas.values())))
    return {"records": len(output), "macro_auroc": macro, "auroc": areas, "correlation": correlations}


def encoder_graph(features: Features) -> bytes:
    """The ONNX graph: signals (records, 8, samples) → features, any number of records and samples.

    Raises:
        TrainingError: it differs from PyTorch by more than 1e-3 of the features' standard deviation.
    """
    inputs = [{"signals": torch.randn(records, _LEADS, samples)} for records, samples in _SHAPES]
    return export_graph("encoder", features.eval(), inputs, ["features"], dynamic={"signals": "samples"})


def _rounded(value: Any) -> float:
    return round(float(value), 4)


@click.command("encoder_export")
@click.argument("ptbxl", type=click.Path(path_type=Path))
@click.option("--run", "folder", type=click.Path(path_type=Path), required=True, help="Folder for prepared records.")
@click.option("-o", "--output", type=click.Path(path_type=Path), required=True, help="Model folder to write.")
@click.option("--model-version", default="1", show_default=True, help="The encoder's version, for its card.")
@click.option("--epochs", type=click.IntRange(min=1), default=EncoderSettings.epochs, show_default=True)
@click.option("--seed", type=click.IntRange(min=0), default=EncoderSettings.seed, show_default=True)
@click.option("--threads", type=click.IntRange(min=1), default=1, show_default=True, help="Threads of PyTorch.")
@click.option("--force", is_flag=True, help="Overwrite the model folder.")
def command(
    ptbxl: Path, folder: Path, output: Path, model_version: str, epochs: int, seed: int, threads: int, force: bool
) -> None:
    """Train the validation suite's encoder on PTB-XL, folds 1 to 8, and write its model folder."""
    torch.set_num_threads(threads)
    said = f"python -m ecgsdk.training.encoder_export ptb-xl/ --run run/ -o {output.name}/ --epochs {epochs}"
    try:
        card = export_encoder(
            ptbxl,
            folder,
            output,
            EncoderSettings(epochs=epochs, seed=seed),
            version=model_version,
            command=f"{said} --seed {seed} --threads {threads}",
            quiet=not sys.stderr.isatty(),
            overwrite=force,
        )
    except EcgsdkError as error:
        raise click.ClickException(str(error)) from None
    click.echo(f"wrote {card.name} {card.version} to {output}: fold 9 {json.dumps(card.metrics['fold_9'])}")


if __name__ == "__main__":
    command()
