"""From the figures of the privacy audit to the report's section: measures, tables, the ROC chart and notes."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ecgsdk.validation.privacy.attacks import ATTACKS, FEWEST, VIEW_TITLES, best, excess
from ecgsdk.validation.privacy.memorisation import share_interval
from ecgsdk.validation.results import Chart, Failure, Measure, Section, Series, Table
from ecgsdk.validation.scores import roc

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ecgsdk.validation.privacy.attacks import Attempt
    from ecgsdk.validation.privacy.memorisation import Copying

__all__ = ["Audit", "audit_section"]

_ABOUT = (
    "Tries to tell from the synthetic ECGs which real ones the generator was trained on, and counts copies. Each "
    "figure stands beside its floor: what the same attacks find in real ECGs in the place of the synthetic ones."
)
_RATES = {"1": 0.01, "01": 0.001}
_POPULATIONS = {"random": "all", "isolated": "most isolated"}
_CHART_POINTS = 61
_POWER = 0.5


@dataclass(frozen=True, eq=False)
class Audit:
    """What the privacy audit found.

    Attributes:
        labels: whether each tested record was trained on, shape (n,).
        tried, floor, planted: the attacks on the synthetic records, on real ones in their place, and on the synthetic
            ones with copies of some members among them; empty where there are none.
        copies: how many members, the first ones, have a planted copy.
        copying: memorisation and distances, by view.
        synthetic, reference, relatives: numbers of records; the relatives are those left out of the reference.
        has_kin: whether each tested record has one of the relatives, shape (n,).
        without_beat: tested records without a median beat.
    """

    labels: np.ndarray
    tried: tuple[Attempt, ...]
    floor: tuple[Attempt, ...]
    planted: tuple[Attempt, ...]
    copies: int
    copying: tuple[Copying, ...]
    synthetic: int
    reference: int
    relatives: int
    has_kin: np.ndarray
    without_beat: int


def audit_section(audit: Audit, *, seed: int = 0, seconds: float = 0.0) -> Section:
    """The section of the report."""
    return Section(
        name="privacy",
        title="Privacy",
        about=_ABOUT,
        measures=(*_membership(audit, seed), *_control(audit, seed), *_copies(audit)),
        tables=(*_attack_table(audit, seed), _copying_table(audit), _closest_table(audit)),
        charts=_roc_chart(audit),
        notes=tuple(_notes(audit)),
        failures=tuple(_failures(audit)),
        seconds=seconds,
    )


def _membership(audit: Audit, seed: int) -> list[Measure]:
    return [
        measure
        for population in _POPULATIONS
        for measure in (
            _auc_measure(audit, population, seed),
            *(_rate_measure(audit, population, key, seed) for key in _RATES),
            _excess_measure(audit, population, seed),
        )
    ]


def _auc_measure(audit: Audit, population: str, seed: int) -> Measure:
    attack, floor = (best(tried, population) for tried in (audit.tried, audit.floor))
    low, high = attack.auc_interval(seed) if attack else (math.nan, math.nan)
    return Measure(
        name="membership_auc" + _ending(population),
        title="Membership inference, AUC" + _which(population),
        value=_known(attack.auc() if attack else math.nan),
        better="lower",
        floor=_known(floor.auc() if floor else math.nan),
        low=_known(low),
        high=_known(high),
        n=len(attack.labels) if attack else None,
        about=f"Best of {len(audit.tried)} attacks ({_title(attack)}); 0.5 is guessing." + _isolated(population),
    )


def _rate_measure(audit: Audit, population: str, key: str, seed: int) -> Measure:
    at = _RATES[key]
    attack, floor = (best(tried, population, at) for tried in (audit.tried, audit.floor))
    low, high = attack.rate_interval(at, seed) if attack else (math.nan, math.nan)
    about = f"Share of the training records that the best attack ({_title(attack)}) finds (Carlini et al. 2022)."
    if attack is None:
        about = "Not measurable: too few non-members, or fewer than one over this rate."
    return Measure(
        name=f"membership_tpr_{key}" + _ending(population),
        title=f"Members found at {100 * at:g} % false alarms" + _which(population),
        value=_percent(attack.rate(at) if attack else math.nan),
        unit="%",
        better="lower",
        floor=_percent(floor.rate(at) if floor else math.nan),
        low=_percent(low),
        high=_percent(high),
        n=len(attack.labels) if attack else None,
        about=about + _isolated(population),
    )


def _excess_measure(audit: Audit, population: str, seed: int) -> Measure:
    tried, floor = _combined(audit.tried), _combined(audit.floor)
    value, low, high = excess(tried, floor, population, seed) if tried.tells(population) else (math.nan,) * 3
    return Measure(
        name="membership_auc_excess" + _ending(population),
        title="Membership inference, AUC above that of real ECGs" + _which(population),
        value=_known(value),
        better="lower",
        floor=0.0,
        low=_known(low),
        high=_known(high),
        n=len(tried.on(population).labels),
        about="AUC of the combined attack, chosen beforehand, less that of the same attack on real ECGs in the place "
        "of the synthetic ones; an interval above 0 is evidence that training records are given away.",
    )


def _combined(attacks: Sequence[Attempt]) -> Attempt:
    return next(attempt for attempt in attacks if attempt.attack == "combined")


def _ending(population: str) -> str:
    return "" if population == "random" else f"_{population}"


def _which(population: str) -> str:
    return "" if population == "random" else ", most isolated records"


def _isolated(population: str) -> str:
    return "" if population == "random" else " Of the tenth that lies farthest from other real records."


def _control(audit: Audit, seed: int) -> list[Measure]:
    if not audit.planted:
        return []
    share = audit.copies / int(audit.labels.sum())
    caught, strongest = best(audit.planted, "random", _RATES["1"]), best(audit.planted, "random")
    found = recovered(audit)
    low, high = caught.rate_interval(_RATES["1"], seed) if caught else (math.nan, math.nan)
    planted = f"{audit.copies} of {int(audit.labels.sum())} members have a jittered copy among the synthetic records"
    return [
        Measure(
            name="leak_control_tpr_1",
            title="Planted leak: members found at 1 % false alarms",
            value=_percent(caught.rate(_RATES["1"]) if caught else math.nan),
            unit="%",
            better="higher",
            low=_percent(low),
            high=_percent(high),
            n=len(audit.labels),
            about=f"{planted} ({_title(caught)}); whoever sees every copy finds {100 * share + 1:.0f} %.",
        ),
        Measure(
            name="leak_control_found",
            title="Planted leak: copies found at 1 % false alarms",
            value=_percent(found),
            unit="%",
            better="higher",
            low=_percent(share_interval(found, audit.copies)[0]),
            high=_percent(share_interval(found, audit.copies)[1]),
            n=audit.copies,
            about=f"Power of the audit: share of the planted copies that the best attack finds ({_title(caught)}).",
        ),
        Measure(
            name="leak_control_auc",
            title="Planted leak: AUC of the best attack",
            value=_known(strongest.auc() if strongest else math.nan),
            better="higher",
            n=len(audit.labels),
            about=f"{planted} ({_title(strongest)}); whoever sees every copy reaches {0.5 + share / 2:.2f}.",
        ),
    ]


def recovered(audit: Audit) -> float:
    """Share of the members with a planted copy that score above all but 1 % of the non-members, in the best attack."""
    caught = best(audit.planted, "random", _RATES["1"])
    if caught is None:
        return math.nan
    whole = next(a for a in audit.planted if (a.attack, a.view) == (caught.attack, caught.view))
    outside = np.sort(caught.scores[~caught.labels])[::-1]
    bound = outside[int(_RATES["1"] * len(outside))]
    return float((whole.scores[: audit.copies] > bound).mean())


def _copies(audit: Audit) -> list[Measure]:
    worst = max(audit.copying, key=lambda c: (c.ratio, -c.ratio_floor))
    nearer = max(audit.copying, key=lambda c: abs(c.nearer - 0.5))
    low, high = share_interval(worst.ratio, worst.records)
    return [
        Measure(
            name="memorisation_ratio",
            title="Memorisation ratio",
            value=_percent(worst.ratio),
            unit="%",
            better="lower",
            floor=_percent(max(c.ratio_floor for c in audit.copying)),
            low=_percent(low),
            high=_percent(high),
            n=worst.records,
            about="Synthetic records less than a third as far from the nearest training record as from the second "
            f"(Yoon et al. 2023; Gu et al. 2023), in the view with most of them ({VIEW_TITLES[worst.view]}); floor: "
            "real held-out records.",
        ),
        Measure(
            name="nearer_to_members",
            title="Nearer to a training record than to a held-out one",
            value=_percent(nearer.nearer),
            unit="%",
            better="near",
            floor=_percent(nearer.nearer_floor),
            n=nearer.records,
            about="Share of the synthetic records, with equally many of both; 50 % where nothing is memorised. In the "
            f"view farthest from it ({VIEW_TITLES[nearer.view]}).",
        ),
    ]


def _attack_table(audit: Audit, seed: int) -> tuple[Table, ...]:
    """All attacks that there are enough records for."""
    rows = []
    both = list(zip(audit.tried, audit.floor))
    for population, pair in ((name, pair) for name in _POPULATIONS for pair in both if pair[0].tells(name)):
        attack, floor = (one.on(population) for one in pair)
        low, high = attack.auc_interval(seed)
        rates = [_percent(one.rate(at)) for at in _RATES.values() for one in (attack, floor)]
        auc = _known(attack.auc()), _known(low), _known(high), _known(floor.auc())
        rows.append((_POPULATIONS[population], VIEW_TITLES[attack.view], attack.attack, *auc, *rates))
    table = Table(
        name="membership_attacks",
        title="Membership inference by attack",
        columns=(
            *("records", "view", "attack", "AUC", "low", "high", "AUC, floor"),
            *("found at 1 % (%)", "floor (%)", "found at 0.1 % (%)", "floor (%)"),
        ),
        rows=tuple(rows),
        note="; ".join(f"{name}: {about}" for name, about in ATTACKS.items())
        + ". Low and high: 95 % bootstrap interval. Found at: share of the training records above all but 1 % or "
        "0.1 % of the others.",
    )
    return (table,) if rows else ()


def _copying_table(audit: Audit) -> Table:
    columns = ("view", "memorisation ratio (%)", "floor (%)", "nearer to training records (%)", "floor (%)")
    rows = [
        (VIEW_TITLES[c.view], *(_percent(value) for value in (c.ratio, c.ratio_floor, c.nearer, c.nearer_floor)))
        for c in audit.copying
    ]
    return Table("memorisation", "Copies", columns, tuple(rows))


def _closest_table(audit: Audit) -> Table:
    ends = ("5th percentile", "median")
    columns = ("view", *(f"{whose}, {end}" for whose in ("synthetic", "held out") for end in ends))
    rows = [(VIEW_TITLES[c.view], *map(_known, (*c.closest, *c.closest_real))) for c in audit.copying]
    return Table(
        name="distance_to_closest_record",
        title="Distance to the closest training record",
        columns=columns,
        rows=tuple(rows),
        note="A diagnostic only: it does not measure privacy (Yao et al. 2025, arXiv 2505.01524). Features in standard "
        "deviations, median beats and waveforms brought to length 1.",
    )


def _roc_chart(audit: Audit) -> tuple[Chart, ...]:
    """The curves of the best attack; none where there are too few records for any."""
    attack = best(audit.tried, "random", _RATES["1"]) or best(audit.tried, "random")
    if attack is None:
        return ()
    rates = np.geomspace(1 / max(1, int((~audit.labels).sum())), 1.0, _CHART_POINTS)
    series = [Series("guessing", tuple(rates.tolist()), tuple(rates.tolist()))]
    same = [(tried, name) for tried, name in ((audit.floor, "floor"), (audit.planted, "planted leak")) if tried]
    drawn = [(attack, attack.title, "synthetic"), *((_twin(t, attack), name, "") for t, name in same)]
    series += [Series(name, tuple(rates.tolist()), _curve(one, rates), role) for one, name, role in drawn]  # type: ignore[arg-type]
    chart = Chart(
        name="membership_roc",
        title="Training records found by the best attack",
        x_label="held-out records taken for training records (share)",
        y_label="training records found (share)",
        series=tuple(series),
        log_x=True,
        log_y=True,
        note="The attack that finds most at 1 % false alarms. A curve on the line of guessing gives nothing away.",
    )
    return (chart,)


def _curve(attack: Attempt, rates: np.ndarray) -> tuple[float | None, ...]:
    """True positive rates at false positive rates; None where nothing is found, which has no logarithm."""
    false, true = roc(attack.labels, attack.scores)
    found = true[np.searchsorted(false, rates * (1 + 1e-9), side="right") - 1]
    return tuple(float(value) if value > 0 else None for value in found)


def _twin(tried: Sequence[Attempt], attack: Attempt) -> Attempt:
    return next(a for a in tried if (a.attack, a.view) == (attack.attack, attack.view)).on("random")


def _notes(audit: Audit) -> list[str]:
    members, others = int(audit.labels.sum()), int((~audit.labels).sum())
    of_members, of_others = (int(audit.has_kin[rows].sum()) for rows in (audit.labels, ~audit.labels))
    sizes = (
        f"{members} training and {others} held-out records against {audit.synthetic} synthetic ones. The lowest false "
        f"alarm rate that can be measured is one in {others}, and about one in {others // 10} among the most isolated."
    )
    chance = (
        f"The best of {len(audit.tried)} attacks is the best by chance too: hold it against its floor, the best of as "
        "many attacks on real ECGs that stand in the place of the synthetic ones."
    )
    encoder = (
        "The encoder of the features may have been trained on the same records as the generator: what it has learned "
        "by heart shows in the floor of the attacks on features, and nothing is taken off for it."
    )
    relatives = (
        f"{audit.relatives} of {audit.reference} further training records are left out of the attacker's real records "
        f"and of the floor because they look like another recording of a tested person: {of_members} training and "
        f"{of_others} held-out records have such kin. Training and held-out records must be of different patients, as "
        "in PTB-XL's folds."
    )
    missing = f"Tested records without a median beat, left out of that view: {audit.without_beat}."
    notes = [sizes, chance, encoder, relatives, *([missing] if audit.without_beat else [])]
    return [*notes, _power_note(audit)]


def _power_note(audit: Audit) -> str:
    if not audit.planted:
        return "No copies were planted, so it is not known what this audit would have found."
    found, ours = recovered(audit), best(audit.tried, "random", _RATES["1"])
    caught = best(audit.planted, "random", _RATES["1"])
    if caught is None or ours is None:
        return (
            "It was not measured whether the audit finds the copies that were planted on purpose: "
            f"{_fewest(_combined(audit.tried), 'random')}. That it finds nothing means nothing."
        )
    if found < _POWER:
        return (
            "The audit has no power at this size: it misses most copies that were planted on purpose. That it finds "
            "nothing means nothing; give more records."
        )
    return (
        f"A generator that copied {audit.copies} of {int(audit.labels.sum())} training records would show "
        f"{100 * caught.rate(0.01):.1f} % found at 1 % false alarms; this one shows {100 * ours.rate(0.01):.1f} %."
    )


def _failures(audit: Audit) -> list[Failure]:
    attack = _combined(audit.tried)
    return [
        Failure(f"membership inference{_which(population)}", _fewest(attack, population))
        for population in _POPULATIONS
        if not attack.tells(population)
    ]


def _fewest(attack: Attempt, population: str) -> str:
    """How many training and held-out records there are to tell apart, and how many are needed."""
    members, others = attack.counts(population)
    which = "" if population == "random" else " of the tenth that lies farthest from other real records"
    few = f"{members} training and {others} held-out records{which} are too few to tell chance from a leak"
    return f"{few}, {FEWEST[population]} of each are needed; give more real ECGs"


def _title(attack: Attempt | None) -> str:
    return attack.title if attack else "none could be measured"


def _known(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None


def _percent(share: float) -> float | None:
    return _known(100 * share)
