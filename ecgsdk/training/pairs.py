"""Pairs stage: noise, and what the trained flow makes of it in many steps; what the distilled flow learns from."""

from __future__ import annotations

import sys
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast
from zipfile import BadZipFile

import numpy as np
import torch

from ecgsdk.encoding import encode_beats, encode_conditions
from ecgsdk.errors import TrainingError
from ecgsdk.flow import integrate
from ecgsdk.rhythm import MOST_BEATS
from ecgsdk.training.data import sampling_weights
from ecgsdk.training.flow import build_flow
from ecgsdk.training.loop import fingerprint, load_average, load_stage
from ecgsdk.training.networks import TOKEN

if TYPE_CHECKING:
    from pathlib import Path

    from torch import Tensor, nn

    from ecgsdk.training.config import TrainConfig
    from ecgsdk.training.data import Prepared

__all__ = ["Pairs", "at_other_rate", "load_pairs", "make_pairs"]

_LARGEST_FILE = 2048
_AT_ONCE = 128
_OTHER_RATE = 0.2
_NO_STATEMENTS = 0.1
_RATES = 36.0, 168.0
_RATE_IS_STATED = ("SBRAD", "STACH")


class Pairs:
    """Noise and latents (n, channels, tokens), and the condition and beat channels they belong to, on the device.

    Attributes:
        learned: how many of the first are learned from; the others, those of the last file, are kept apart.
    """

    def __init__(self, parts: list[dict[str, np.ndarray]], device: torch.device) -> None:
        self.start, self.end, self.condition, self.beats = (
            torch.from_numpy(np.concatenate([part[name] for part in parts])).to(device)
            for name in ("start", "end", "condition", "beats")
        )
        self.learned = len(self.start) - len(parts[-1]["start"])

    def take(self, indices: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Noise, latents, condition and beat channels of these pairs, float32."""
        return tuple(x[indices].float() for x in (self.start, self.end, self.condition, self.beats))  # type: ignore


def make_pairs(
    folder: Path,
    config: TrainConfig,
    train: Prepared,
    device: torch.device,
    *,
    quiet: bool = True,
    max_seconds: float | None = None,
) -> bool:
    """Writes `pairs/NNNN.npz`; files that are there stay, so that an interrupted run goes on.

    Files made with other weights of the flow are made again. Those of earlier versions do not say it, and stay.

    Conditions and beat times are those of training records, rarer statements more often. For a fifth of the records
    the beats are brought to another heart rate, so that rates are met beyond what training records have; for a tenth
    no statements are given.

    Returns:
        Whether all are there; False when `max_seconds` came first.
    """
    from tqdm import tqdm

    flow = _trained_flow(folder, config)
    weights = fingerprint(flow).numpy()
    flow.to(device).eval().requires_grad_(False)
    (folder / "pairs").mkdir(exist_ok=True)
    began = time.monotonic()
    for number in tqdm(range(_files(config)), desc="pairs", disable=quiet, unit="file"):
        if max_seconds is not None and time.monotonic() - began > max_seconds:
            return False
        target = folder / "pairs" / f"{number:04}.npz"
        if target.exists():
            made_with = _read_pairs(target).get("flow")
            if made_with is None or np.array_equal(made_with, weights):
                continue
            tqdm.write(f"{target} was made with an earlier flow and is made again", file=sys.stderr)
        pairs = {**_file_of_pairs(flow, config, train, number, device), "flow": weights}
        part = target.with_suffix(".part")
        with part.open("wb") as file:
            np.savez(file, **pairs)  # type: ignore[arg-type]
        part.replace(target)
    return True


def load_pairs(folder: Path, config: TrainConfig, device: torch.device) -> Pairs:
    """All pairs of a run; raises TrainingError where some are missing, damaged or made with another flow."""
    paths = [folder / "pairs" / f"{number:04}.npz" for number in range(_files(config))]
    parts = [_read_pairs(path) for path in paths]
    told = [part.get("flow") for part in parts]
    if any(made_with is not None for made_with in told):
        weights = fingerprint(_trained_flow(folder, config)).numpy()
        for path, made_with in zip(paths, told):
            if made_with is not None and not np.array_equal(made_with, weights):
                raise TrainingError(f"{path} was made with an earlier flow; run the pairs stage again")
    if any(made_with is None for made_with in told):
        print(f"{folder / 'pairs'}: made by an earlier version, which does not say with which flow", file=sys.stderr)
    return Pairs(parts, device)


def _read_pairs(path: Path) -> dict[str, np.ndarray]:
    try:
        with np.load(path, allow_pickle=False) as stored:
            return {name: stored[name] for name in stored.files}
    except FileNotFoundError:
        raise TrainingError(f"{path} is missing; run the pairs stage first") from None
    except (OSError, ValueError, EOFError, BadZipFile) as error:
        raise TrainingError(f"{path} is damaged ({error}); delete it and run the pairs stage again") from None


def _trained_flow(folder: Path, config: TrainConfig) -> nn.Module:
    flow = build_flow(config)
    load_average(flow, load_stage(folder, "flow"), "flow")
    return flow


def _files(config: TrainConfig) -> int:
    return max(2, -(-config.distil_pairs // _in_a_file(config)))


def _in_a_file(config: TrainConfig) -> int:
    """Pairs of a file; there are two files at least."""
    return min(_LARGEST_FILE, max(1, config.distil_pairs // 2))


def _file_of_pairs(
    flow: nn.Module, config: TrainConfig, train: Prepared, number: int, device: torch.device
) -> dict[str, np.ndarray]:
    """One file's pairs, a function of the run's seed and the file's number."""
    stream = np.random.default_rng([config.seed, number])
    condition, beats = _inputs(config, train, stream)
    shape = (len(condition), config.latent_channels, config.samples // TOKEN)
    start = stream.standard_normal(shape, dtype=np.float32).astype(np.float16)
    end = np.empty_like(start)
    for first in range(0, len(start), _AT_ONCE):
        share = slice(first, first + _AT_ONCE)
        inputs = [torch.from_numpy(x[share].astype(np.float32)).to(device) for x in (condition, beats)]
        end[share] = _follow(flow, torch.from_numpy(start[share].astype(np.float32)).to(device), inputs, config)
    return {"start": start, "end": end, "condition": condition, "beats": beats}


@torch.inference_mode()
def _follow(flow: nn.Module, start: Tensor, inputs: list[Tensor], config: TrainConfig) -> np.ndarray:
    """Where the flow takes the noise."""

    def velocity(state: Any, time: float) -> Any:
        return flow(state, torch.full((len(state),), time, device=state.device), *inputs)

    end: Any = integrate(velocity, cast("Any", start), config.distil_teacher_steps)  # as good for tensors as for arrays
    return end.cpu().numpy()


def _inputs(config: TrainConfig, train: Prepared, stream: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Condition vectors and beat channels, float16, as a generator's user may ask for them."""
    weights = sampling_weights(train.statements, config.rare_power).astype(float)
    n = _in_a_file(config)
    rows = stream.choice(len(train), n, p=weights / weights.sum())
    stated = np.any(train.statements[:, [code in _RATE_IS_STATED for code in config.statements]], axis=1)
    rates, beats = train.heart_rate[rows].copy(), train.beats[rows].copy()
    seconds = config.samples / config.sampling_rate
    for i in np.flatnonzero((stream.random(n) < _OTHER_RATE) & ~np.asarray(stated)[rows]):
        rate = np.exp(stream.uniform(*np.log(_RATES)))
        beats[i] = at_other_rate(beats[i], rates[i] / rate, seconds)
        rates[i] = rate
    chosen = replace(
        train, statements=train.statements[rows], age=train.age[rows], sex=train.sex[rows], heart_rate=rates
    )
    conditions = encode_conditions(chosen.conditions(config.statements), config.statements)
    conditions[stream.random(n) < _NO_STATEMENTS, : 1 + len(config.statements)] = 0
    channels = encode_beats(beats, config.samples // TOKEN, seconds)
    return conditions.astype(np.float16), channels.astype(np.float16)


def at_other_rate(beats: np.ndarray, factor: float, seconds: float) -> np.ndarray:
    """Beat times (48, NaN-padded) with all intervals longer by `factor`; the intervals are repeated as needed."""
    known = beats[~np.isnan(beats)].astype(float)
    intervals = np.resize(np.diff(known), MOST_BEATS - 1) * factor
    times = known[0] * factor % intervals[0] + np.concatenate([[0], np.cumsum(intervals)])
    return np.where(times < seconds, times, np.nan).astype(np.float32)
