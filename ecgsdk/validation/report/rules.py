"""The table of rules by which measures become a verdict: bounds of each level, and the sentences.

The bounds are this suite's choice; docs/report.md says why each is where it is.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from ecgsdk.validation.report.rounding import finite

if TYPE_CHECKING:
    from ecgsdk.validation.results import Level

__all__ = ["ANY_CLASSIFIER", "CONTROL", "RULES", "Reading", "Rule"]

Reading = Literal[
    "value",
    "value beyond chance",
    "times the floor",
    "above the floor",
    "below the floor",
    "beyond the floor",
    "distance from the floor",
    "distance from half",
]
"""What of a measure is held against the bounds.

Beyond chance: the value, but 0 unless its 95 % interval lies above 0. Beyond the floor: √(value² − floor²), which is
what is left of a difference when as much chance as the floor has is taken off. Distance from half: the greater of value
and 1 − value.
"""

ANY_CLASSIFIER = "NAME"
"""Stands in the name of a rule's measure for the classifier, of which there may be several."""

CONTROL = "leak_control_found"
"""The measure that shows whether the attacks would find a leak."""

_PLAIN = ("", "", "")
_ONLY = ("", "", "only ")
_SIGNS = ("At most faint signs", "Weak signs", "Clear signs")
_BEYOND_CHANCE = ("No signs beyond chance", "Faint signs", "Clear signs")
_HALF = "AUC {value}, where 0.5 is guessing"


@dataclass(frozen=True)
class Rule:
    """How one measure becomes a finding.

    Attributes:
        measure: its name; one with `ANY_CLASSIFIER` in it stands for the measures of all classifiers.
        section: where it is expected.
        topic: what it tells, to be named where it was not measured.
        good, fair: bounds of the reading, both still in; more is better where good is the greater one.
        sentence: in which {value} and {floor} stand for the measure's, rounded and with their unit, {low} and {high}
            for the ends of its interval, {times} for value / floor, {who} for the classifier, {word}, {end} and
            {detail} for what follows, {tested} likewise.
        words, ends: for good, fair and poor.
        detail: in which {NAME} stands for the value of another measure; left out where one of them is missing.
        tested: in which {who} stands for what the measure's title names before a colon, {n} for the number of records;
            left out where one of them is missing.
        reading: what is held against the bounds.
        floor_of: the measure whose value is the floor, where it is not the measure's own.
        required: whether its absence is a finding, too.
        needs_control: whether a good level counts only if the attacks find a leak that was put there (`CONTROL`).
        highest_floor: above it chance hides what the bounds would tell apart, and the level is unknown.
        fewest: number of what the measure counts (`n`) under which the level is unknown.
        counted: what `n` counts.
        told_by_few: levels that stand with fewer, too.
    """

    measure: str
    section: str
    topic: str
    good: float
    fair: float
    sentence: str
    words: tuple[str, str, str] = _PLAIN
    ends: tuple[str, str, str] = _PLAIN
    detail: str = ""
    tested: str = ""
    reading: Reading = "value"
    floor_of: str = ""
    required: bool = True
    needs_control: bool = False
    highest_floor: float = math.inf
    fewest: int = 0
    counted: str = "records"
    told_by_few: tuple[Level, ...] = ()

    def applies(self, name: str) -> bool:
        """Whether a measure of that name is meant."""
        return re.fullmatch(self.measure.replace(ANY_CLASSIFIER, ".+"), name) is not None

    def read(self, value: float | None, floor: float | None, low: float | None = None) -> float | None:
        """What is held against the bounds, None where it cannot be known; `low` is the lower end of the interval."""
        value, floor, low = finite(value), finite(floor), finite(low)
        if value is None:
            return None
        if self.reading == "value":
            return value
        if self.reading == "value beyond chance":
            return value if low is None or low > 0 else 0.0
        if self.reading == "distance from half":
            return max(value, 1 - value)
        return None if floor is None else self._beside(value, floor)

    def _beside(self, value: float, floor: float) -> float | None:
        """The readings that hold the value against its floor."""
        if self.reading == "times the floor":
            return value / floor if floor > 0 else None
        if self.reading == "beyond the floor":
            return math.sqrt(max(0.0, value**2 - floor**2))
        difference = value - floor
        return {"above the floor": difference, "below the floor": -difference}.get(self.reading, abs(difference))

    def level(self, reading: float) -> Level:
        """The level of a reading, to nine decimals: 0.53 is 0.03 above 0.5."""
        reading, sign = round(reading, 9), 1 if self.good > self.fair else -1
        if sign * reading >= sign * self.good:
            return "good"
        return "fair" if sign * reading >= sign * self.fair else "poor"


RULES: tuple[Rule, ...] = (
    Rule(
        "tstr_ratio",
        "utility",
        "what classifiers learn from the synthetic ECGs",
        good=97.0,
        fair=90.0,
        sentence="Classifiers trained on the synthetic ECGs reach {word}{value} of what they reach when trained on as "
        "many real ones{tested}{detail}{end}.",
        words=_ONLY,
        ends=("", ": part of what real ECGs teach is missing", ": they do not stand in for real ECGs in training"),
        detail=" (macro-AUROC {tstr_macro_auroc} against {trtr_macro_auroc})",
        tested=", over {who}",
    ),
    Rule(
        "tstr_balanced_accuracy",
        "utility",
        "how well classifiers tell normal ECGs from one group",
        good=1.0,
        fair=3.0,
        sentence="Telling normal ECGs from those of one group, classifiers reach a balanced accuracy of {word}{value} "
        "after training on synthetic ECGs, of {floor} after real ones.",
        words=_ONLY,
        reading="below the floor",
        floor_of="trtr_balanced_accuracy",
    ),
    Rule(
        "two_sample_auc",
        "fidelity",
        "whether a classifier tells synthetic from real ECGs",
        good=0.65,
        fair=0.80,
        sentence=f"A classifier trained to tell synthetic from real ECGs{{tested}} {{word}} ({_HALF}){{end}}.",
        words=("hardly can", "can in part", "can"),
        ends=("", "", ": they do not pass for recordings"),
        tested=" (`{who}`, {n} pairs)",
        reading="distance from half",
        fewest=1_000,
        counted="pairs",
        told_by_few=("poor",),
    ),
    Rule(
        "two_sample_auc_features",
        "fidelity",
        "whether measured features tell synthetic from real ECGs",
        good=0.65,
        fair=0.80,
        sentence=f"Measured features of form, spectrum and leads {{word}} to tell synthetic from real ECGs ({_HALF}).",
        words=("are hardly enough", "are often enough", "are enough"),
        reading="distance from half",
        required=False,
        fewest=1_000,
        counted="pairs",
        told_by_few=("poor",),
    ),
    Rule(
        "frechet_distance",
        "fidelity",
        "how far the synthetic ECGs are from real ones as a whole",
        good=2.0,
        fair=5.0,
        sentence="As a whole, the synthetic ECGs {word} real ones: {times} times the Fréchet distance between two "
        "halves of the real ECGs ({value} against {floor}).",
        words=("are close to", "are at some distance from", "are far from"),
        reading="times the floor",
    ),
    Rule(
        "coverage",
        "fidelity",
        "how much of the variety of real ECGs the synthetic ones have",
        good=0.8,
        fair=0.5,
        sentence="The synthetic ECGs show {word} of the variety of real ones: coverage {value}, where other real ECGs "
        "reach {floor}.",
        words=("most", "part", "little"),
        reading="times the floor",
    ),
    Rule(
        "recall",
        "fidelity",
        "whether unusual real ECGs have their like among the synthetic ones",
        good=0.8,
        fair=0.5,
        sentence="{word} real ECGs lie within the range of the synthetic ones: recall {value}, where other real ECGs "
        "reach {floor}.",
        words=("Most", "Part of the", "Few"),
        reading="times the floor",
        required=False,
    ),
    Rule(
        "heart_rate_within_5_bpm",
        "physiology",
        "whether the heart rate is the one asked for",
        good=95.0,
        fair=80.0,
        sentence="{value} of the synthetic ECGs have the heart rate asked for, to within 5 bpm{end}.",
        ends=("", "", ": the request is not kept"),
        required=False,
    ),
    Rule(
        "interval_medians_within_bounds",
        "physiology",
        "whether intervals, axis and amplitudes are those of real ECGs",
        good=0.9,
        fair=0.7,
        sentence="Of the groups’ medians of intervals, axis and amplitudes, {word}{value} agree with those of real "
        "ECGs; of halves of the real ones {floor} do.",
        words=_ONLY,
        reading="times the floor",
        fewest=72,
        counted="medians",
    ),
    Rule(
        "lead_equation_violation_uv",
        "physiology",
        "whether the leads fit each other",
        good=5.0,
        fair=25.0,
        sentence="The limb leads {word} each other: Einthoven’s and Goldberger’s equations hold to within {value}.",
        words=("fit", "fit roughly", "do not fit"),
    ),
    Rule(
        "membership_auc_excess",
        "privacy",
        "whether an attack can tell who was trained on",
        good=0.0,
        fair=0.05,
        sentence="{word} that the synthetic ECGs give away whose ECGs were trained on: an attack chosen beforehand has "
        "an AUC higher by {value} (95 % interval {low} to {high}) than where there is nothing to find.",
        words=_BEYOND_CHANCE,
        reading="value beyond chance",
        needs_control=True,
    ),
    Rule(
        "membership_auc_excess_isolated",
        "privacy",
        "whether an attack can tell which unusual records were trained on",
        good=0.0,
        fair=0.05,
        sentence="{word} that they give away the most unusual of those ECGs: for these the AUC is higher by {value} "
        "(95 % interval {low} to {high}).",
        words=_BEYOND_CHANCE,
        reading="value beyond chance",
        required=False,
        needs_control=True,
    ),
    Rule(
        "membership_tpr_1",
        "privacy",
        "whether an attack is sure of single records",
        good=1.0,
        fair=4.0,
        sentence="{word} that single records are given away: at 1 % false alarms the best of the attacks tried finds "
        "{value} of the training records, and {floor} where there is nothing to find.",
        words=_SIGNS,
        reading="above the floor",
        needs_control=True,
    ),
    Rule(
        "memorisation_ratio",
        "privacy",
        "whether training records were copied",
        good=0.5,
        fair=2.0,
        sentence="{word} of copies: {value} of the synthetic ECGs are far nearer to one training record than to any "
        "other, and {floor} of real ECGs that were not trained on.",
        words=_SIGNS,
        reading="above the floor",
        needs_control=True,
    ),
    Rule(
        CONTROL,
        "privacy",
        "whether the attacks would find a leak",
        good=50.0,
        fair=25.0,
        sentence="The attacks {word} training records that were planted among the synthetic ECGs, slightly changed: "
        "{value} of them at 1 % false alarms.",
        words=("find most of the", "miss many of the", "miss most of the"),
    ),
    Rule(
        f"agreement_{ANY_CLASSIFIER}_call_rate_difference",
        "agreement",
        "whether diagnostic models call on synthetic ECGs what they call on real ones",
        good=2.0,
        fair=5.0,
        sentence="`{who}` {word} on the synthetic ECGs as on real ones of the same groups: how often it makes a call "
        "differs by {value} of the ECGs on average, and by {floor} between halves of the real ones{end}.",
        words=("makes about the same calls", "makes partly the same calls", "does not make the same calls"),
        ends=("", "", "; what it does on them says little about real ECGs"),
        reading="beyond the floor",
        highest_floor=5.0,
    ),
    Rule(
        f"agreement_{ANY_CLASSIFIER}_auroc",
        "agreement",
        "whether diagnostic models recognise on synthetic ECGs what they recognise on real ones",
        good=0.02,
        fair=0.05,
        sentence="`{who}` recognises conditions {word}: its mean AUROC is {value} on the synthetic ECGs, against the "
        "statements asked for, and {floor} on the real ones.",
        words=(
            "on synthetic ECGs as on real ones",
            "a little differently on synthetic ECGs than on real ones",
            "differently on synthetic ECGs than on real ones",
        ),
        reading="distance from the floor",
        required=False,
    ),
)
"""All rules, in the order of the verdict."""
