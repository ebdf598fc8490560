"""Judge: how much likelier an ECG is recorded than made, given what was asked for; of several candidates one is chosen.

What a generator makes of a condition too often or too seldom is put right by choosing among candidates with weights of
their likelihood ratios (sampling-importance-resampling: Rubin 1987, J Am Stat Assoc 82:543; by a critic: Azadi et al.
2018, arXiv 1810.06758): no ECG is changed, so no critic can be deceived.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ecgsdk.drawing import draw_rr_variation
from ecgsdk.encoding import condition_width, encode_conditions, encode_variation
from ecgsdk.errors import TrainingError
from ecgsdk.rhythm import MOST_BEATS, draw_beats
from ecgsdk.training.autoencoder import jittered
from ecgsdk.training.averages import finished_networks, twins
from ecgsdk.training.histograms import histograms
from ecgsdk.training.loop import Stage, descend, fingerprint, load_stage, load_weights
from ecgsdk.training.reader import FEATURES, build_reader, load_reader, readers_half
from ecgsdk.training.refiner import beats_to_change, load_refiner
from ecgsdk.training.rhythm import build_rhythm
from ecgsdk.training.rhythm_graph import DrawnIntervals
from ecgsdk.validation.scores import auroc

if TYPE_CHECKING:
    from pathlib import Path

    from ecgsdk.training.config import TrainConfig
    from ecgsdk.training.data import Prepared, TrainingData
    from ecgsdk.training.networks import Rhythm
    from ecgsdk.training.refiner import Refiner

__all__ = ["Judge", "judge_source", "judge_stage", "load_judge"]

_BATCH = 128
_WIDTH = 192
_DROPOUT = 0.5
_WEIGHT_DECAY = 0.1
# Of the records that are looked at, the share kept apart to see how well they are told.
_KEPT_APART = 0.1
_FEWEST = 2


class Verdict(nn.Module):
    """A reader's features (n, `FEATURES`) and conditions (n, width) → logarithm of recorded over made, (n,).

    The condition enters by projection (Miyato and Koyama 2018, arXiv 1802.05637).
    """

    def __init__(self, condition: int) -> None:
        super().__init__()
        self.seen = nn.Sequential(
            *(nn.Linear(FEATURES, _WIDTH), nn.SiLU(), nn.Dropout(_DROPOUT)),
            *(nn.Linear(_WIDTH, _WIDTH), nn.SiLU(), nn.Dropout(_DROPOUT)),
        )
        self.alone = nn.Linear(_WIDTH, 1)
        self.with_condition = nn.Linear(condition, _WIDTH, bias=False)

    def forward(self, features: Tensor, condition: Tensor) -> Tensor:
        x = self.seen(features)
        return self.alone(x)[:, 0] + (x * self.with_condition(condition)).sum(1) / _WIDTH**0.5


class Judge(nn.Module):
    """Signals (n, 8, samples) in mV at 100 Hz and conditions (n, width) → logarithm of recorded over made, (n,).

    Attributes:
        source: `judge_source` of the networks whose ECGs it was learned from.
        finished: whether it has learned all that it was to.
    """

    source: Tensor
    finished: Tensor

    def __init__(self, config: TrainConfig) -> None:
        super().__init__()
        self.reader = build_reader(config)
        self.verdict = Verdict(condition_width(config.statements))
        self.register_buffer("source", torch.zeros(32, dtype=torch.uint8))
        self.register_buffer("finished", torch.zeros((), dtype=torch.bool))

    def forward(self, signals: Tensor, condition: Tensor) -> Tensor:
        return self.verdict(self.reader.features(signals), condition)


class _Looked(nn.Module):
    """Features of recorded and made ECGs and their conditions, as a checkpoint keeps them."""

    recorded: Tensor
    made: Tensor
    condition: Tensor

    def __init__(self, records: int, condition: int) -> None:
        super().__init__()
        for name in ("recorded", "made"):
            self.register_buffer(name, torch.zeros(records, FEATURES, dtype=torch.float16))
        self.register_buffer("condition", torch.zeros(records, condition))


def load_judge(config: TrainConfig, folder: Path, source: Tensor) -> Judge:
    """A run's judge; raises TrainingError where it has learned from other networks, or not to the end."""
    judge = Judge(config)
    load_weights(judge, load_stage(folder, "judged")["networks"]["judge"], "judged")
    _check_source(judge.source, source)
    if not judge.finished:
        raise TrainingError("the judged stage has not come to its end; run it again")
    return judge


def judge_source(refiner: Refiner, rhythm: Rhythm) -> Tensor:
    """The `fingerprint` of all that ECGs are made with: a refiner holds that of the networks before it."""
    return fingerprint(nn.ModuleDict({"refiner": refiner, "rhythm": rhythm}))


def _check_source(known: Tensor | None, source: Tensor) -> None:
    if known is None or not torch.equal(known, source):
        raise TrainingError("judged.pt belongs to other networks; delete it and run the stage again")


def _rhythm(config: TrainConfig, folder: Path) -> Rhythm:
    rhythm = build_rhythm(config)
    load_weights(rhythm, load_stage(folder, "rhythm")["networks"]["rhythm"], "rhythm")
    return rhythm


def judge_stage(
    config: TrainConfig, folder: Path, prepared: Prepared, train: TrainingData, device: torch.device
) -> Stage:
    """First features of records and of what is made of their conditions, with beats drawn; then the verdict on them.

    The records are those that the reader has not learned from, which it may know by heart. Few steps of a small network
    under dropout: with more of them it learns these records by heart itself.

    Raises:
        TrainingError: too few records, or the run's judge has learned from other networks.
    """
    refiner, rhythm = load_refiner(config, folder), _rhythm(config, folder)
    source = judge_source(refiner, rhythm)
    if (folder / "judged.pt").exists():
        _check_source(load_stage(folder, "judged")["networks"].get("judge", {}).get("source"), source)
    networks = finished_networks(config, folder).to(device).eval().requires_grad_(False)
    refiner.to(device).eval().requires_grad_(False)
    judge = Judge(config)
    judge.reader = load_reader(config, folder)
    judge.source.copy_(source)
    judge.to(device)
    beats = drawn_rhythms(config, rhythm, prepared).to(device)
    rows = torch.nonzero(~readers_half(len(train), device)).flatten()
    if len(rows) < _FEWEST:
        raise TrainingError(
            f"the judged stage needs {_FEWEST} records of the reader's other half; begin a new run with more"
        )
    blocks = rows.split(_BATCH)
    looked = _Looked(config.judge_passes * len(rows), train.conditions.shape[1]).to(device)
    first_apart = min(len(rows) - 1, int((1 - _KEPT_APART) * len(rows)))
    apart = torch.arange(len(looked.condition), device=device) % len(rows) >= first_apart
    kept_apart, learned = torch.nonzero(apart).flatten(), torch.nonzero(~apart).flatten()
    weights = train.weights[rows].repeat(config.judge_passes)[learned]
    optimizer = torch.optim.AdamW(judge.verdict.parameters(), lr=config.judge_rate, weight_decay=_WEIGHT_DECAY)
    looking = config.judge_passes * len(blocks)

    @torch.no_grad()
    def look(number: int) -> dict[str, Tensor]:
        done, block = divmod(number, len(blocks))
        chosen = blocks[block]
        condition = train.conditions[chosen]
        signals, times = twins(networks, config, train, chosen, beats[done][chosen])
        made = refiner(signals, *beats_to_change(times, condition, config), condition)
        first = done * len(rows) + block * _BATCH
        places = slice(first, first + len(chosen))
        recorded = jittered(train.millivolts(chosen), config)
        for kept, seen in ((looked.recorded, recorded), (looked.made, made)):
            kept[places] = judge.reader.features(seen).half()
        looked.condition[places] = condition
        return {"apart": (looked.recorded[places].float() - looked.made[places].float()).mean(0).square().mean()}

    def losses(chosen: Tensor) -> tuple[Tensor, Tensor]:
        """Cross-entropy, and the verdicts on recorded and on made ECGs, (2, n)."""
        seen = (x[chosen].float() for x in (looked.recorded, looked.made))
        told = torch.stack([judge.verdict(x, looked.condition[chosen]) for x in seen])
        return (F.softplus(-told[0]).mean() + F.softplus(told[1]).mean()) / 2, told

    def step(number: int) -> dict[str, Tensor]:
        if number < looking:
            return look(number)
        chosen = learned[torch.multinomial(weights, config.judge_batch, replacement=True)]
        loss, _ = losses(chosen)
        descend(optimizer, judge.verdict.parameters(), loss)
        judge.finished.fill_(number + 1 == looking + config.judge_steps)
        return {"loss": loss.detach()}

    @torch.no_grad()
    def evaluate() -> dict[str, float]:
        if not looked.recorded[-1].any():  # not all is looked at yet
            return {}
        judge.verdict.eval()
        loss, told = losses(kept_apart)
        judge.verdict.train()
        labels = np.repeat([1.0, 0.0], len(kept_apart))
        area = auroc(labels, told.flatten().cpu().numpy())
        return {"val_loss": round(float(loss), 5), "val_told": round(area, 5)}

    parts = {"judge": judge, "looked": looked}
    return Stage("judged", config, parts, {"main": optimizer}, looking + config.judge_steps, step, evaluate, 200)


def drawn_rhythms(config: TrainConfig, rhythm: Rhythm, prepared: Prepared) -> Tensor:
    """Beats as the generator draws them for the conditions of all training records, pass by pass.

    Returns:
        Seconds, (passes, n, 48), NaN-padded.
    """
    network = DrawnIntervals(rhythm.eval().requires_grad_(False))
    random = np.random.default_rng(config.seed)
    conditions = prepared.conditions(config.statements) * config.judge_passes
    table = histograms(prepared, config)
    variation = np.array([draw_rr_variation(c, table, u) for c, u in zip(conditions, random.random(len(conditions)))])
    inputs = np.concatenate([encode_conditions(conditions, config.statements), encode_variation(variation)], axis=1)

    def draw(feed: dict[str, np.ndarray]) -> list[np.ndarray]:
        return [network(*(torch.from_numpy(feed[name]) for name in ("condition", "uniform", "normal"))).numpy()]

    drawn = draw_beats(
        draw,
        inputs,
        np.tile(prepared.heart_rate.astype(float), config.judge_passes),
        variation,
        random.random((len(inputs), MOST_BEATS + 1)),
        random.standard_normal((len(inputs), MOST_BEATS)),
        config.samples / config.sampling_rate,
    )
    return torch.from_numpy(drawn).unflatten(0, (config.judge_passes, len(prepared)))
