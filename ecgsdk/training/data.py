"""From a PTB-XL folder to two prepared files, and from those to tensors on the training device."""

from __future__ import annotations

import zipfile
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from ecgsdk.beats import detect_beats, heart_rate
from ecgsdk.conditions import Condition, Sex
from ecgsdk.encoding import encode_beats, encode_conditions
from ecgsdk.errors import TrainingError
from ecgsdk.leads import to_eight
from ecgsdk.rhythm import MOST_BEATS
from ecgsdk.soundness import fit_for_training
from ecgsdk.training.cut import SPARE
from ecgsdk.training.networks import TOKEN

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from ecgsdk.batch import ECGBatch
    from ecgsdk.training.config import TrainConfig

__all__ = [
    "TRAINING_FOLDS",
    "VALIDATION_FOLD",
    "Prepared",
    "TrainingData",
    "fit_for_training",
    "load_prepared",
    "prepare",
]

TRAINING_FOLDS = tuple(range(1, 9))
VALIDATION_FOLD = 9


@dataclass(frozen=True)
class Prepared:
    """One prepared file.

    Attributes:
        signals: int16 in units of `resolution_uv`, shape (n, 8, samples), leads I, II, V1–V6.
        resolution_uv: microvolts per unit.
        statements: bool, shape (n, statements).
        age: years, NaN where unknown; sex: 0 male, 1 female, −1 unknown; heart_rate: bpm; all of shape (n,).
        beats: seconds, shape (n, 48), NaN-padded.
        identifiers: the source's names of the records.
    """

    signals: np.ndarray
    resolution_uv: int
    statements: np.ndarray
    age: np.ndarray
    sex: np.ndarray
    heart_rate: np.ndarray
    beats: np.ndarray
    identifiers: np.ndarray

    def __len__(self) -> int:
        return len(self.signals)

    def rr_variation(self) -> np.ndarray:
        """Standard deviation of the RR intervals over their mean, shape (n,)."""
        intervals = np.diff(self.beats.astype(np.float64), axis=1)
        return np.nanstd(intervals, axis=1) / np.nanmean(intervals, axis=1)

    def conditions(self, codes: Sequence[str]) -> list[Condition]:
        """The records' conditions, statements in the order of `codes`."""
        sexes: dict[int, Sex] = {0: "M", 1: "F"}
        return [
            Condition(
                tuple(code for code, on in zip(codes, row) if on),
                float(rate),
                None if np.isnan(age) else float(age),
                sexes.get(int(sex)),
            )
            for row, rate, age, sex in zip(self.statements, self.heart_rate, self.age, self.sex)
        ]


def prepare(ptbxl: Path, folder: Path, config: TrainConfig, *, quiet: bool = True) -> dict[str, int]:
    """Writes `train.npz` (folds 1–8) and `validation.npz` (fold 9) into `folder`.

    Left out are records without measurable rhythm, with a flat lead, or beyond 12 mV.

    Returns:
        Number of records kept and left out in each file.
    """
    from tqdm import tqdm

    from ecgsdk.readers.ptbxl import read_ptbxl

    folder.mkdir(parents=True, exist_ok=True)
    counts = {}
    for name, folds in (("train", TRAINING_FOLDS), ("validation", (VALIDATION_FOLD,))):
        source = read_ptbxl(ptbxl, sampling_rate=config.sampling_rate, folds=folds)
        batches = tqdm(source.batches(256), total=-(-len(source) // 256), desc=f"prepare {name}", disable=quiet)
        kept = list(_prepared_batches(batches, config))
        merged = {key: np.concatenate([part[key] for part in kept]) for key in kept[0]}
        merged |= {"resolution_uv": np.array(config.resolution_uv), "codes": np.array(config.statements)}
        part = folder / f"{name}.npz.part"
        with part.open("wb") as file:
            np.savez(file, **merged)  # type: ignore[arg-type]
        part.replace(folder / f"{name}.npz")
        counts[f"{name}_records"] = len(merged["signals"])
        counts[f"{name}_left_out"] = len(source) - len(merged["signals"])
    return counts


def load_prepared(path: Path, config: TrainConfig) -> Prepared:
    """A prepared file; raises TrainingError when it is missing, damaged or made for other statements."""
    try:
        with np.load(path, allow_pickle=False) as stored:
            values = {key: stored[key] for key in stored.files}
    except FileNotFoundError:
        raise TrainingError(f"{path} is missing; run the prepare stage first") from None
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise TrainingError(f"{path} is damaged ({error}); delete it and run the prepare stage again") from None
    try:
        codes, resolution = tuple(values.pop("codes")), int(values.pop("resolution_uv"))
        prepared = Prepared(resolution_uv=resolution, **values)
    except (KeyError, TypeError) as error:
        raise TrainingError(
            f"{path} is no prepared file ({error}); delete it and run the prepare stage again"
        ) from None
    if codes != config.statements:
        raise TrainingError(f"{path} was prepared for other statements; delete it and run the prepare stage again")
    return prepared


def _prepared_batches(batches: Iterator[ECGBatch], config: TrainConfig) -> Iterator[dict[str, np.ndarray]]:
    for batch in batches:
        eight = to_eight(batch.signals)
        beats = detect_beats(eight, batch.sampling_rate)
        keep = np.flatnonzero(fit_for_training(eight, beats))
        conditions = [batch.conditions[i] for i in keep]
        yield {
            "signals": np.rint(eight[keep] * 1000 / config.resolution_uv).astype(np.int16),
            "statements": np.array([[code in c.statements for code in config.statements] for c in conditions], bool),
            "age": np.array([np.nan if c.age is None else c.age for c in conditions], np.float32),
            "sex": np.array([{"M": 0, "F": 1}.get(c.sex or "", -1) for c in conditions], np.int8),
            "heart_rate": np.array([heart_rate(beats[i]) for i in keep], np.float32),
            "beats": np.array([_padded(beats[i]) for i in keep], np.float32).reshape(len(keep), MOST_BEATS),
            "identifiers": np.array([batch.identifiers[i] for i in keep], dtype="U32"),
        }


def _padded(beats: np.ndarray) -> np.ndarray:
    return np.pad(beats.astype(np.float32), (0, MOST_BEATS - len(beats)), constant_values=np.nan)


class TrainingData:
    """A prepared file as tensors on the device, with the weights by which records are drawn."""

    def __init__(self, prepared: Prepared, config: TrainConfig, device: torch.device) -> None:
        tokens = config.samples // TOKEN
        conditions = encode_conditions(prepared.conditions(config.statements), config.statements)
        beats = encode_beats(prepared.beats, tokens, config.samples / config.sampling_rate)
        self.units = prepared.resolution_uv / 1000
        self.signals = torch.from_numpy(prepared.signals).to(device)
        self.conditions = torch.from_numpy(conditions).to(device)
        self.beats = torch.from_numpy(beats).to(device)
        self.times = torch.from_numpy(prepared.beats).to(device)
        self.weights = torch.from_numpy(sampling_weights(prepared.statements, config.rare_power)).to(device)
        self._tokens, self._rate = tokens, config.sampling_rate

    def __len__(self) -> int:
        return len(self.signals)

    def draw(self, n: int) -> torch.Tensor:
        """Indices of `n` records, rarer statements more often."""
        return torch.multinomial(self.weights, n, replacement=True)

    def beats_behind(self, indices: torch.Tensor, offset: torch.Tensor) -> torch.Tensor:
        """Beat channels of these records where they begin `offset` samples, (n,), later, in signals that are longer."""
        return self.channels_of(self.times[indices], offset)

    def channels_of(self, times: torch.Tensor, offset: torch.Tensor) -> torch.Tensor:
        """The same for beats at other times, (n, beats) in seconds."""
        later = times.double().cpu().numpy() + offset.cpu().numpy()[:, None] / self._rate
        tokens = self._tokens + SPARE
        return torch.from_numpy(encode_beats(later, tokens, tokens * TOKEN / self._rate)).to(times.device)

    def millivolts(self, indices: torch.Tensor) -> torch.Tensor:
        """Signals of these records, float32 mV, shape (n, 8, samples)."""
        return self.signals[indices].float() * self.units


def sampling_weights(statements: np.ndarray, power: float) -> np.ndarray:
    """A record's weight: (records / records with its rarest statement) ** power; float32, shape (n,)."""
    frequency = statements.sum(axis=0).clip(1) / len(statements)
    return np.where(statements, frequency**-power, 1.0).max(axis=1).astype(np.float32)
