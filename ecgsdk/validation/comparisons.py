"""Comparisons by others' code and by eye: finished diagnostic models, plugins' metrics, and ECGs to look at."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from ecgsdk.batch import ECGBatch
from ecgsdk.conditions import GROUPS
from ecgsdk.errors import EcgsdkError
from ecgsdk.leads import LEADS
from ecgsdk.validation.agreement import fixed
from ecgsdk.validation.agreement import section as agreement
from ecgsdk.validation.agreement.calls import FixedCalls
from ecgsdk.validation.records import RATE
from ecgsdk.validation.report.figures import metric_key
from ecgsdk.validation.results import Failure, Measure, Sample, Section

if TYPE_CHECKING:
    from ecgsdk.classifiers import FixedClassifier
    from ecgsdk.plugins import Plugins
    from ecgsdk.validation.datasets import DataSets
    from ecgsdk.validation.progress import Advance, Progress
    from ecgsdk.validation.records import Records

__all__ = ["agreement_section", "plugin_section", "samples_section"]

_MOST_RECORDS = 500
"""Records that a plugin's metric is given: it may be slow, and gets all of them at once."""

_NO_FIXED = Failure("diagnostic models", "no finished one is installed; give one with --classifier NAME or onnx:FILE")


def agreement_section(
    data: DataSets, classifiers: Mapping[str, FixedClassifier], *, seed: int, progress: Progress
) -> Section:
    """What each fixed classifier says of the real test records and of the synthetic ones that stand for them."""
    if not classifiers:
        return Section("agreement", "Agreement of finished diagnostic models", failures=(_NO_FIXED,))
    outcomes, failures = [], []
    notes: list[str] = []
    for name, classifier in classifiers.items():
        try:
            outcomes.append(_calls(name, classifier, data, progress))
            notes += fixed.coverage(classifier).notes(name)
        except EcgsdkError as error:
            failures.append(Failure(f"classifier {name}", str(error)))
    return agreement.section(outcomes, notes=notes, failures=failures, seed=seed)


def _calls(name: str, classifier: FixedClassifier, data: DataSets, progress: Progress) -> FixedCalls:
    most = fixed.most_records(classifier, len(data.matched))
    chosen = np.sort(np.random.default_rng(0).permutation(len(data.matched))[:most]).tolist()
    told = []
    for kind, source in zip(("real", "synthetic"), data.sources):
        part = source.select(chosen)
        with progress(f"asking {name} about {kind} ECGs", len(part)) as advance:
            told.append((fixed.probabilities(classifier, _counted(part.batches(), advance)), part.conditions))
    (real, real_conditions), (synthetic, synthetic_conditions) = told
    return FixedCalls(
        name=name,
        labels=tuple(classifier.labels),
        statements=classifier.statements,
        thresholds=fixed.thresholds(classifier),
        real=real,
        synthetic=synthetic,
        real_conditions=real_conditions,
        synthetic_conditions=synthetic_conditions,
        paired=data.twins,
    )


def _counted(batches: Iterable[ECGBatch], advance: Advance) -> Iterator[ECGBatch]:
    for batch in batches:
        yield batch
        advance(len(batch))


def plugin_section(data: DataSets, halves: tuple[np.ndarray, np.ndarray], plugins: Plugins) -> Section:
    """The metrics of plugins: real against synthetic, and real against real as their floor.

    Args:
        halves: positions in `data.matched`; real records of the first half are compared with the synthetic ones that
            stand for the second half and, for the floor, with the real ones of the second half.
    """
    first, second = (half[:_MOST_RECORDS] for half in halves)
    real = _batch(data.test.select(data.matched[first]))
    against = _batch(data.synthetic_test.select(second)), _batch(data.test.select(data.matched[second]))
    measures, failures = [], []
    for name, registration in plugins.metrics().items():
        try:
            metric = plugins.make(registration)
            with registration.blamed("failed"):
                value, floor = (metric(real, other) for other in against)
                measures += _measures(name, registration.description, value, floor, len(first))
        except EcgsdkError as error:
            failures.append(Failure(f"metric {name}", str(error)))
    about = "Figures that installed plugins compute, each beside the same figure of real against other real ECGs."
    notes = () if measures or failures else ("No plugin offers a metric; docs/plugins.md shows how one does.",)
    return Section("plugins", "Metrics of plugins", about, tuple(measures), failures=tuple(failures), notes=notes)


def _measures(name: str, about: str, value: Any, floor: Any, n: int) -> list[Measure]:
    both = [given if isinstance(given, Mapping) else {"": given} for given in (value, floor)]
    return [
        Measure(
            name="_".join(part for part in (metric_key(name), figure) if part),
            title=" ".join(part for part in (name, figure.replace("_", " ")) if part),
            value=float(both[0][figure]),
            floor=float(both[1][figure]) if figure in both[1] else None,
            n=n,
            about=about,
        )
        for figure in both[0]
    ]


def _batch(records: Records) -> ECGBatch:
    return ECGBatch(records.twelve(), RATE, records.conditions, records.identifiers)


def samples_section(data: DataSets) -> Section:
    """A real and a synthetic ECG of each standard group: the first of each that belong to it alone."""
    samples = []
    for group in GROUPS:
        for role, records in (("real", data.test.select(data.matched)), ("synthetic", data.synthetic_test)):
            alone = [i for i, condition in enumerate(records.conditions) if condition.groups() == (group,)]
            if alone:
                samples.append(_sample(records, alone[0], group, role))
    about = "The first matched pair of each group, not chosen by looks. 25 mm/s, 10 mm/mV."
    return Section("samples", "ECGs to look at", about, samples=tuple(samples))


def _sample(records: Records, position: int, group: str, role: str) -> Sample:
    condition = records.conditions[position]
    signals = np.rint(records.select([position]).twelve()[0] * 1000).astype(int)
    statements = " + ".join(condition.statements)
    return Sample(
        title=f"{group}: {statements}",
        role=role,  # type: ignore[arg-type]
        group=group,
        sampling_rate=RATE,
        leads=LEADS,
        microvolts=tuple(tuple(row) for row in signals.tolist()),
    )
