"""Training of the validation encoder on PTB-XL, folds 1 to 8; fold 9 is held out to measure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ecgsdk.errors import TrainingError
from ecgsdk.readers import read_ptbxl
from ecgsdk.training.config import CONFIGS
from ecgsdk.training.data import TRAINING_FOLDS, load_prepared, prepare
from ecgsdk.training.encoder_network import MEASURED, EncoderNetwork
from ecgsdk.validation.fidelity.spectra import LEAST_POWER, band_powers, lead_correlations, spectra

if TYPE_CHECKING:
    from pathlib import Path

    from ecgsdk.training.data import Prepared

__all__ = ["RATE", "EncoderSettings", "Targets", "load_data", "outputs", "record_losses", "targets", "train_encoder"]

RATE = 100.0
"""Sampling rate of the signals, Hz."""

_PART = 512


@dataclass(frozen=True)
class EncoderSettings:
    """Settings of a training.

    Attributes:
        epochs: few enough that records trained on do not stand apart from others.
        peak_rate: of the one-cycle learning rate (Smith and Topin 2018, arXiv:1708.07120).
        window: samples of the random cut that each record is shown by.
        measured_weight, shape_weight: of the losses of the measured figures and shapes beside that of the statements.
        fewest: records of a statement below which it is not trained.
    """

    epochs: int = 8
    batch: int = 64
    peak_rate: float = 3e-3
    weight_decay: float = 0.05
    dropout: float = 0.3
    window: int = 800
    measured_weight: float = 0.05
    shape_weight: float = 0.05
    fewest: int = 50
    seed: int = 2023


@dataclass(frozen=True)
class Targets:
    """What the network is trained to tell of n records.

    Attributes:
        statements: codes, in the order of the logits.
        labels: float32, shape (n, statements).
        measured, shapes: standardised by the training records, float32, shapes (n, measured) and (n, `SHAPES`); NaN
            where unknown.
    """

    statements: tuple[str, ...]
    labels: Tensor
    measured: Tensor
    shapes: Tensor

    def parts(self, output: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """A network's output as logits of the statements, measured figures and shapes."""
        widths = [self.labels.shape[1], self.measured.shape[1], self.shapes.shape[1]]
        return output.split(widths, dim=1)  # type: ignore[return-value]


def load_data(ptbxl: Path, folder: Path, *, quiet: bool = True) -> tuple[Prepared, Prepared, np.ndarray]:
    """Records of folds 1 to 8 and of fold 9, prepared in `folder` at the first call, and folds of the former.

    Raises:
        DataError: `ptbxl` is no PTB-XL folder.
    """
    config = CONFIGS["cpu"]
    if not (folder / "train.npz").exists() or not (folder / "validation.npz").exists():
        prepare(ptbxl, folder, config, quiet=quiet)
    train = load_prepared(folder / "train.npz", config)
    source = read_ptbxl(ptbxl, folds=TRAINING_FOLDS)
    fold = dict(zip(source.identifiers, source.folds))
    return train, load_prepared(folder / "validation.npz", config), np.array([fold[str(i)] for i in train.identifiers])


def targets(train: Prepared, held_out: Prepared, settings: EncoderSettings) -> tuple[Targets, Targets]:
    """Targets of both; which statements are frequent enough, means and deviations are the training records'."""
    codes = CONFIGS["cpu"].statements
    frequent = train.statements.sum(axis=0) >= settings.fewest
    kept = tuple(code for code, keep in zip(codes, frequent) if keep)
    measured = _standardised(_figures(train), _figures(held_out))
    shapes = _standardised(_shapes(train), _shapes(held_out))

    def of(prepared: Prepared, which: int) -> Targets:
        labels = torch.from_numpy(prepared.statements[:, frequent].astype(np.float32))
        return Targets(kept, labels, measured[which], shapes[which])

    return of(train, 0), of(held_out, 1)


def _standardised(train: np.ndarray, held_out: np.ndarray) -> tuple[Tensor, Tensor]:
    """Both with the training records' mean taken off and divided by their deviation, within five deviations."""
    mean, deviation = np.nanmean(train, axis=0), np.nanstd(train, axis=0)
    first, second = (((part - mean) / deviation).clip(-5, 5).astype(np.float32) for part in (train, held_out))
    return torch.from_numpy(first), torch.from_numpy(second)


def _shapes(prepared: Prepared) -> np.ndarray:
    """Decimal logarithms of each lead's power by band, and correlations of the leads; shape (n, `SHAPES`)."""
    parts = []
    for first in range(0, len(prepared), _PART):
        eight = prepared.signals[first : first + _PART] * np.float32(prepared.resolution_uv / 1000)
        powers = np.log10(band_powers(spectra(eight, RATE), RATE) + LEAST_POWER).reshape(len(eight), -1)
        parts.append(np.concatenate([powers, lead_correlations(eight)], axis=1))
    return np.concatenate(parts)


def _figures(prepared: Prepared) -> np.ndarray:
    """Logarithms of heart rate and RR variation, age and sex, in the order of `MEASURED`."""
    sex = np.where(prepared.sex < 0, np.nan, prepared.sex.astype(float))
    figures = {
        "heart_rate": np.log(prepared.heart_rate),
        "rr_variation": np.log(prepared.rr_variation() + 0.005),
        "age": prepared.age,
        "sex": sex,
    }
    return np.stack([figures[name].astype(float) for name in MEASURED], axis=1)


def train_encoder(
    data: Prepared, rows: np.ndarray, wanted: Targets, settings: EncoderSettings, *, quiet: bool = True
) -> EncoderNetwork:
    """A network trained on the records at `rows`, with one cycle of the learning rate.

    Raises:
        TrainingError: the loss is not finite.
    """
    from tqdm import tqdm

    torch.manual_seed(settings.seed)
    random = np.random.default_rng(settings.seed)
    network = EncoderNetwork(len(wanted.statements), settings.dropout)
    optimizer = torch.optim.AdamW(network.parameters(), weight_decay=settings.weight_decay)
    steps = max(1, len(rows) // settings.batch)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, settings.peak_rate, total_steps=settings.epochs * steps)
    network.train()
    with tqdm(total=settings.epochs * steps, desc="training", disable=quiet, mininterval=5) as progress:
        for _ in range(settings.epochs):
            order = random.permutation(rows)
            for step in range(steps):
                chosen = order[step * settings.batch : (step + 1) * settings.batch]
                loss = record_losses(network(_shown(data, chosen, random, settings)), wanted, chosen, settings).mean()
                if not torch.isfinite(loss):
                    raise TrainingError("the loss is not finite; train again with a lower peak_rate")
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                schedule.step()
                progress.update()
    return network.eval()


def _shown(data: Prepared, chosen: np.ndarray, random: np.random.Generator, settings: EncoderSettings) -> Tensor:
    """A random cut of each record: float32 mV."""
    window = min(settings.window, data.signals.shape[2])
    starts = random.integers(0, data.signals.shape[2] - window + 1, len(chosen))
    cut = np.stack([data.signals[i, :, s : s + window] for i, s in zip(chosen, starts)])
    return torch.from_numpy(cut * np.float32(data.resolution_uv / 1000))


def record_losses(output: Tensor, wanted: Targets, chosen: np.ndarray, settings: EncoderSettings) -> Tensor:
    """Each record's mean cross-entropy of the statements and squared errors of the rest, where known; shape (n,)."""
    labels, measured, shapes = wanted.labels[chosen], wanted.measured[chosen], wanted.shapes[chosen]
    logits, figures, forms = wanted.parts(output)
    entropy = F.binary_cross_entropy_with_logits(logits, labels, reduction="none").mean(dim=1)
    known = ~torch.isnan(measured)
    errors = torch.where(known, figures - torch.nan_to_num(measured), 0.0).square().sum(dim=1)
    off = (forms - shapes).square().mean(dim=1)
    return entropy + settings.measured_weight * errors / known.sum(dim=1).clip(1) + settings.shape_weight * off


@torch.no_grad()
def outputs(network: nn.Module, data: Prepared, chosen: np.ndarray) -> Tensor:
    """What the network gives for whole records as they are."""
    network.eval()
    scale = np.float32(data.resolution_uv / 1000)
    parts = [chosen[first : first + 256] for first in range(0, len(chosen), 256)]
    return torch.cat([network(torch.from_numpy(data.signals[part].astype(np.float32) * scale)) for part in parts])
