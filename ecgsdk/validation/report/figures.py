"""Names of the report's figures, so that a misspelt bound is noticed before hours are spent on a run.

docs/report.md lists them for people.
"""

from __future__ import annotations

import re
from itertools import count
from typing import TYPE_CHECKING

from ecgsdk.conditions import check_known
from ecgsdk.errors import ConditionError
from ecgsdk.validation.report.rules import ANY_CLASSIFIER
from ecgsdk.validation.settings import PROTOCOLS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from ecgsdk.plugins import Plugins
    from ecgsdk.validation.settings import Settings

__all__ = ["FIGURES", "SHORT_NAMES", "check_bound", "classifier_keys", "full_name", "metric_key", "missing"]

SHORT_NAMES = {protocol: f"{protocol}_macro_auroc" for protocol in PROTOCOLS}
"""What may be typed for a figure, and its name in the report."""

_POPULATIONS = ("", "_isolated")

FIGURES: Mapping[str, tuple[str, ...]] = {
    "utility": (
        *(
            f"{protocol}_{score}"
            for score in ("macro_auroc", "accuracy", "balanced_accuracy")
            for protocol in PROTOCOLS
        ),
        "tstr_ratio",
        f"tstr_macro_auroc_{ANY_CLASSIFIER}",
    ),
    "fidelity": (
        *("two_sample_auc", "two_sample_auc_features", "frechet_distance", "kernel_distance", "precision", "recall"),
        *("density", "coverage", "spectrum_distance_db", "band_power_distance_db", "lead_correlation_error"),
    ),
    "physiology": (
        *("heart_rate_within_3_bpm", "heart_rate_within_5_bpm", "heart_rate_bias_bpm"),
        *("interval_medians_within_bounds", "wasserstein_ratio", "lead_equation_violation_uv"),
        *("lead_equation_violations", "implausible_records", "p_waves_afib", "p_waves_norm"),
    ),
    "privacy": (
        *(f"membership_{what}{of}" for of in _POPULATIONS for what in ("auc", "auc_excess", "tpr_1", "tpr_01")),
        *("leak_control_found", "leak_control_auc", "leak_control_tpr_1", "memorisation_ratio", "nearer_to_members"),
    ),
    "agreement": tuple(f"agreement_{ANY_CLASSIFIER}_{what}" for what in ("call_rate_difference", "auroc", "kappa")),
}
"""Figures of each section; those of plugins' metrics begin with `metric_key`.

`ANY_CLASSIFIER` stands for each classifier.
"""


def full_name(given: str) -> str:
    """The figure's name in the report, of a short name or itself."""
    return SHORT_NAMES.get(given, given)


def classifier_keys(names: Iterable[str]) -> list[str]:
    """Each classifier's name as a part of the names of figures, none twice."""
    keys: list[str] = []
    for name in names:
        key = plain = re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_") or "classifier"
        number = count(2)
        while key in keys:
            key = f"{plain}_{next(number)}"
        keys.append(key)
    return keys


def metric_key(name: str) -> str:
    """How the figures of a plugin's metric begin."""
    return re.sub(r"[-.]", "_", name)


def check_bound(given: str, settings: Settings, plugins: Plugins) -> None:
    """Makes sure, before a run, that a figure which has a bound will be in its report.

    What figures the metric of a plugin gives is known only when it has run: all that begin with its name will do.

    Raises:
        ConditionError: no figure has that name, or the settings leave it out; the message offers the nearest names.
    """
    name = full_name(given)
    offers = [offer for plugin in plugins.plugins for offer in plugin.registrations]
    classifiers = settings.classifiers or [offer.name for offer in offers if offer.kind == "classifier"]
    sections = _sections_by_figure(classifiers)
    metrics = [metric_key(offer.name) for offer in offers if offer.kind == "metric"]
    if name not in sections and any(f"{name}_".startswith(f"{metric}_") for metric in metrics):
        sections[name] = "plugins"
    check_known("figure", [name], [*sections, *SHORT_NAMES, *metrics])
    if sections[name] not in settings.sections:
        raise ConditionError(f"{given} is a figure of the section {sections[name]}, which is not asked for")
    protocol = name.partition("_")[0]
    if protocol in PROTOCOLS and protocol not in settings.protocols:
        raise ConditionError(f"{given} is a figure of the protocol {protocol}, which is not asked for")


def missing(given: str, report: Iterable[str]) -> str:
    """Why a report with these figures lacks one, in a line that offers the nearest ones it has."""
    name = full_name(given)
    patterns = (figure.replace(ANY_CLASSIFIER, ".+") for figures in FIGURES.values() for figure in figures)
    if any(re.fullmatch(pattern, name) for pattern in patterns):
        return f"{given} was not measured; the report says why"
    try:
        check_known("figure", [name], report)
    except ConditionError as error:
        return f"the report has no figure {given}; {str(error).partition('; ')[2]}"
    return f"{given} was not measured"


def _sections_by_figure(classifiers: Iterable[str]) -> dict[str, str]:
    keys = classifier_keys(classifiers)
    return {
        figure.replace(ANY_CLASSIFIER, key): section
        for section, figures in FIGURES.items()
        for figure in figures
        for key in (keys if ANY_CLASSIFIER in figure else [""])
    }
