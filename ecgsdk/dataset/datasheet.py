"""DATASHEET.md of a data set: the questions of Gebru et al. 2021 (Communications of the ACM 64(12):86), answered."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from ecgsdk.conditions import GROUPS
from ecgsdk.dataset.checksums import SUMS
from ecgsdk.dataset.licence import terms_of
from ecgsdk.dataset.pages import code, decimal, items, page, table
from ecgsdk.dataset.readme import citation, group_table, summary

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from ecgsdk.dataset.contents import Dataset

__all__ = ["INTENDED", "OUT_OF_SCOPE", "datasheet", "limits", "personal_information"]

INTENDED = (
    "to develop, test and compare software that reads, stores, shows or classifies 12-lead ECGs",
    "to train classifiers of the six groups, or to add to real training data; test on real ECGs before any claim",
    "to teach what the six groups look like, and how data sets of ECGs are built",
    "to study how synthetic ECGs differ from real ones",
)
"""What the data are for."""

OUT_OF_SCOPE = (
    "diagnosis, or any decision about a patient",
    "evidence that a device or an algorithm works: that takes real ECGs with diagnoses by physicians",
    "how common a diagnosis, a heart rate or an age is: the groups are of equal size by design",
    "to learn anything about a person",
)
"""What they are not for."""

_QUALITY = {
    "tstr_macro_auroc": ("classifiers trained on synthetic ECGs, tested on real ones: macro-AUROC of 15 labels", 3),
    "tstr_accuracy": ("normal against each group, trained on synthetic, tested on real ECGs: mean accuracy, %", 1),
    "two_sample_auc": ("a network tells synthetic from real ECGs: AUC (0.5 is a guess)", 3),
    "coverage": ("coverage of the real ECGs' variety (1 is all)", 3),
    "heart_rate_within_5_bpm": ("heart rate within 5 bpm of the one asked for, % of the records", 1),
}
_PRIVACY = {
    "membership_auc": ("who was trained on, best attack: AUC (0.5 is a guess)", 3),
    "membership_tpr_1": ("training records found at 1 % false alarms, %", 2),
    "membership_auc_isolated": ("the same AUC for the tenth of the records farthest from all others", 3),
    "memorisation_ratio": ("synthetic ECGs that all but copy a training record, %", 2),
    "leak_control_found": ("control: planted copies that the audit finds at 1 % false alarms, %", 1),
}
_FROM_PAIRS = ", statements from a model of pairs, where a pair in fewer than five records counts as two or less"
_SETTINGS = ("steps", "guidance", "strength", "candidates")


def datasheet(dataset: Dataset, hashes: Mapping[str, str]) -> str:
    """The page; `hashes` are the SHA-256 of the data files."""
    blocks = [f"# Datasheet of {dataset.name}", summary(dataset)]
    blocks += ["The parts follow Gebru et al. 2021, Datasheets for Datasets, Communications of the ACM 64(12):86–92."]
    for heading, answers in (
        ("Motivation", _motivation(dataset)),
        ("Composition", _composition(dataset)),
        ("How the data were made", _making(dataset, hashes)),
        ("Labels and processing", _labels(dataset)),
        ("Uses", [_answer("What is it for?"), items(INTENDED), _answer("What is it not for?"), items(OUT_OF_SCOPE)]),
        ("Limits", _limits(dataset)),
        ("Privacy", _privacy(dataset)),
        ("Distribution", _distribution(dataset)),
        ("Maintenance", _maintenance()),
    ):
        blocks += [f"## {heading}", *answers]
    return page(blocks)


def limits(dataset: Dataset) -> list[str]:
    """Known limits, most important first."""
    rate, source = dataset.sampling_rate, dataset.card.data.get("source", "unknown data")
    if dataset.resynthesised:
        known = [
            "No physician has read the ECGs. Statements, age and sex are those of the real ECG behind each of them.",
            "Each ECG repeats the beats and most of the form of one real ECG: there is no more variety than in those.",
            "Records of one source (column source of records.csv) are no independent observations.",
        ]
    else:
        known = ["No physician has read the ECGs. The labels say what the model was asked for.", _unsaid(dataset)]
    return [
        *known,
        f"The model knows the patients, devices and reports of its training data alone ({source}), with their biases.",
        _finest(dataset),
        f"A record lasts {dataset.samples / rate:g} s: rare beats and slow changes do not show.",
    ]


def _finest(dataset: Dataset) -> str:
    """What the sampling rate does not show."""
    rate = dataset.sampling_rate
    if rate > getattr(dataset.card, "decoder_rate", rate):
        return (
            "Above 40 Hz an ECG is what an upsampler expects of it below, and drawn noise: do not read pacemaker "
            "spikes, notches or late potentials from it."
        )
    return (
        f"At {rate:g} Hz there is nothing above {rate / 2:g} Hz: pacemaker spikes, notches and late potentials suffer."
    )


def _unsaid(dataset: Dataset) -> str:
    """What the statements asked for leave open."""
    if dataset.accompanied:
        return (
            "Which statements stand together follows from how often pairs of them do in the training data: three and "
            "more may meet more often or more seldom than in patients. Statements that are not asked for are not ruled "
            "out."
        )
    return "One statement is asked for in each record, and no other is ruled out."


def personal_information(dataset: Dataset) -> str:
    """What the data say about real people."""
    if dataset.resynthesised:
        return (
            "Each ECG is close to one real ECG and has its statements, age and sex. Whoever holds that real ECG can "
            "tell that it was a source, so treat the data as you would treat the real ones. The sources are not named, "
            "but whoever has the same real data draws the same sources again with the command of the data set."
        )
    return (
        "No record is one of a real person. Heart rate, age and sex are drawn from histograms whose cells hold five "
        f"records or more{_FROM_PAIRS if dataset.accompanied else ''}. The model may carry traces of single records "
        "that it was trained on: the privacy audit of the model says how strong they are."
    )


def _answer(question: str, *sentences: str) -> str:
    return " ".join((f"**{question}**", *sentences))


def _motivation(dataset: Dataset) -> list[str]:
    return [
        _answer(
            "Why was it made?",
            "To have ECGs with known labels, in groups of equal size, that can be passed on.",
            "The plan goes back to Yoo et al. 2023 (doi 10.1007/s13755-023-00241-y), who made 6,000 synthetic ECGs in",
            "six groups. These groups are ecgsdk's choice, and none of the data are theirs.",
        ),
        _answer("Who made it?", f"Whoever ran the command below, with ecgsdk {dataset.provenance.version}."),
    ]


def _composition(dataset: Dataset) -> list[str]:
    empty = sum(math.isnan(row.measured_heart_rate) for row in dataset.rows)
    return [
        _answer(
            "What is a record?",
            "One synthetic 12-lead ECG: leads I, II, III, aVR, aVL, aVF and V1 to V6, in steps of 1 µV.",
            "III and the augmented leads follow from I and II. Record i belongs to group i modulo 6.",
        ),
        _answer("How many are there?", f"{len(dataset.rows):,}. Heart rate (as measured) and age are medians:"),
        group_table(dataset),
        _answer(
            "Is anything missing?",
            f"{f'In {empty:,} records' if empty else 'In no record'} fewer than two beats were found.",
            f"Cells of records.csv are empty where the value is not known. {_chosen(dataset)}",
        ),
        _answer("Are there training and test sets?", *_split_rule(dataset)),
        _answer("Is it about people?", "See Privacy."),
    ]


def _chosen(dataset: Dataset) -> str:
    candidates = dataset.provenance.candidates
    if candidates is None:
        return "No record was sorted out after it was made."
    return (
        f"Of {candidates} ECGs that were made for each record the model chose one, by chance with weights of how much "
        "likelier each is recorded than made; none was sorted out by hand."
    )


def _split_rule(dataset: Dataset) -> list[str]:
    rule = [
        f"Yes, column split of records.csv: {100 * dataset.plan.test_share:g} % of each group test, the others train.",
        'Records stand in the order of the SHA-256 of "split/SEED/RECORD", and the first of each group test.',
        "So a larger share only adds to the test set.",
    ]
    if dataset.patients_known is None:
        return rule
    unit = "patient" if dataset.patients_known else "real ECG (patients were not known)"
    return [*rule, f"All records of one {unit} are on the same side, and stand where the first of them does."]


def _making(dataset: Dataset, hashes: Mapping[str, str]) -> list[str]:
    card, made = dataset.card, dataset.provenance
    settings = [f"{name} {getattr(made, name):g}" for name in _SETTINGS if getattr(made, name) is not None]
    versions = ", ".join(f"{name} {version}" for name, version in dataset.versions)
    blocks = [
        _answer("By which model?", f"{card.name} {card.version}: {card.description}.", _training(card.data)),
        _answer("How?", "By this command:"),
        code(dataset.command, "sh"),
        f"Settings: {', '.join([f'seed {made.seed}', *settings])}. Versions: {versions}. Device: {dataset.device}.",
    ]
    if dataset.resynthesised:
        chosen = _answer(
            "From which real ECGs?",
            "From those of the folds that the model was trained on, drawn by the seed: records with statements of a",
            "single group, which are finite, below 12 mV, and have no flat lead and 4 to 48 beats.",
            _shortage(dataset),
        )
        blocks.append(chosen)
    parts = {"card": made.model_sha256} | {name: graph["sha256"] for name, graph in card.graphs.items()}
    rows = [(f"model: {name}", f"`{digest}`") for name, digest in parts.items()]
    rows += [(f"`{name}`", f"`{digest}`") for name, digest in hashes.items()]
    return [*blocks, table(["what", "SHA-256"], rows, text_columns=2)]


def _training(data: Mapping[str, object]) -> str:
    records, folds = data.get("records"), data.get("folds")
    number = f"{records:,} records of " if isinstance(records, int) else ""
    where = f", folds {_span(folds)}" if isinstance(folds, (list, tuple)) and folds else ""
    return f"It was trained on {number}{data.get('source', 'unknown data')}{where}."


def _span(folds: Collection[int]) -> str:
    numbers = sorted(folds)
    whole = len(numbers) > 1 and numbers == list(range(numbers[0], numbers[-1] + 1))
    return f"{numbers[0]} to {numbers[-1]}" if whole else ", ".join(map(str, numbers))


def _shortage(dataset: Dataset) -> str:
    short = [f"{group.name} {group.sources:,}" for group in dataset.groups() if (group.sources or 0) < group.records]
    if not short:
        return "Each is used once."
    return f"Where there are fewer than records, each is used several times with other noise: {', '.join(short)}."


def _labels(dataset: Dataset) -> list[str]:
    question = "Where do the labels come from?"
    if dataset.resynthesised:
        given = "Statements, age, sex and heart rate are those of the source: the rate as measured where its file does"
        return [_answer(question, given, "not say it. The measured heart rate is that of the synthetic ECG.")]
    pairs = [(row.condition.heart_rate, row.measured_heart_rate) for row in dataset.rows]
    near = sum(isinstance(asked, (int, float)) and abs(asked - found) <= 5 for asked, found in pairs)
    return [
        _answer(
            question,
            f"They are what the model was asked for: {_asked(dataset)}. The measured heart rate is within 5 bpm of the",
            f"one asked for in {100 * near / len(pairs):.1f} % of the records.",
        ),
        _answer("Was anything cleaned or filtered?", "No."),
    ]


def _asked(dataset: Dataset) -> str:
    """What a generator was asked for."""
    if not dataset.accompanied:
        return (
            "the first statement of the group, and heart rate, age and sex drawn from the histograms of that statement "
            "in the model's card"
        )
    return (
        "the first statement of the group, further statements drawn as often as they occur with it and with each other "
        "in the training data (none that puts the record into another group), and heart rate, age and sex drawn from "
        "the histograms of the most telling of them; all of it from the model's card"
    )


def _limits(dataset: Dataset) -> list[str]:
    shown = _figures(dataset, _QUALITY)
    said = "What `ecgsdk validate` said of the model; the floor is the same figure of real ECGs:"
    return [items(limits(dataset)), *([said, shown] if shown else [])]


def _privacy(dataset: Dataset) -> list[str]:
    shown = _figures(dataset, _PRIVACY)
    said = (
        "What the privacy audit of `ecgsdk validate` said of the model; the floor is the same attack with real ECGs in "
        "place of the synthetic ones:"
    )
    missing = "The model's card holds no figures of a privacy audit; `ecgsdk validate` makes them."
    return [personal_information(dataset), *([said, shown] if shown else [missing])]


def _figures(dataset: Dataset, labels: Mapping[str, tuple[str, int]]) -> str:
    """Those figures of the card that are of ECGs made like the data set's, as a table; empty where it has none."""
    kept = "validation_high_quality" if dataset.provenance.candidates else "validation"
    measured = dataset.card.metrics.get(kept, {}).get("figures", {})
    rows = [
        (label, decimal(measured[name]["value"], digits), decimal(measured[name].get("floor"), digits))
        for name, (label, digits) in labels.items()
        if name in measured
    ]
    return table(["figure", "value", "floor"], rows) if rows else ""


def _distribution(dataset: Dataset) -> list[str]:
    terms, plan = terms_of(dataset), dataset.plan
    blocks = [
        _answer("Under which licence?", f"{terms.name}{f' ({terms.url})' if terms.url else ''}.", terms.reason),
        _answer("Whom to credit?", terms.credit),
        _answer("How to cite it?", citation(dataset)),
    ]
    return [*blocks, *([_answer("Where is it?", plan.url)] if plan.url else [])]


def _maintenance() -> list[str]:
    return [
        _answer("How is a copy checked?", f"`sha256sum -c {SUMS}`, or `ecgsdk dataset verify FOLDER`."),
        _answer(
            "Will it change?",
            "No. Another model, seed, size or split makes another data set, which its checksums tell apart;",
            f"the groups stay {', '.join(GROUPS)}.",
        ),
        _answer("How is it loaded?", "README.md has code for h5py and wfdb."),
    ]
