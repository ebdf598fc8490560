"""Which real and synthetic records train, test and are compared: equal in number, never overlapping."""

from __future__ import annotations

from collections import defaultdict
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from ecgsdk.cohort import Cohort
from ecgsdk.conditions import STATEMENTS, Condition
from ecgsdk.errors import ConditionError, DataError, ModelError
from ecgsdk.models import find_model
from ecgsdk.readers import read_ecgs
from ecgsdk.validation.records import RATE, Records, load_records
from ecgsdk.validation.utility.tasks import GROUP_TASKS, task_rows
from ecgsdk.writers import open_writer

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from ecgsdk.hookspecs import ECGGenerator
    from ecgsdk.models import Card
    from ecgsdk.readers import ECGSource
    from ecgsdk.validation.cache import Cache
    from ecgsdk.validation.progress import Progress
    from ecgsdk.validation.settings import Settings

__all__ = ["DataSets", "Real", "askable", "from_file", "from_generator", "open_real"]

_MEMBERS, _REFERENCE = 2_000, 4_000
_TEST_SHARE = 0.25
_FEWEST = 100


@dataclass(frozen=True, eq=False)
class Real:
    """The real ECGs, of which rows are drawn once.

    Attributes:
        train, test: sources without a record in common.
        rows: positions in `train`: the first `multi` train the multi-label task, all of them the binary ones.
        askable: positions in `test` of the records whose statements do not contradict each other.
        has_folds: whether the parts are the source's own folds.
        notes: what a reader must know about them.
    """

    train: ECGSource
    test: ECGSource
    rows: np.ndarray
    multi: int
    askable: np.ndarray
    has_folds: bool
    notes: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class DataSets:
    """All the records of a validation.

    Attributes:
        train, test: real records; the first `multi` of `train` train the multi-label task.
        synthetic_train, synthetic_test: synthetic ones, the first `multi` likewise; `synthetic_test[i]` stands for
            `test[matched[i]]`.
        twins: whether a matched synthetic record was asked for with all that is known of its real one; else the two
            are of the same standard groups only.
        members, reference: real records of the generator's training, and others; None where they are not known.
        sources: the real and synthetic test records at their own rate, matched row by row.
        notes: what a reader must know about the data.
    """

    train: Records
    test: Records
    synthetic_train: Records
    synthetic_test: Records
    multi: int
    matched: np.ndarray
    twins: bool
    members: Records | None
    reference: Records | None
    sources: tuple[ECGSource, ECGSource]
    notes: tuple[str, ...]

    def check(self) -> None:
        """Raises DataError where a classifier would be tested on records that it was trained on."""
        for name, records in (("real training", self.train), ("synthetic", self.synthetic_train)):
            both = set(records.digests) & set(self.test.digests)
            if both:
                where = self.test.identifiers[self.test.digests.index(min(both))]
                raise DataError(
                    f"{len(both)} of the real test records are among the {name} records too, such as {where}; "
                    "leave them out of one of the two"
                )
        if set(self.synthetic_train.digests) & set(self.synthetic_test.digests):
            raise DataError(f"{self.synthetic_train.name} holds the same record twice; keep one of each")


def open_real(settings: Settings) -> Real:
    """The real ECGs, parted by their folds, by files, or at random, and the rows of them to use.

    Raises:
        DataError: no records to train or to test on.
    """
    train, test, notes = _parts(settings)
    order = np.random.default_rng(settings.seed).permutation(len(train))
    sound = np.array([askable(train.conditions[i]) is not None for i in order], dtype=bool)
    usable = order[sound]
    if not len(usable) or not len(test):
        raise DataError(f"{settings.real}: {len(usable)} records to train and {len(test)} to test on; both are needed")
    multi = min(settings.records, len(usable))
    if not sound.all():
        notes = (*notes, f"{(~sound).sum()} real training records contradict themselves and are left out.")
    return Real(
        train=train,
        test=test,
        rows=np.concatenate([usable[:multi], _more_of_the_groups(train, usable[multi:], settings.task_records)]),
        multi=multi,
        askable=np.array([i for i, row in enumerate(test.conditions) if askable(row) is not None], dtype=int),
        has_folds=None not in train.folds,
        notes=notes,
    )


def askable(condition: Condition, generator: ECGGenerator | None = None) -> Condition | None:
    """What a generator is asked for to make a twin of a real record: statements, age and sex, not its heart rate.

    Returns:
        None where the record's statements contradict each other.
    """
    known = STATEMENTS if generator is None else generator.statements
    statements = tuple(code for code in condition.statements if code in known and code in STATEMENTS)
    card, age = getattr(generator, "card", None), condition.age
    if card is not None and isinstance(age, (int, float)):
        age = min(max(float(age), card.age[0]), card.age[1])
    asked = Condition(statements, None, age, condition.sex)
    try:
        asked.check()
    except ConditionError:
        return None
    return asked


def from_generator(
    real: Real, generator: ECGGenerator, settings: Settings, cache: Cache, progress: Progress
) -> DataSets:
    """Real records, and the twins of them that the generator makes."""
    wanted = [real.train.conditions[i] for i in real.rows] + [real.test.conditions[i] for i in real.askable]
    asked = [condition for condition in (askable(row, generator) for row in wanted) if condition is not None]
    path = cache.path("synthetic", _generation_facts(generator, asked, settings), ".h5")
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        _generate(generator, asked, settings, path, progress)
    made = replace(read_ecgs(path), name=generator.name)
    for_train, for_test = made.select(range(len(real.rows))), made.select(range(len(real.rows), len(made)))
    card = getattr(generator, "card", None)
    return _together(real, real.multi, for_train, for_test, real.askable, card, settings, progress, twins=True)


def from_file(real: Real, synthetic: ECGSource, settings: Settings, progress: Progress) -> DataSets:
    """Real records, and the synthetic ones of a file: a quarter to test, each matched with a real one of its groups.

    Raises:
        DataError: the file holds real ECGs, or too few.
    """
    if synthetic.provenance is None:
        raise DataError(f"{synthetic.name} does not say which model made it; give ECGs that `ecgsdk generate` wrote")
    order = np.random.default_rng(settings.seed).permutation(len(synthetic))
    kept_for_test = order[: min(int(_TEST_SHARE * len(order)), len(real.test))]
    train = order[len(kept_for_test) :]
    matched, chosen = _matched(real.test, synthetic, kept_for_test)
    if len(matched) < _FEWEST or len(train) < _FEWEST:
        raise DataError(f"{synthetic.name} has too few records of the real ECGs' groups; give 1,000 or more")
    card = None
    with suppress(ModelError):
        model = find_model(synthetic.provenance.model)
        card = model.card if model.sha256 == synthetic.provenance.model_sha256 else None
    for_train, for_test = synthetic.select(train.tolist()), synthetic.select(chosen.tolist())
    multi = min(len(train), real.multi)
    return _together(real, multi, for_train, for_test, matched, card, settings, progress, twins=False)


def _together(
    real: Real,
    multi: int,
    for_train: ECGSource,
    for_test: ECGSource,
    matched: np.ndarray,
    card: Card | None,
    settings: Settings,
    progress: Progress,
    *,
    twins: bool,
) -> DataSets:
    members, reference = _members(real, card, settings, progress)
    data = DataSets(
        train=_load(real.train.select(real.rows.tolist()), "real ECGs to train on", progress),
        test=_load(real.test, "real ECGs to test on", progress),
        synthetic_train=_load(for_train, "synthetic ECGs", progress),
        synthetic_test=_load(for_test, "synthetic ECGs", progress),
        multi=multi,
        matched=matched,
        twins=twins,
        members=members,
        reference=reference,
        sources=(real.test.select(matched.tolist()), for_test),
        notes=(*real.notes, _matching_note(len(matched), len(real.test), twins)),
    )
    data.check()
    return data


def _parts(settings: Settings) -> tuple[ECGSource, ECGSource, tuple[str, ...]]:
    """Records to train on and to test on, without one in common."""
    source = read_ecgs(settings.real)
    if settings.real_test is not None:
        return source, read_ecgs(settings.real_test), ()
    if None not in source.folds:
        folds = np.array(source.folds)
        train, test = (np.flatnonzero(np.isin(folds, part)) for part in (settings.train_folds, settings.test_folds))
        return source.select(train.tolist()), source.select(test.tolist()), ()
    order = np.random.default_rng(settings.seed).permutation(len(source))
    cut = round(len(order) * (1 - _TEST_SHARE))
    note = (
        "The real ECGs have no folds: a quarter of the records, drawn at random, is tested on. Records of one patient "
        "may stand on both sides."
    )
    return source.select(order[:cut].tolist()), source.select(order[cut:].tolist()), (note,)


def _more_of_the_groups(source: ECGSource, others: np.ndarray, most: int) -> np.ndarray:
    """Further records for the binary tasks, whose groups are rare: at most `most` of each group, none twice."""
    conditions = [source.conditions[i] for i in others]
    rows = [task_rows(conditions, group) for group in GROUP_TASKS]
    chosen = {int(position) for task in rows for position in task.positions[task.labels][:most]}
    return others[sorted(chosen)]


def _matched(test: ECGSource, synthetic: ECGSource, candidates: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Pairs of a real and a synthetic record of the same standard groups, each record at most once."""
    free = defaultdict(list)
    for position in candidates[::-1]:
        free[synthetic.conditions[position].groups()].append(int(position))
    pairs = [(i, free[c.groups()].pop()) for i, c in enumerate(test.conditions) if c.groups() and free[c.groups()]]
    both = np.array(pairs, dtype=int).reshape(-1, 2)
    return both[:, 0], both[:, 1]


def _members(
    real: Real, card: Card | None, settings: Settings, progress: Progress
) -> tuple[Records | None, Records | None]:
    """Records that the generator was trained on, and others to calibrate with, as far as it is known."""
    random = np.random.default_rng(settings.seed + 1)
    if settings.members is not None:
        source = read_ecgs(settings.members)
        order = random.permutation(len(source))
    elif card is not None and real.has_folds and set(settings.train_folds) <= set(card.data.get("folds", ())):
        # Held-out records have a twin among the synthetic ones; members without one would look less known.
        source = real.train
        twinned = real.rows[: real.multi]
        order = np.concatenate(
            [random.permutation(twinned), random.permutation(np.setdiff1d(range(len(source)), twinned))]
        )
    else:
        return None, None
    members = min(_MEMBERS, len(order) // 3)
    parts = order[:members], random.permutation(order[members:])[:_REFERENCE]
    loaded = [_load(source.select(part.tolist()), "ECGs of the generator's training", progress) for part in parts]
    return loaded[0], loaded[1]


def _generation_facts(generator: ECGGenerator, asked: Sequence[Condition], settings: Settings) -> dict[str, object]:
    provenance = generator.provenance(seed=settings.seed, steps=settings.steps)
    return {"provenance": provenance.as_dict(), "asked": [condition.as_dict() for condition in asked]}


def _generate(
    generator: ECGGenerator, asked: Sequence[Condition], settings: Settings, path: Path, progress: Progress
) -> None:
    rate = RATE if RATE in generator.sampling_rates else generator.sampling_rates[0]
    seed, steps = settings.seed, settings.steps
    batches = generator.generate(Cohort.from_conditions(asked), len(asked), seed=seed, sampling_rate=rate, steps=steps)
    provenance = generator.provenance(seed=seed, steps=steps)
    writer = open_writer(path, "hdf5", sampling_rate=rate, total=len(asked), provenance=provenance)
    with writer as sink, progress("generating synthetic ECGs", len(asked)) as advance:
        for batch in batches:
            sink.write(batch)
            advance(len(batch))


def _load(source: ECGSource, what: str, progress: Progress) -> Records:
    with progress(f"reading {what}", len(source)) as advance:
        return load_records(source, advance)


def _matching_note(matched: int, test: int, twins: bool) -> str:
    if twins:
        return (
            f"{matched} of {test} real test records have a synthetic twin: asked for with the same statements, age and "
            "sex. The others' statements contradict each other."
        )
    return f"{matched} of {test} real test records are matched with a synthetic one of the same standard groups."
