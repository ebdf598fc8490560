"""The utility section of the report: tables and headline figures of the trainings' outcomes."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import astuple
from typing import TYPE_CHECKING

import numpy as np

from ecgsdk.validation.results import Cell, Chart, Measure, Section, Series, Table
from ecgsdk.validation.scores import auroc, binary_scores, bootstrap_interval, macro_auroc
from ecgsdk.validation.utility.outcomes import MULTI_LABEL
from ecgsdk.validation.utility.tasks import LABELS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from ecgsdk.validation.results import Failure
    from ecgsdk.validation.utility.outcomes import AugmentationPoint, Outcome

    Score = Callable[[Outcome, np.ndarray | None], float]

__all__ = ["PROTOCOL_TITLES", "section"]

PROTOCOL_TITLES = {
    "trtr": "real → real",
    "tstr": "synthetic → real",
    "trts": "real → synthetic",
    "tsts": "synthetic → synthetic",
}
"""What each protocol trains and tests on."""

_ABOUT = (
    "What diagnostic classifiers learn from synthetic ECGs: each is trained on real or on as many synthetic ones and "
    "tested on ECGs that it has not seen. The figure that counts is synthetic → real beside real → real."
)
_BINARY_TITLES = ("accuracy, %", "balanced, %", "sensitivity, %", "specificity, %", "F1, %", "AUROC")


def section(
    found: Sequence[Outcome],
    points: Sequence[AugmentationPoint] = (),
    *,
    augmented: str = "",
    failures: Iterable[Failure] = (),
    notes: Iterable[str] = (),
    seed: int = 0,
) -> Section:
    """Tables and measures of all outcomes.

    Args:
        found: of any classifiers, tasks and protocols.
        points: of the augmentation curve of the classifier `augmented`.
        failures, notes: what could not be measured, and what else a reader must know.
        seed: of the bootstrap.
    """
    labels = [outcome for outcome in found if outcome.task == MULTI_LABEL]
    binary = [outcome for outcome in found if outcome.task != MULTI_LABEL]
    tables = (_macro_table(labels), _label_table(labels), _binary_table(binary), _classifier_table(binary))
    return Section(
        name="utility",
        title="Utility",
        about=_ABOUT,
        measures=(*_macro_measures(labels, seed), *_binary_measures(binary, seed)),
        tables=tuple(table for table in (*tables, _augmentation_table(points, augmented)) if table.rows),
        charts=(_augmentation_chart(points, augmented),) if points else (),
        failures=tuple(failures),
        notes=tuple(notes),
    )


def _macro(outcome: Outcome, weights: np.ndarray | None = None) -> float:
    return macro_auroc(outcome.truth, outcome.probabilities, weights)


def _accuracy(outcome: Outcome, weights: np.ndarray | None = None) -> float:
    return binary_scores(outcome.truth[:, 0], outcome.probabilities[:, 0], weights).accuracy


def _balanced(outcome: Outcome, weights: np.ndarray | None = None) -> float:
    return binary_scores(outcome.truth[:, 0], outcome.probabilities[:, 0], weights).balanced_accuracy


def _mean(outcomes: Iterable[Outcome], score: Score) -> float:
    values = [score(outcome, None) for outcome in outcomes]
    return float(np.mean(values)) if values else float("nan")


def _by(outcomes: Iterable[Outcome], *names: str) -> dict[tuple[str, ...], list[Outcome]]:
    grouped: dict[tuple[str, ...], list[Outcome]] = defaultdict(list)
    for outcome in outcomes:
        grouped[tuple(getattr(outcome, name) for name in names)].append(outcome)
    return grouped


def _interval(outcomes: list[Outcome], score: Score, seed: int, factor: float = 1.0) -> tuple[float, float]:
    """Interval of the mean score over outcomes; records of one task are drawn together, tasks apart."""
    ends = []
    by_task = _by(outcomes, "task")
    rounds = []
    for same in by_task.values():
        random = np.random.default_rng(seed)
        n = len(same[0].truth)
        draws = (random.multinomial(n, np.full(n, 1 / n)).astype(float) for _ in range(200))
        rounds.append([np.mean([score(outcome, weights) for outcome in same]) for weights in draws])
    ends = np.percentile(np.mean(rounds, axis=0) * factor, [2.5, 97.5])
    return float(ends[0]), float(ends[1])


def _macro_measures(labels: list[Outcome], seed: int) -> list[Measure]:
    by_protocol = _by(labels, "protocol")
    means = {key[0]: _mean(outcomes, _macro) for key, outcomes in by_protocol.items()}
    measures = [
        _protocol_measure(f"{protocol}_macro_auroc", "Macro-AUROC", protocol, means, by_protocol, _macro, seed)
        for protocol in PROTOCOL_TITLES
        if protocol in means
    ]
    if {"tstr", "trtr"} <= set(means):
        measures.append(_ratio(means, by_protocol, seed))
        for (name,), outcomes in _by(labels, "classifier").items():
            own = {key[0]: _mean(rows, _macro) for key, rows in _by(outcomes, "protocol").items()}
            measures.append(
                Measure(
                    name=f"tstr_macro_auroc_{name.replace('-', '_')}",
                    title=f"Macro-AUROC, synthetic → real, {name}",
                    value=own["tstr"],
                    better="higher",
                    floor=own["trtr"],
                    n=len(outcomes[0].truth),
                    about=f"As above, for {name} alone.",
                )
            )
    return measures


def _protocol_measure(
    name: str,
    title: str,
    protocol: str,
    means: dict[str, float],
    by_protocol: dict[tuple[str, ...], list[Outcome]],
    score: Score,
    seed: int,
    factor: float = 1.0,
) -> Measure:
    outcomes = by_protocol[(protocol,)]
    low, high = _interval(outcomes, score, seed, factor)
    classifiers = len({outcome.classifier for outcome in outcomes})
    return Measure(
        name=name,
        title=f"{title}, {PROTOCOL_TITLES[protocol]}",
        value=means[protocol] * factor,
        unit="%" if factor == 100 else "",
        better="higher",
        floor=None if protocol == "trtr" or "trtr" not in means else means["trtr"] * factor,
        low=low,
        high=high,
        n=len(outcomes[0].truth) if len({outcome.task for outcome in outcomes}) == 1 else None,
        about=f"Mean over {classifiers} classifier{'s' * (classifiers > 1)}; the floor is real → real.",
    )


def _ratio(means: dict[str, float], by_protocol: dict[tuple[str, ...], list[Outcome]], seed: int) -> Measure:
    ours, real = by_protocol[("tstr",)], by_protocol[("trtr",)]

    def ratio(weights: np.ndarray) -> float:
        return float(np.mean([_macro(o, weights) for o in ours]) / np.mean([_macro(o, weights) for o in real]))

    low, high = bootstrap_interval(lambda weights: 100 * ratio(weights), len(ours[0].truth), seed=seed)
    return Measure(
        name="tstr_ratio",
        title=f"{_of_labels(ours[0])}Macro-AUROC, synthetic → real as a share of real → real",
        value=100 * means["tstr"] / means["trtr"],
        unit="%",
        better="higher",
        floor=100.0,
        low=low,
        high=high,
        n=len(ours[0].truth),
        about=f"Trained on {ours[0].trained_on} synthetic or as many real ECGs, tested on the same real ones.",
    )


def _of_labels(outcome: Outcome) -> str:
    """What a title begins with where labels were left out; the verdict repeats it."""
    own = len(outcome.labels)
    return f"{own} of {len(LABELS)} labels: " if own < len(LABELS) else ""


def _binary_measures(binary: list[Outcome], seed: int) -> list[Measure]:
    by_protocol = _by(binary, "protocol")
    measures = []
    for figure, title, score in (
        ("accuracy", "Accuracy, normal against a group", _accuracy),
        ("balanced_accuracy", "Balanced accuracy, normal against a group", _balanced),
    ):
        means = {key[0]: _mean(outcomes, score) for key, outcomes in by_protocol.items()}
        measures += [
            _protocol_measure(f"{p}_{figure}", title, p, means, by_protocol, score, seed, factor=100)
            for p in PROTOCOL_TITLES
            if p in means
        ]
    return measures


def _macro_table(labels: list[Outcome]) -> Table:
    protocols = [p for p in PROTOCOL_TITLES if any(o.protocol == p for o in labels)]
    rows = []
    for (name,), outcomes in _by(labels, "classifier").items():
        own = {key[0]: _mean(o, _macro) for key, o in _by(outcomes, "protocol").items()}
        ratio = 100 * own["tstr"] / own["trtr"] if {"tstr", "trtr"} <= set(own) else None
        rows.append((name, *(own.get(p) for p in protocols), ratio))
    trained_on = {o.trained_on for o in labels}
    scored = len(labels[0].labels) if labels else 0
    return Table(
        name="macro_auroc",
        title=f"Macro-AUROC of {scored} label{'s' * (scored != 1)}, by classifier",
        columns=("classifier", *(PROTOCOL_TITLES[p] for p in protocols), "synthetic as a share of real, %"),
        rows=tuple(rows),
        note=f"Trained on {max(trained_on)} ECGs on each side." if trained_on else "",
    )


def _label_table(labels: list[Outcome]) -> Table:
    real = [o for o in labels if o.protocol in ("trtr", "tstr")]
    by_protocol = {key[0]: outcomes for key, outcomes in _by(real, "protocol").items()}
    rows = []
    for k, label in enumerate(real[0].labels) if set(by_protocol) == {"trtr", "tstr"} else ():
        means = {
            p: float(np.mean([auroc(o.truth[:, k], o.probabilities[:, k]) for o in by_protocol[p]]))
            for p in ("trtr", "tstr")
        }
        positives = int(real[0].truth[:, k].sum())
        rows.append((label, positives, means["trtr"], means["tstr"], 100 * means["tstr"] / means["trtr"]))
    return Table(
        name="label_auroc",
        title="AUROC of each label on real ECGs, mean over classifiers",
        columns=("label", "positives", "real → real", "synthetic → real", "share, %"),
        rows=tuple(rows),
    )


def _binary_table(binary: list[Outcome]) -> Table:
    rows: list[tuple[Cell, ...]] = []
    for (protocol, task), outcomes in sorted(
        _by(binary, "protocol", "task").items(), key=lambda item: list(PROTOCOL_TITLES).index(item[0][0])
    ):
        rows.append((f"normal against {task}", PROTOCOL_TITLES[protocol], outcomes[0].trained_on, *_scores(outcomes)))
    for protocol in [p for p in PROTOCOL_TITLES if any(o.protocol == p for o in binary)]:
        rows.append(("mean", PROTOCOL_TITLES[protocol], None, *_scores([o for o in binary if o.protocol == protocol])))
    return Table(
        name="binary_tasks",
        title="Normal against each group, mean over classifiers",
        columns=("task", "protocol", "trained on", *_BINARY_TITLES),
        rows=tuple(rows),
        note="Classes of equal size in training; called at a probability of one half.",
    )


def _classifier_table(binary: list[Outcome]) -> Table:
    return Table(
        name="binary_classifiers",
        title="Mean over the binary tasks, by classifier",
        columns=("classifier", "protocol", *_BINARY_TITLES),
        rows=tuple(
            (name, PROTOCOL_TITLES[protocol], *_scores(outcomes))
            for (name, protocol), outcomes in _by(binary, "classifier", "protocol").items()
        ),
    )


def _scores(outcomes: Sequence[Outcome]) -> tuple[float, ...]:
    """Means of the binary scores: all in %, but the AUROC."""
    scores = [astuple(binary_scores(o.truth[:, 0], o.probabilities[:, 0])) for o in outcomes]
    means = np.nanmean(scores, axis=0) * [100, 100, 100, 100, 100, 1]
    return tuple(float(value) for value in means)


def _augmentation_table(points: Sequence[AugmentationPoint], classifier: str) -> Table:
    return Table(
        name="augmentation",
        title=f"Macro-AUROC on real ECGs with few real ECGs to train on, {classifier}",
        columns=("real ECGs", "alone", "synthetic ECGs added", "together", "gain, points"),
        rows=tuple((p.real, p.alone, p.synthetic, p.together, 100 * (p.together - p.alone)) for p in points),
    )


def _augmentation_chart(points: Sequence[AugmentationPoint], classifier: str) -> Chart:
    x = tuple(point.real for point in points)
    return Chart(
        name="augmentation",
        title=f"Real ECGs alone, and with synthetic ones added ({classifier})",
        x_label="real ECGs to train on",
        y_label="macro-AUROC on real ECGs",
        series=(
            Series("real alone", x, tuple(point.alone for point in points), "real"),
            Series("real and synthetic", x, tuple(point.together for point in points), "synthetic"),
        ),
        log_x=True,
    )
