"""Pairs for the upsampler: real ECGs as recorded, at 400 Hz, and what PTB-XL's own way makes of them at 100 Hz."""

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
from ecgsdk.training.upsampler_rates import FINE_RATE, MARGIN, RECORDED_RATE, STEP_MV, decimated, recorded

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["RatePairs", "beats_file", "prepare_upsampler", "samples_near_beats", "signals_file"]

_HALF_WINDOW_S = 0.05


class RatePairs:
    """Prepared files, read from disk as records are drawn.

    Attributes:
        signals: int16 steps of 5 µV at 400 Hz, (n, 8, samples).
        near: which samples lie near R peaks, (n, samples).
    """

    def __init__(self, folder: Path, part: str, device: torch.device) -> None:
        self.signals = _opened(signals_file(folder, part))
        self.near = _opened(beats_file(folder, part))
        self.device = device

    def __len__(self) -> int:
        return len(self.signals)

    def draw(self, n: int, samples: int) -> tuple[Tensor, Tensor, Tensor]:
        """Random cuts: at 100 Hz, (n, 8, samples / 4), and 400 Hz, (n, 8, samples), in mV; near R peaks, (n, samples).

        They begin at any sample at 400 Hz.
        """
        records = torch.randint(len(self), (n,)).tolist()
        starts = torch.randint(self.signals.shape[2] - samples - 2 * MARGIN + 1, (n,)).tolist()
        cuts = [self.signals[r, :, s : s + samples + 2 * MARGIN] for r, s in zip(records, starts)]
        near = [self.near[r, s + MARGIN : s + MARGIN + samples] for r, s in zip(records, starts)]
        edged = self._millivolts(np.stack(cuts))
        return _rounded(decimated(edged)), edged[..., MARGIN:-MARGIN], torch.from_numpy(np.stack(near)).to(self.device)

    def whole(self, records: range) -> tuple[Tensor, Tensor, Tensor]:
        """Records as a whole, in the same form as `draw` gives; beyond their edges they stand still."""
        rows = slice(records.start, records.stop)
        fine = self._millivolts(self.signals[rows])
        near = torch.from_numpy(np.array(self.near[rows])).to(self.device)
        return _rounded(decimated(F.pad(fine, (MARGIN, MARGIN), mode="replicate"))), fine, near

    def _millivolts(self, steps: np.ndarray) -> Tensor:
        return torch.from_numpy(np.array(steps)).to(self.device).float() * STEP_MV


def signals_file(folder: Path, part: str) -> Path:
    """Where a run's signals at 400 Hz are."""
    return folder / f"upsampler_{part}_400.npy"


def beats_file(folder: Path, part: str) -> Path:
    """Where it is told which of their samples lie near R peaks."""
    return folder / f"upsampler_{part}_beats.npy"


def samples_near_beats(signals: np.ndarray, rate: float) -> np.ndarray:
    """Which samples lie within 50 ms of an R peak; bool, (n, samples)."""
    near = np.zeros((len(signals), signals.shape[2]), dtype=bool)
    for row, beats in zip(near, detect_beats(signals, rate)):
        for beat in beats:
            first, last = (round((float(beat) + side) * rate) for side in (-_HALF_WINDOW_S, _HALF_WINDOW_S))
            row[max(0, first) : last + 1] = True
    return near


def prepare_upsampler(ptbxl: Path, folder: Path, *, quiet: bool = True) -> None:
    """Writes signals and beats of folds 1 to 8 (`train`) and of fold 9 (`validation`) from PTB-XL's records500.

    The same records are left out as from the other stages' data. One batch is in memory at a time.

    Raises:
        DataError: PTB-XL's folder lacks a file.
        TrainingError: no record is left.
    """
    from tqdm import tqdm

    from ecgsdk.readers.ptbxl import read_ptbxl

    for name, folds in (("train", TRAINING_FOLDS), ("validation", (VALIDATION_FOLD,))):
        source = read_ptbxl(ptbxl, sampling_rate=FINE_RATE, folds=folds)
        part, near = folder / f"upsampler_{name}.part", []
        with part.open("wb") as file:
            for batch in tqdm(source.batches(64), total=-(-len(source) // 64), desc=f"prepare {name}", disable=quiet):
                eight = to_eight(batch.signals)
                fine = eight[fit_for_training(eight, detect_beats(eight, batch.sampling_rate))]
                file.write(recorded(fine).astype("<i2").tobytes())
                near.append(samples_near_beats(fine, FINE_RATE)[:, :: FINE_RATE // 100].repeat(4, axis=1))
        beats = np.concatenate(near) if near else np.zeros((0, 0), dtype=bool)
        if not len(beats):
            raise TrainingError(f"{ptbxl} has no 500 Hz record to learn from in folds {folds}; name a whole PTB-XL")
        np.save(beats_file(folder, name), beats)
        samples = eight.shape[2] * RECORDED_RATE // FINE_RATE
        _with_header(part, signals_file(folder, name), (len(beats), eight.shape[1], samples))


def _rounded(signals: Tensor) -> Tensor:
    """Signals in steps of 1 µV, as records100 hold them."""
    return (signals * 1000).round() / 1000


def _opened(path: Path) -> np.ndarray:
    try:
        return np.load(path, mmap_mode="r")
    except FileNotFoundError:
        raise TrainingError(f"{path} is missing; name the PTB-XL folder, so that it can be prepared") from None
    except (OSError, ValueError, EOFError) as error:
        raise TrainingError(f"{path} is damaged ({error}); delete it and run the stage again") from None


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
