"""Which real and synthetic records train, test and are compared: equal in number, never overlapping."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from ecgsdk.conditions import STATEMENTS, Condition
from ecgsdk.errors import ConditionError, DataError, ModelError
from ecgsdk.models import find_model
from ecgsdk.readers import read_ecgs, without_damaged
from ecgsdk.readers.source import fitted
from ecgsdk.validation.likeness import has_likeness
from ecgsdk.validation.pairs import matched, matched_at_random
from ecgsdk.validation.progress import no_progress
from ecgsdk.validation.records import RATE, SECONDS, Records, load_records
from ecgsdk.validation.twins import joined, resyntheses, twins
from ecgsdk.validation.utility.tasks import GROUP_TASKS, task_rows

if TYPE_CHECKING:
    from ecgsdk.cards import Card
    from ecgsdk.hookspecs import ECGGenerator
    from ecgsdk.readers import ECGSource
    from ecgsdk.synthesiser import Synthesiser
    from ecgsdk.validation.cache import Cache
    from ecgsdk.validation.progress import Progress
    from ecgsdk.validation.settings import Settings

__all__ = [
    "DataSets",
    "Real",
    "askable",
    "from_file",
    "from_generator",
    "from_synthesiser",
    "loaded",
    "open_real",
    "open_synthetic",
]

_MEMBERS, _REFERENCE = 2_000, 4_000
_TEST_SHARE = 0.25
_MATCHING = {
    "twins": "{pairs} of {test} real test records have a synthetic twin: asked for with the same statements, age and "
    "sex. The others' statements contradict each other.",
    "resynthesised": "{pairs} of {test} real test records have a synthetic ECG that was made of them; the statements "
    "of the others contradict each other. Members of the audit on privacy are the real ECGs of which the synthetic "
    "ones that train were made.",
    "others": "{pairs} of {test} real test records are matched with a synthetic one of the same standard groups. The "
    "other synthetic records train, with the mix of diagnoses that they have.",
    "unstated": "The synthetic records carry no statement of a standard group: {pairs} of {test} real test records "
    "have a synthetic one beside them that was drawn at random. So a different mix of diagnoses counts as a "
    "difference, and nothing is known of single groups, nor of what classifiers learn.",
}


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
        members, reference: real records of the generator's training, or of which ECGs were made, and others; None where
            they are not known.
        sources: the real and synthetic test records at their own rate, matched row by row.
        notes: what a reader must know about the data.
        resynthesised: whether each synthetic record was made from a real one; those that train from `train`.
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
    resynthesised: bool = False

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

    def check_sources(self) -> None:
        """Raises DataError where ECGs that train were made from real test records."""
        copied = has_likeness(self.test, self.synthetic_train)
        if copied.any():
            where = self.test.identifiers[int(np.argmax(copied))]
            raise DataError(
                f"of {copied.sum()} real test records, such as {where}, {self.synthetic_train.name} seems to hold what "
                "a synthesiser made; make it of other records, or validate with --generator instead"
            )


def open_real(settings: Settings, progress: Progress = no_progress) -> Real:
    """The real ECGs, parted by their folds, by files, or at random, and the rows of them to use.

    Raises:
        DataError: no records to train or to test on.
    """
    train, test, notes = _parts(settings, progress)
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
    made = twins(generator, asked, settings, cache, progress)
    for_train, for_test = made.select(range(len(real.rows))), made.select(range(len(real.rows), len(made)))
    members = _members(real, getattr(generator, "card", None), settings, progress)
    return _together(real, real.multi, for_train, for_test, real.askable, members, settings, progress, made_as="twins")


def from_synthesiser(
    real: Real, synthesiser: Synthesiser, settings: Settings, cache: Cache, progress: Progress
) -> DataSets:
    """Real records, and what the synthesiser makes of each. Whose ECG is a source is what the audit is to tell."""
    parts = real.train.select(real.rows.tolist()), real.test.select(real.askable.tolist())
    source = joined([fitted(part, RATE, SECONDS) for part in parts])
    made = resyntheses(synthesiser, source, settings, cache, progress)
    for_train, for_test = made.select(range(len(real.rows))), made.select(range(len(real.rows), len(made)))
    random = np.random.default_rng(settings.seed + 1)
    others = random.permutation(np.setdiff1d(range(len(real.train)), real.rows))
    members = _loaded_members(real.train, random.permutation(real.rows[: real.multi]), others, settings, progress)
    return _together(
        real, real.multi, for_train, for_test, real.askable, members, settings, progress, made_as="resynthesised"
    )


def open_synthetic(settings: Settings, progress: Progress = no_progress) -> ECGSource:
    """The synthetic ECGs of a file or folder of any format, whatever made them.

    Raises:
        ConditionError: they say what made them, and a name for that is given.
        DataError: they cannot be read, or do not say all that is needed; the `input_…` settings are of the real ones.
    """
    path = str(settings.synthetic)
    try:
        source = read_ecgs(path, skip_damaged=settings.skip_damaged)
    except DataError as error:
        if "(--input-" not in str(error):
            raise
        mend = f"ecgsdk convert {path} -o synthetic.h5 --input-…"
        raise DataError(f"{error}; for synthetic ECGs, by converting them first: {mend}") from None
    if settings.name is not None and source.provenance is not None:
        raise ConditionError(f"{path} says that {source.provenance.model} made it; leave out the name (--name)")
    return _tried(source, "synthetic ECGs", settings, progress)


def from_file(real: Real, synthetic: ECGSource, settings: Settings, progress: Progress) -> DataSets:
    """Real records, and the synthetic ones of a file, of which some are matched with real test records of their groups.

    The others train, in random order, whatever their groups are. Synthetic records without any statement are matched at
    random.

    Raises:
        DataError: too few records can be matched, or real test records were the source of synthetic ones.
    """
    stated = any(condition.groups() for condition in synthetic.conditions)
    positions, chosen = (matched if stated else matched_at_random)(real.test, synthetic, settings.seed)
    train = np.random.default_rng(settings.seed).permutation(np.setdiff1d(range(len(synthetic)), chosen))
    card = _card_of(synthetic)
    for_train, for_test = synthetic.select(train.tolist()), synthetic.select(chosen.tolist())
    multi = min(len(train), real.multi)
    members = _members(real, card, settings, progress)
    made_as: Literal["others", "unstated"] = "others" if stated else "unstated"
    data = _together(real, multi, for_train, for_test, positions, members, settings, progress, made_as=made_as)
    # What does not say how it was made may come from a synthesiser, too.
    if synthetic.provenance is None or synthetic.provenance.strength is not None:
        data.check_sources()
    return data


def _card_of(synthetic: ECGSource) -> Card | None:
    """The card of the model that made the ECGs, where they name it and it is installed."""
    if synthetic.provenance is None:
        return None
    with suppress(ModelError):
        model = find_model(synthetic.provenance.model)
        return model.card if model.sha256 == synthetic.provenance.model_sha256 else None
    return None


def _together(
    real: Real,
    multi: int,
    for_train: ECGSource,
    for_test: ECGSource,
    positions: np.ndarray,
    members: tuple[Records | None, Records | None],
    settings: Settings,
    progress: Progress,
    *,
    made_as: Literal["twins", "resynthesised", "others", "unstated"],
) -> DataSets:
    data = DataSets(
        train=loaded(real.train.select(real.rows.tolist()), "real ECGs to train on", progress),
        test=loaded(real.test, "real ECGs to test on", progress),
        synthetic_train=loaded(for_train, "synthetic ECGs", progress),
        synthetic_test=loaded(for_test, "synthetic ECGs", progress),
        multi=multi,
        matched=positions,
        twins=made_as in ("twins", "resynthesised"),
        resynthesised=made_as == "resynthesised",
        members=members[0],
        reference=members[1],
        sources=(real.test.select(positions.tolist()), for_test),
        notes=(*real.notes, _MATCHING[made_as].format(pairs=len(positions), test=len(real.test))),
    )
    data.check()
    return data


def _parts(settings: Settings, progress: Progress) -> tuple[ECGSource, ECGSource, tuple[str, ...]]:
    """Records to train on and to test on, without one in common."""
    source = _read_real(settings.real, settings, progress)
    if settings.real_test is not None:
        return source, _read_real(settings.real_test, settings, progress), ()
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


def _tried(source: ECGSource, what: str, settings: Settings, progress: Progress) -> ECGSource:
    """Only the records whose signals can be read, where that is asked for."""
    if not settings.skip_damaged:
        return source
    with progress(f"trying {what}", len(source)) as advance:
        return without_damaged(source, advance)


def _read_real(path: str, settings: Settings, progress: Progress) -> ECGSource:
    source = read_ecgs(
        path,
        sampling_rate=settings.sampling_rate,
        seconds=SECONDS,
        input_rate=settings.input_rate,
        input_unit=settings.input_unit,
        input_leads=settings.input_leads,
        skip_damaged=settings.skip_damaged,
    )
    return _tried(source, "real ECGs", settings, progress)


def _more_of_the_groups(source: ECGSource, others: np.ndarray, most: int) -> np.ndarray:
    """Further records for the binary tasks, whose groups are rare: at most `most` of each group, none twice."""
    conditions = [source.conditions[i] for i in others]
    rows = [task_rows(conditions, group) for group in GROUP_TASKS]
    chosen = {int(position) for task in rows for position in task.positions[task.labels][:most]}
    return others[sorted(chosen)]


def _members(
    real: Real, card: Card | None, settings: Settings, progress: Progress
) -> tuple[Records | None, Records | None]:
    """Records that the generator was trained on, and others to compare with, as far as known and asked for."""
    random = np.random.default_rng(settings.seed + 1)
    if settings.members is not None:
        source = _read_real(settings.members, settings, progress)
        order = random.permutation(len(source))
        most = len(order)
    elif card is not None and real.has_folds and set(settings.train_folds) <= set(card.data.get("folds", ())):
        # Held-out records have a twin among the synthetic ones; members without one would look less known.
        source, twinned = real.train, real.rows[: real.multi]
        further = np.setdiff1d(range(len(source)), twinned)
        order = np.concatenate([random.permutation(twinned), random.permutation(further)])
        most = len(twinned)
    else:
        return None, None
    members = min(_MEMBERS, len(order) // 3, most)
    others = random.permutation(order[members:])
    return _loaded_members(source, order[:members], others, settings, progress)


def _loaded_members(
    source: ECGSource, members: np.ndarray, others: np.ndarray, settings: Settings, progress: Progress
) -> tuple[Records | None, Records | None]:
    """The first of both, where a section needs them."""
    if not {"privacy", "fidelity"} & set(settings.sections) or not len(members) or not len(others):
        return None, None
    parts = members[:_MEMBERS], others[:_REFERENCE]
    records = [loaded(source.select(part.tolist()), "ECGs of the generator's training", progress) for part in parts]
    return records[0], records[1]


def loaded(source: ECGSource, what: str, progress: Progress) -> Records:
    """All records of a source, with a bar that names them."""
    with progress(f"reading {what}", len(source)) as advance:
        return load_records(source, advance)
