"""Pairs for the upsampler: real ECGs at 500 Hz, and what PTB-XL's own way makes of them at 100 Hz."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from ecgsdk.beats import detect_beats
from ecgsdk.errors import TrainingError
from ecgsdk.leads import to_eight
from ecgsdk.soundness import fit_for_training
from ecgsdk.training.data import TRAINING_FOLDS, VALIDATION_FOLD
from ecgsdk.training.upsampler_network import DELAY, FACTOR

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["MARGIN", "RatePairs", "decimated", "prepare_upsampler", "source_filter"]

MARGIN = 110
"""Samples at 500 Hz before and behind a record that its 100 Hz version takes in."""

_RATE = 500
_CUTOFF_HZ = 44.58
_HALF_WIDTH = 108.0
_SHAPE = 6.7


def source_filter() -> Tensor:
    """The filter by which PTB-XL's records100 come from its records500, 221 taps at 500 Hz.

    A sinc under a Kaiser window: whole up to 40 Hz, half at 44.6 Hz, nothing from 50 Hz on. Its four numbers are fitted
    to the filter that least squares find between the two versions of 434 records; it gives records100 with a root mean
    square error of 0.33 µV, where rounding to 1 µV alone makes 0.29.
    """
    times = np.arange(-MARGIN, MARGIN + 1) - DELAY
    window = np.i0(_SHAPE * np.sqrt(np.clip(1 - (times / _HALF_WIDTH) ** 2, 0, 1))) * (abs(times) < _HALF_WIDTH)
    taps = np.sinc(2 * _CUTOFF_HZ / _RATE * times) * window
    return torch.tensor(taps / taps.sum(), dtype=torch.float32)


def decimated(signals: Tensor) -> Tensor:
    """Signals at 500 Hz with a margin on both sides, (n, leads, samples + 220) → (n, leads, samples / 5) at 100 Hz."""
    flat = signals.flatten(0, 1)[:, None]
    kernel = source_filter().to(signals.device)[None, None]
    return F.conv1d(flat, kernel, stride=FACTOR)[:, 0].unflatten(0, signals.shape[:2])


class RatePairs:
    """A prepared file, int16 µV of shape (n, 8, samples) at 500 Hz, read from disk as records are drawn."""

    def __init__(self, path: Path, device: torch.device) -> None:
        try:
            self.signals = np.load(path, mmap_mode="r")
        except FileNotFoundError:
            raise TrainingError(f"{path} is missing; name the PTB-XL folder, so that it can be prepared") from None
        except (OSError, ValueError, EOFError) as error:
            raise TrainingError(f"{path} is damaged ({error}); delete it and run the stage again") from None
        self.device = device

    def __len__(self) -> int:
        return len(self.signals)

    def draw(self, n: int, samples: int) -> tuple[Tensor, Tensor]:
        """Random cuts at 100 Hz and at 500 Hz, (n, 8, samples / 5) and (n, 8, samples) in mV, at any phase."""
        records = torch.randint(len(self), (n,)).tolist()
        starts = torch.randint(self.signals.shape[2] - samples - 2 * MARGIN + 1, (n,)).tolist()
        return self._pairs([self.signals[r, :, s : s + samples + 2 * MARGIN] for r, s in zip(records, starts)])

    def whole(self, records: range) -> tuple[Tensor, Tensor]:
        """Records as a whole but for their margins, in the same form as `draw` gives."""
        length = (self.signals.shape[2] - 2 * MARGIN) // (4 * FACTOR) * 4 * FACTOR + 2 * MARGIN
        return self._pairs([self.signals[r, :, :length] for r in records])

    def _pairs(self, cuts: list[np.ndarray]) -> tuple[Tensor, Tensor]:
        fine = torch.from_numpy(np.stack(cuts)).to(self.device).float() / 1000
        return decimated(fine), fine[..., MARGIN:-MARGIN]


def prepare_upsampler(ptbxl: Path, folder: Path, *, quiet: bool = True) -> None:
    """Writes `upsampler_train.npy` (folds 1 to 8) and `upsampler_validation.npy` (fold 9) from PTB-XL's records500.

    The same records are left out as from the other stages' data. One batch is in memory at a time.

    Raises:
        DataError: PTB-XL's folder lacks a file.
        TrainingError: no record is left.
    """
    from tqdm import tqdm

    from ecgsdk.readers.ptbxl import read_ptbxl

    for name, folds in (("train", TRAINING_FOLDS), ("validation", (VALIDATION_FOLD,))):
        source = read_ptbxl(ptbxl, sampling_rate=_RATE, folds=folds)
        part, kept = folder / f"upsampler_{name}.part", 0
        with part.open("wb") as file:
            for batch in tqdm(source.batches(64), total=-(-len(source) // 64), desc=f"prepare {name}", disable=quiet):
                eight = to_eight(batch.signals)
                keep = fit_for_training(eight, detect_beats(eight, batch.sampling_rate))
                file.write(np.rint(eight[keep] * 1000).astype("<i2").tobytes())
                kept += int(keep.sum())
        if not kept:
            raise TrainingError(f"{ptbxl} has no 500 Hz record to learn from in folds {folds}; name a whole PTB-XL")
        _with_header(part, folder / f"upsampler_{name}.npy", (kept, *eight.shape[1:]))


def _with_header(part: Path, target: Path, shape: tuple[int, ...]) -> None:
    """Samples in a file become an array in a file of NumPy's format, whose header tells how many there are."""
    staged = target.with_suffix(".npy.part")
    samples = np.memmap(part, dtype="<i2", mode="r", shape=shape)
    stored = np.lib.format.open_memmap(staged, mode="w+", dtype=np.int16, shape=shape)
    for first in range(0, len(samples), 256):
        stored[first : first + 256] = samples[first : first + 256]
    stored.flush()
    staged.replace(target)
    part.unlink()
