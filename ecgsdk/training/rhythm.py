"""Rhythm stage: a tiny recurrent model of RR intervals given statements, heart rate, age, sex and RR variation."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor
from torch.nn.utils.rnn import pack_padded_sequence

from ecgsdk.encoding import condition_width, encode_conditions, encode_variation
from ecgsdk.training.data import sampling_weights
from ecgsdk.training.loop import Stage, descend
from ecgsdk.training.networks import Rhythm

if TYPE_CHECKING:
    from ecgsdk.training.config import TrainConfig
    from ecgsdk.training.data import Prepared

__all__ = ["build_rhythm", "rhythm_stage"]

# Mean and variation are those of the same few intervals: told exactly, the last of them would follow from the others,
# and the model would learn to make them up. Standard deviations of the variation's logarithm, and of the mean's over
# the variation (up to a bound).
_ERROR_OF_VARIATION = 0.2
_ERROR_OF_MEAN = 0.3
_WIDEST = 0.2


def build_rhythm(config: TrainConfig) -> Rhythm:
    """An untrained rhythm model; its condition is the flow's with the RR variation behind it."""
    return Rhythm(condition_width(config.statements) + 1, config.rhythm_width, config.rhythm_mixtures)


def rhythm_stage(config: TrainConfig, train: Prepared, validation: Prepared) -> Stage:
    """Maximum likelihood of log(RR / mean RR), one interval after another, of means and variations told with errors."""
    rhythm = build_rhythm(config)
    optimizer = torch.optim.AdamW(rhythm.parameters(), lr=config.rhythm_rate, weight_decay=1e-2)
    conditions, ratios = _tensors(train, config)
    held_out = _tensors(validation, config)
    stated = 1 + len(config.statements)
    weights = torch.from_numpy(sampling_weights(train.statements, config.rare_power))

    def step(_: int) -> dict[str, Tensor]:
        indices = torch.multinomial(weights, config.rhythm_batch, replacement=True)
        condition = conditions[indices]
        known = torch.rand(len(condition), 1) >= config.drop_each
        told = condition[:, -1:] + _ERROR_OF_VARIATION * torch.randn(len(condition), 1)
        condition = torch.cat([condition[:, :stated] * known, condition[:, stated:-1], told], dim=1)
        shift = _ERROR_OF_MEAN * rhythm.variation(condition).clamp_max(_WIDEST) * torch.randn(len(condition), 1)
        loss = negative_log_likelihood(rhythm, condition, ratios[indices] + shift)
        descend(optimizer, rhythm.parameters(), loss)
        return {"loss": loss.detach()}

    @torch.no_grad()
    def evaluate() -> dict[str, float]:
        return {"val_loss": round(float(negative_log_likelihood(rhythm, *held_out)), 5)}

    return Stage("rhythm", config, {"rhythm": rhythm}, {"main": optimizer}, config.rhythm_steps, step, evaluate, 500)


def negative_log_likelihood(rhythm: Rhythm, condition: Tensor, ratios: Tensor) -> Tensor:
    """Mean over intervals; `ratios` are log(RR / mean RR), shape (n, intervals), NaN where there are no more."""
    lengths = (~ratios.isnan()).sum(dim=1)
    variation = rhythm.variation(condition)
    values = ratios[:, : int(lengths.max())].nan_to_num() / variation
    previous = torch.nn.functional.pad(values, (1, -1))
    first = (torch.arange(values.shape[1]) == 0).float().expand_as(values)
    inputs = torch.stack([previous, first], dim=2)
    logits, means, log_widths = rhythm.mixtures_of(condition, inputs, lengths)
    values = pack_padded_sequence(values, lengths, batch_first=True, enforce_sorted=False).data[:, None]
    log_density = -0.5 * ((values - means) / log_widths.exp()).square() - log_widths - 0.5 * math.log(2 * math.pi)
    in_units_of_variation = -torch.logsumexp(logits.log_softmax(1) + log_density, 1).mean()
    return in_units_of_variation + (variation.log()[:, 0] * lengths).sum() / lengths.sum()


def _tensors(prepared: Prepared, config: TrainConfig) -> tuple[Tensor, Tensor]:
    intervals = np.diff(prepared.beats.astype(np.float64), axis=1)
    ratios = np.log(intervals / np.nanmean(intervals, axis=1, keepdims=True))
    conditions = encode_conditions(prepared.conditions(config.statements), config.statements)
    inputs = np.concatenate([conditions, encode_variation(prepared.rr_variation())], axis=1)
    return torch.from_numpy(inputs), torch.from_numpy(ratios.astype(np.float32))
