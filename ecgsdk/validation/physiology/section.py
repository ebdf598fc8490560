"""The report's section on physiology: whether synthetic ECGs obey the heart as real ones do."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING

import numpy as np

from ecgsdk.validation.physiology.figure_comparisons import ALL, Grouped, compare, shares_that_agree
from ecgsdk.validation.physiology.intervals import FIGURES, P_PRESENT
from ecgsdk.validation.physiology.requested_rates import rate_chart, rate_measures, rate_table, requested_rates
from ecgsdk.validation.physiology.tables import (
    DISTANCE_NOTE,
    agreement_table,
    amplitude_tables,
    equation_table,
    error_table,
    figure_tables,
    histogram,
    known,
    medians_table,
    outside,
    p_wave_table,
    plausibility_table,
    violation_share,
)
from ecgsdk.validation.physiology.wasserstein import FEWEST
from ecgsdk.validation.results import Failure, Measure, Section

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ecgsdk.validation.physiology.figure_comparisons import Comparison
    from ecgsdk.validation.profile import Profile

__all__ = ["section"]

_TITLE = "Physiology"
_ABOUT = (
    "Measures each ECG as an electrocardiograph does and compares real with synthetic ones: leads, rhythm, intervals, "
    "axis and amplitudes, and the heart rate that was asked for. Small differences count only beyond the same "
    "difference between two halves of the real ECGs."
)
_NOTHING_ASKED = "No heart rate was asked for, so none is compared with a request."
_MISFIT_UV = 50.0
_MISFITS = 0.05
_P_GROUPS = (("afib", "in atrial fibrillation or flutter"), ("norm", "in normal ECGs"))
_CHARTS = (
    ("heart_rate", ALL),
    ("rr_variation", ALL),
    ("pr_ms", ALL),
    ("qrs_ms", ALL),
    ("qtc_ms", ALL),
    ("axis_deg", ALL),
    ("rr_variation", "afib"),
    ("rr_successive", "afib"),
    ("p_presence", "afib"),
    ("p_presence", "norm"),
)


def section(real: Profile, synthetic: Profile, *, seed: int = 0) -> Section:
    """The physiology section.

    Args:
        real, synthetic: profiles; of the synthetic ECGs the conditions are what was asked for. Groups are compared
            with groups, record by record nothing is.
        seed: of the random halves of the real records.
    """
    began = time.monotonic()
    if not len(real) or not len(synthetic):
        failure = Failure("physiology", "no real or no synthetic ECG was given; give some of each")
        return Section("physiology", _TITLE, _ABOUT, failures=(failure,))
    pair = (Grouped.of(real), Grouped.of(synthetic))
    comparisons = compare(*pair, seed=seed)
    requested = requested_rates(synthetic)
    asked = len(requested.asked) > 0
    return Section(
        "physiology",
        _TITLE,
        _ABOUT,
        measures=(
            *rate_measures(requested),
            _medians_within_bounds(comparisons),
            _wasserstein_ratio(comparisons),
            *_lead_equations(real, synthetic),
            _implausible(*pair),
            *(_with_p_waves(*pair, group, title) for group, title in _P_GROUPS),
        ),
        tables=(
            medians_table(comparisons),
            agreement_table(comparisons),
            *((rate_table(requested),) if asked else ()),
            *figure_tables(comparisons),
            *amplitude_tables(comparisons),
            p_wave_table(*pair),
            equation_table(*pair),
            plausibility_table(*pair),
            error_table(),
        ),
        charts=(
            *((rate_chart(requested),) if asked else ()),
            *(histogram(name, group, *pair) for name, group in _CHARTS),
        ),
        notes=(DISTANCE_NOTE, *(() if asked else (_NOTHING_ASKED,)), *_rescaled(real)),
        failures=_without_medians(comparisons, pair),
        seconds=time.monotonic() - began,
    )


def _medians_within_bounds(comparisons: Sequence[Comparison]) -> Measure:
    shares = [share for share in shares_that_agree(comparisons).values() if share[0]]
    value, floor = (100 * float(np.mean([share[i] for share in shares])) if shares else math.nan for i in (1, 2))
    return Measure(
        "interval_medians_within_bounds",
        "Groups' medians that agree with real ECGs",
        known(value),
        "%",
        "higher",
        floor=known(floor),
        n=sum(share[0] for share in shares),
        about="PR, QRS, QTc (5 % or 10 ms), axis (10°), R and S of ten leads (5 % or 0.05 mV) in six groups; the six "
        "kinds count the same. Floor: between halves of the real ECGs.",
    )


def _without_medians(comparisons: Sequence[Comparison], pair: tuple[Grouped, Grouped]) -> tuple[Failure, ...]:
    """Why no group's medians can be held against real ones; nothing where some can."""
    if any(share[0] for share in shares_that_agree(comparisons).values()):
        return ()
    grouped = [int(np.any([mask for group, mask in one.masks.items() if group != ALL], axis=0).sum()) for one in pair]
    why = (
        f"{grouped[0]} of {len(pair[0])} real and {grouped[1]} of {len(pair[1])} synthetic ECGs belong to a standard "
        f"group ({', '.join(group for group in pair[0].masks if group != ALL)}), {2 * FEWEST} real and {FEWEST} "
        "synthetic ones of a group are needed; give ECGs with the statements of one"
    )
    return (Failure("groups' medians", why),)


def _rescaled(real: Profile) -> tuple[str, ...]:
    """A note where the real ECGs' leads do not fit each other, as where each was given a gain of its own."""
    off = int(np.sum(~(real.residuals <= _MISFIT_UV)))
    if off <= _MISFITS * len(real):
        return ()
    note = (
        f"In {off} of {len(real)} real ECGs the limb leads miss Einthoven's and Goldberger's equations by more than "
        f"{_MISFIT_UV:g} µV. The suite takes leads I, II and V1 to V6 and computes the others anew, so no figure but "
        "the floor of the lead equations depends on it; but each lead may have been scaled by itself, and then the "
        "amplitudes are not those of the patient. Look at the gains in the files."
    )
    return (note,)


def _wasserstein_ratio(comparisons: Sequence[Comparison]) -> Measure:
    ratios = [one.ratio for one in comparisons if one.group == ALL and math.isfinite(one.ratio)]
    return Measure(
        "wasserstein_ratio",
        "Distance of the figures' distributions, times the floor",
        float(np.median(ratios)) if ratios else None,
        "",
        "lower",
        floor=1.0,
        n=len(ratios),
        about="Median over all figures of the Wasserstein-1 distance of synthetic from real ECGs over that of two "
        "halves of the real ones; n counts the figures.",
    )


def _lead_equations(real: Profile, synthetic: Profile) -> tuple[Measure, Measure]:
    about = "Einthoven's and Goldberger's equations on every sample; the floor is that of the real files."
    return (
        Measure(
            "lead_equation_violation_uv",
            "Greatest violation of the lead equations",
            known(synthetic.residuals.max()),
            "µV",
            "lower",
            floor=known(real.residuals.max()),
            n=len(synthetic),
            about=about,
        ),
        Measure(
            "lead_equation_violations",
            "Records whose lead equations are off by more than 5 µV",
            violation_share(synthetic.residuals),
            "%",
            "lower",
            floor=violation_share(real.residuals),
            n=len(synthetic),
            about=about,
        ),
    )


def _implausible(real: Grouped, synthetic: Grouped) -> Measure:
    shares = [
        float(100 * np.mean(np.any([outside(one, name) for name in FIGURES], axis=0))) for one in (real, synthetic)
    ]
    return Measure(
        "implausible_records",
        "Records with a figure beyond what a living heart shows",
        shares[1],
        "%",
        "near",
        floor=shares[0],
        n=len(synthetic),
        about="Any measured figure outside the bounds of the table; measuring errors count too, as the real ECGs show.",
    )


def _with_p_waves(real: Grouped, synthetic: Grouped, group: str, title: str) -> Measure:
    values = [one.values("p_presence", group) for one in (real, synthetic)]
    shares = [float(100 * np.mean(v >= P_PRESENT)) if len(v) else None for v in values]
    return Measure(
        f"p_waves_{group}",
        f"Records with P waves {title}",
        shares[1],
        "%",
        "near",
        floor=shares[0],
        n=len(values[1]),
        about="The beats have 0.4 or more of their energy before the QRS in common; the floor is the real ECGs'.",
    )
