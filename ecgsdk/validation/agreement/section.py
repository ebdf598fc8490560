"""The section on agreement: whether finished diagnostic models say of synthetic ECGs what they say of real ones."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import numpy as np

from ecgsdk.validation.agreement.calls import (
    FixedCalls,
    LabelCalls,
    cohens_kappa,
    group_members,
    matched_pairs,
    rate_difference_interval,
    record_pairs,
    split_rates,
)
from ecgsdk.validation.report.figures import classifier_keys
from ecgsdk.validation.results import Chart, Failure, Measure, Section, Series, Table
from ecgsdk.validation.scores import auroc, bootstrap_interval

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ecgsdk.validation.results import Cell

__all__ = ["FEWEST_IN_GROUP", "FEWEST_TRUE", "section"]

FEWEST_IN_GROUP = 20
"""Records that a group needs, real and synthetic, for its call rates to be compared."""

FEWEST_TRUE = 5
"""Records with, and without, a label's statements that its AUROC, sensitivity and specificity need."""

_SPLITS = 20
_SHOWN = 15
_ABOUT = (
    "Diagnostic models that were finished elsewhere read real ECGs and synthetic ones of the same conditions. The "
    "nearer their calls and their errors, the less a model can tell the two apart; the floor is real ECGs against "
    "other real ones of the same condition, who do not get the same calls either."
)


def section(
    outcomes: Sequence[FixedCalls], *, notes: Sequence[str] = (), failures: Sequence[Failure] = (), seed: int = 0
) -> Section:
    """The section on agreement.

    Args:
        outcomes: what each fixed classifier said.
        notes: what else a reader must know, such as `fixed.Coverage.notes`.
        failures: classifiers that could not be asked.
        seed: of bootstrap resamples and halves.
    """
    measures, tables, charts, remarks = [], [], [], list(notes)
    for key, outcome in zip(classifier_keys([outcome.name for outcome in outcomes]), outcomes):
        rates = _group_rates(outcome, seed)
        pairs, floor = _pairs(outcome)
        measures += [
            _rate_measure(key, outcome, rates),
            _auroc_measure(key, outcome, seed),
            _kappa_measure(key, outcome, pairs, floor),
        ]
        tables += [
            _statement_table(key, outcome, seed),
            _call_table(key, outcome, pairs, floor),
            _group_table(key, outcome),
        ]
        charts.append(_call_chart(key, outcome))
        remarks.append(_counts_note(outcome, pairs))
    return Section(
        name="agreement",
        title="Agreement of finished diagnostic models",
        about=_ABOUT,
        measures=tuple(measures),
        tables=tuple(tables),
        charts=tuple(charts),
        notes=tuple(remarks),
        failures=tuple(failures),
    )


def _rate_measure(key: str, outcome: FixedCalls, rates: np.ndarray) -> Measure:
    value, floor = _mean(np.abs(rates[:, 2] - rates[:, 0])), _mean(np.abs(rates[:, 1] - rates[:, 0]))
    return Measure(
        name=f"agreement_{key}_call_rate_difference",
        title=f"{outcome.name}: difference of call rates",
        value=_percent(value),
        unit="%",
        better="lower",
        floor=_percent(floor),
        n=len(outcome.real),
        about=(
            "How far apart the shares of called ECGs are, in percentage points, mean over labels and standard groups: "
            "half of the real records against synthetic twins of the other half; floor: against the other half."
        ),
    )


def _auroc_measure(key: str, outcome: FixedCalls, seed: int) -> Measure:
    both = [(real, synthetic) for _, real, synthetic in _mapped(outcome) if _enough(real, synthetic)]
    n = len(outcome.synthetic)

    def macro(weights: np.ndarray) -> float:
        return _mean(np.array([_auroc(side, weights) for _, side in both]))

    low, high = bootstrap_interval(macro, n, seed=seed) if both else (float("nan"), float("nan"))
    return Measure(
        name=f"agreement_{key}_auroc",
        title=f"{outcome.name}: AUROC on synthetic ECGs",
        value=_known(macro(np.ones(n))),
        better="near",
        floor=_known(_mean(np.array([_auroc(side, np.ones(len(outcome.real))) for side, _ in both]))),
        low=_known(low),
        high=_known(high),
        n=n,
        about=(
            f"Mean area under the ROC curve over its {len(both)} label{'s' * (len(both) != 1)} with enough records, "
            "against the statements that the synthetic ECGs were asked for; floor: the same on the real ECGs. To be "
            "above the floor is no gain: the synthetic ECGs are then plainer than real ones."
        ),
    )


def _kappa_measure(key: str, outcome: FixedCalls, pairs: np.ndarray, floor: np.ndarray) -> Measure:
    kappas = np.stack([cohens_kappa(pairs), cohens_kappa(floor)])
    value, chance = (_mean(row) for row in kappas[:, np.isfinite(kappas).all(axis=0)])
    return Measure(
        name=f"agreement_{key}_kappa",
        title=f"{outcome.name}: kappa of real against synthetic",
        value=_known(value),
        better="near",
        floor=_known(chance),
        n=round(float(pairs[0].sum())),
        about=(
            "Cohen's kappa (1960) between the call on a real ECG and on a synthetic one of the same condition, mean "
            "over labels; floor: between two real ECGs of the same condition."
        ),
    )


def _statement_table(key: str, outcome: FixedCalls, seed: int) -> Table:
    figures = {"AUROC": _auroc, "sensitivity": _sensitivity, "specificity": _specificity}
    rows: list[tuple[Cell, ...]] = []
    for label, real, synthetic in _mapped(outcome):
        facts = (label, int(real.truth.sum()), int(synthetic.truth.sum()))
        for name, figure in figures.items():
            rows.append((*facts, name, *_compared(figure, real, synthetic, outcome, seed)))
    values = ("real", "synthetic", "difference", "low", "high")
    return Table(
        name=f"agreement_{key}_statements",
        title=f"{outcome.name}: calls against statements",
        columns=("label", "real positives", "synthetic positives", "figure", *values),
        rows=tuple(rows),
        note=(
            "Real ECGs against their statements, synthetic ones against those asked for; synthetic minus real with its "
            f"95 % interval (bootstrap). Labels with fewer than {FEWEST_TRUE} positives or negatives are left open; "
            "pairs whose twin could not be asked for the statement are left out."
        ),
    )


def _call_table(key: str, outcome: FixedCalls, pairs: np.ndarray, floor: np.ndarray) -> Table:
    real, synthetic = (called.mean(axis=0) if len(called) else _open(outcome) for called in outcome.called())
    figures = (real, synthetic, _same(pairs), _same(floor))
    percents = [[_percent(value) for value in figure] for figure in figures]
    kappas = [[_known(value) for value in cohens_kappa(table)] for table in (pairs, floor)]
    compared_with = [", ".join(outcome.statements.get(label, ())) or None for label in outcome.labels]
    columns = ("called real %", "called synthetic %", "same call %", "same call, real %", "kappa", "kappa, real")
    return Table(
        name=f"agreement_{key}_calls",
        title=f"{outcome.name}: how often each label is called, and how often the same",
        columns=("label", "compared with", *columns),
        rows=tuple(zip(outcome.labels, compared_with, *percents, *kappas)),
        note=(
            f'Same call: of a real ECG and a synthetic one of {_condition_words(outcome)}. Columns with "real": of two '
            "real ones. Kappa is the agreement beyond chance."
        ),
    )


def _group_table(key: str, outcome: FixedCalls) -> Table:
    real_called, synthetic_called = outcome.called()
    rows: list[tuple[str, str, int, float, float, float, float, float]] = []
    for group, real, synthetic in _groups(outcome):
        for k, label in enumerate(outcome.labels):
            first, second = real_called[real, k].mean(), synthetic_called[synthetic, k].mean()
            low, high = rate_difference_interval((first, len(real)), (second, len(synthetic)))
            difference = 100 * float(second - first)
            rows.append(
                (group, label, len(real), 100 * float(first), 100 * float(second), difference, 100 * low, 100 * high)
            )
    # Small groups have the largest differences by chance: those beyond it come first.
    rows.sort(key=lambda row: (row[6] <= 0 <= row[7], -abs(row[5])))
    apart = sum(not row[6] <= 0 <= row[7] for row in rows)
    return Table(
        name=f"agreement_{key}_groups",
        title=f"{outcome.name}: call rates by standard group, the clearest differences first",
        columns=("group", "label", "real records", "real %", "synthetic %", "difference", "low", "high"),
        rows=tuple(rows[:_SHOWN]),
        note=(
            f"Differences in percentage points with their 95 % interval (Newcombe 1998). Of {len(rows)} pairs of group "
            f"and label, {apart} have an interval without zero; by chance alone it would be about {len(rows) / 20:.0f}."
        ),
    )


def _call_chart(key: str, outcome: FixedCalls) -> Chart:
    series = []
    for role, called in zip(("real", "synthetic"), outcome.called()):
        rates = called.mean(axis=0) if len(called) else _open(outcome)
        series.append(Series(role, outcome.labels, tuple(_percent(rate) for rate in rates), role))  # type: ignore[arg-type]
    return Chart(
        name=f"agreement_{key}_rates",
        title=f"{outcome.name}: share of ECGs with each call",
        x_label="label",
        y_label="called, %",
        series=tuple(series),
        kind="bars",
    )


def _counts_note(outcome: FixedCalls, pairs: np.ndarray) -> str:
    return (
        f"{outcome.name} read {len(outcome.real)} real and {len(outcome.synthetic)} synthetic ECGs; "
        f"{round(float(pairs[0].sum()))} of the real ones share {_condition_words(outcome)} with another real ECG, and "
        "only these enter kappa."
    )


def _condition_words(outcome: FixedCalls) -> str:
    return "the same statements" if outcome.paired else "the same standard groups"


def _mapped(outcome: FixedCalls) -> list[tuple[str, LabelCalls, LabelCalls]]:
    """Each label with statements, on real and on synthetic ECGs."""
    return [(label, *outcome.of(label)) for label in outcome.labels if outcome.statements.get(label)]


def _enough(*sides: LabelCalls) -> bool:
    return all(min(side.truth.sum(), (~side.truth).sum()) >= FEWEST_TRUE for side in sides)


def _compared(
    figure: Callable[[LabelCalls, np.ndarray], float],
    real: LabelCalls,
    synthetic: LabelCalls,
    outcome: FixedCalls,
    seed: int,
) -> list[Cell]:
    """A figure on real and on synthetic ECGs, the difference, and the ends of its bootstrap interval."""
    if not _enough(real, synthetic):
        return [None] * 5
    n, m = len(outcome.real), len(outcome.synthetic)

    def difference(weights: np.ndarray) -> float:
        of_synthetic = weights if outcome.paired else weights[n:]
        return figure(synthetic, of_synthetic) - figure(real, weights[:n])

    ends = bootstrap_interval(difference, n if outcome.paired else n + m, seed=seed)
    of_real, of_synthetic = figure(real, np.ones(n)), figure(synthetic, np.ones(m))
    return [*map(_known, (of_real, of_synthetic, of_synthetic - of_real, *ends))]


def _auroc(side: LabelCalls, weights: np.ndarray) -> float:
    return auroc(side.truth, side.scores, weights[side.rows])


def _sensitivity(side: LabelCalls, weights: np.ndarray) -> float:
    return _share(side.called[side.truth], weights[side.rows][side.truth])


def _specificity(side: LabelCalls, weights: np.ndarray) -> float:
    return _share(~side.called[~side.truth], weights[side.rows][~side.truth])


def _share(true: np.ndarray, weights: np.ndarray) -> float:
    whole = weights.sum()
    return float(weights[true].sum() / whole) if whole else float("nan")


def _groups(outcome: FixedCalls) -> list[tuple[str, np.ndarray, np.ndarray]]:
    """Positions of the real and synthetic records of each group that has enough of them."""
    real = group_members(outcome.real_conditions)
    synthetic = real if outcome.paired else group_members(outcome.synthetic_conditions)
    enough = [name for name in real if min(len(real[name]), len(synthetic[name])) >= FEWEST_IN_GROUP]
    return [(name, real[name], synthetic[name]) for name in enough]


def _group_rates(outcome: FixedCalls, seed: int) -> np.ndarray:
    """Call rates of each group in random halves, as `calls.split_rates`, shape (groups · splits, 3, labels)."""
    generator = np.random.default_rng(seed)
    real_called, synthetic_called = outcome.called()
    rates = [
        split_rates(
            real_called[real], synthetic_called[synthetic], paired=outcome.paired, splits=_SPLITS, generator=generator
        )
        for _, real, synthetic in _groups(outcome)
    ]
    return np.concatenate([np.empty((0, 3, len(outcome.labels))), *rates])


def _pairs(outcome: FixedCalls) -> tuple[np.ndarray, np.ndarray]:
    """Calls on pairs of a real and a synthetic record, and of two real ones, of one condition: each (labels, 2, 2).

    A real record that shares its condition with no other real one is left out of both.
    """
    real, synthetic = outcome.called()
    if not outcome.paired:
        groups, others = ([c.groups() for c in s] for s in (outcome.real_conditions, outcome.synthetic_conditions))
        return matched_pairs(real, groups, synthetic, others), matched_pairs(real, groups)
    # What the twin was asked for, not all that is known of the real record: no twin can show more.
    keys = [frozenset(condition.statements) for condition in outcome.synthetic_conditions]
    shared = np.array([number > 1 for number in map(Counter(keys).__getitem__, keys)], dtype=bool)
    return record_pairs(real[shared], synthetic[shared]), matched_pairs(real, keys)


def _same(pairs: np.ndarray) -> np.ndarray:
    """Share of pairs with the same call, shape (labels,)."""
    total = pairs.sum(axis=(1, 2))
    return np.divide(pairs[:, 0, 0] + pairs[:, 1, 1], total, out=np.full(len(pairs), np.nan), where=total > 0)


def _open(outcome: FixedCalls) -> np.ndarray:
    return np.full(len(outcome.labels), np.nan)


def _mean(values: np.ndarray) -> float:
    known = values[np.isfinite(values)]
    return float(known.mean()) if len(known) else float("nan")


def _known(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def _percent(value: float) -> float | None:
    return _known(100 * float(value))
