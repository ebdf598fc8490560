"""The suite: real and synthetic ECGs in, a Report out. Each section stands alone; what fails costs only itself."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np

import ecgsdk
from ecgsdk.cards import kind_of
from ecgsdk.conditions import STATEMENTS
from ecgsdk.errors import ConditionError, EcgsdkError, ModelError
from ecgsdk.plugins import Plugins, installed_plugins
from ecgsdk.validation.cache import Cache
from ecgsdk.validation.comparisons import agreement_section, plugin_section, samples_section
from ecgsdk.validation.datasets import DataSets, from_file, from_generator, from_synthesiser, open_real, open_synthetic
from ecgsdk.validation.fidelity import section as fidelity
from ecgsdk.validation.fidelity.encoder import Encoder, load_encoder
from ecgsdk.validation.measure import measure_profile
from ecgsdk.validation.physiology import section as physiology
from ecgsdk.validation.privacy import audit as privacy
from ecgsdk.validation.progress import Progress, no_progress
from ecgsdk.validation.records import RATE, join, replaced
from ecgsdk.validation.report.verdict import findings
from ecgsdk.validation.results import Failure, Report, Section
from ecgsdk.validation.utility.outcomes import AUGMENTED_SIZES, AugmentationPoint, augmentation, outcomes
from ecgsdk.validation.utility.roster import Roster, call_roster
from ecgsdk.validation.utility.section import section as utility_section
from ecgsdk.validation.utility.two_sample import two_sample_test

if TYPE_CHECKING:
    from ecgsdk.readers import ECGSource
    from ecgsdk.validation.profile import Profile
    from ecgsdk.validation.records import Records
    from ecgsdk.validation.settings import Settings
    from ecgsdk.validation.utility.trainings import Trainer

__all__ = ["validate"]

_TITLES = {
    "utility": "Utility",
    "fidelity": "Fidelity",
    "physiology": "Physiology",
    "privacy": "Privacy",
    "agreement": "Agreement of diagnostic models",
    "plugins": "Metrics of plugins",
}

_UNKNOWN_MEMBERS = "it is not known which ECGs the generator was trained on; name them with --members"
_NO_SOURCES_LEFT = (
    "an ECG was made of every real training record, so none is left to compare with; with a lower --records, some are"
)

_FEW_UNSTATED = 0.05
"""Share of real records without a known statement that needs no remark; PTB-XL has some, too."""

_PLANTED = 0.1
"""Share of the members that the planted leak copies."""


def validate(
    settings: Settings, *, cache: Cache | None = None, progress: Progress = no_progress, plugins: Plugins | None = None
) -> Report:
    """Measures how good synthetic ECGs are, beside real ones.

    Args:
        settings: what to validate against what.
        cache: keeps what was computed, so that an interrupted run goes on where it was; default: nothing is kept.
        progress: opens progress bars.
        plugins: default: the installed ones.

    Raises:
        DataError, ConditionError, ModelError, PluginError: the data or the settings cannot be used. What goes wrong
            later, in one section or one classifier, is named in the report instead.
    """
    if cache is None:
        with TemporaryDirectory() as folder:
            return validate(settings, cache=Cache(Path(folder)), progress=progress, plugins=plugins)
    plugins = plugins or installed_plugins()
    roster = call_roster(settings.classifiers, plugins)
    run = _Run(settings, _data(settings, cache, progress), roster, plugins, cache, progress)
    sections = [_guarded(name, run) for name in settings.sections]
    sections.append(samples_section(run.data))
    return Report(
        created=datetime.now(timezone.utc).isoformat(timespec="seconds"),
        ecgsdk_version=ecgsdk.__version__,
        synthetic=_described(run.data.synthetic_train, run.data.synthetic_test, run.data.sources[1]) | _made_by(run),
        real=_described(run.data.train, run.data.test, run.data.sources[0])
        | {"notes": [*run.data.notes, *_unstated(run.data)]},
        settings=settings.as_dict(),
        plugins=tuple(
            {"name": plugin.name, "distribution": plugin.distribution, "version": plugin.version}
            for plugin in plugins.plugins
            if plugin.failure is None
        ),
        findings=findings(sections),
        sections=tuple(sections),
    )


def _data(settings: Settings, cache: Cache, progress: Progress) -> DataSets:
    real = open_real(settings, progress)
    if settings.synthetic is not None:
        return from_file(real, open_synthetic(settings, progress), settings, progress)
    if _is_synthesiser(settings.generator):
        if settings.steps is not None or settings.quality is not None:
            raise ConditionError(f"{settings.generator} is a synthesiser without steps or qualities; leave them out")
        synthesiser = ecgsdk.load_synthesiser(settings.generator, device=settings.device)
        return from_synthesiser(real, synthesiser, settings, cache, progress)
    if settings.strength is not None:
        raise ConditionError("only a synthesiser such as yoo2023 has a strength; leave it out, or name one")
    generator = ecgsdk.load_generator(settings.generator, device=settings.device)
    return from_generator(real, generator, settings, cache, progress)


def _is_synthesiser(name: str | None) -> bool:
    with suppress(ModelError):  # it may be a plugin's, and is looked for again
        return name is not None and kind_of(ecgsdk.find_model(name, kind=None).card) == "synthesiser"
    return False


@dataclass(frozen=True, eq=False)
class _Run:
    """One validation: what its sections share, each measured when it is first asked for."""

    settings: Settings
    data: DataSets
    roster: Roster
    plugins: Plugins
    cache: Cache
    progress: Progress

    @cached_property
    def encoder(self) -> Encoder:
        return load_encoder()

    def profile(self, records: Records, what: str) -> Profile:
        with self.progress(f"measuring {what}", len(records)) as advance:
            return measure_profile(records, self.encoder, cache=self.cache, advance=advance)

    @cached_property
    def real(self) -> Profile:
        """The real test records that have a synthetic partner."""
        return self.profile(self.data.test, "real ECGs").select(self.data.matched)

    @cached_property
    def synthetic(self) -> Profile:
        """Their partners, in the same order."""
        return self.profile(self.data.synthetic_test, "synthetic ECGs")

    @cached_property
    def reference(self) -> Profile | None:
        """Real ECGs of the generator's training, as far as they are known."""
        reference = self.data.reference
        return None if reference is None else self.profile(reference, "further training ECGs")

    @cached_property
    def halves(self) -> tuple[np.ndarray, np.ndarray]:
        """Positions of two halves of the pairs."""
        order = np.random.default_rng(self.settings.seed).permutation(len(self.real))
        return np.sort(order[: len(order) // 2]), np.sort(order[len(order) // 2 : len(order) // 2 * 2])


def _guarded(name: str, run: _Run) -> Section:
    """A section, or an empty one that says why there is none."""
    began = time.monotonic()
    try:
        section = _SECTIONS[name](run)
    except Exception as error:  # one section must not cost the others
        reason = str(error) if isinstance(error, EcgsdkError) else f"{type(error).__name__}: {error}"
        section = Section(name, _TITLES[name], failures=(Failure(name, " ".join(reason.split())),))
    return replace(section, seconds=round(time.monotonic() - began, 1))


def _utility(run: _Run) -> Section:
    found, failures, notes = outcomes(run.data, run.roster.trainers, run.settings, run.cache, run.progress)
    trainer = None if run.settings.augmentation is None else run.roster.preferred(run.settings.augmentation)
    points: list[AugmentationPoint] = []
    if trainer is not None:
        points, lacking = _augmentation(run, trainer)
        failures += lacking
    if not run.roster.trainers:
        failures.append(Failure("classifiers", 'none can be trained; run `pip install "ecgsdk-classifiers[all]"`'))
    return utility_section(
        found,
        points,
        augmented=trainer.name if trainer else "",
        failures=(*run.roster.failures, *failures),
        notes=notes,
        seed=run.settings.seed,
    )


def _augmentation(run: _Run, trainer: Trainer) -> tuple[list[AugmentationPoint], list[Failure]]:
    """The augmentation curve, or why there is none."""
    try:
        points = augmentation(run.data, trainer, run.settings, run.cache, run.progress)
    except EcgsdkError as error:
        return [], [Failure("augmentation curve", str(error))]
    if points:
        return points, []
    why = f"{AUGMENTED_SIZES[0]} real training records are needed, and labels to learn; there are {run.data.multi}"
    return [], [Failure("augmentation curve", f"{why} records to train on; give more ECGs or a higher --records")]


def _fidelity(run: _Run) -> Section:
    halves = run.halves
    section = fidelity.section(
        (run.real.select(halves[0]), run.real.select(halves[1])),
        (run.synthetic.select(halves[0]), run.synthetic.select(halves[1])),
        reference=run.reference,
        seed=run.settings.seed,
    )
    trainer = run.roster.preferred()
    if trainer is None:
        missing = Failure(
            "two-sample test", 'no classifier can be trained; run `pip install "ecgsdk-classifiers[all]"`'
        )
        return replace(section, failures=(*section.failures, missing))
    try:
        measure = two_sample_test(
            run.data.test.select(run.data.matched),
            run.data.synthetic_test,
            trainer,
            seed=run.settings.seed,
            cache=run.cache,
            progress=run.progress,
        )
    except EcgsdkError as error:
        return replace(section, failures=(*section.failures, Failure("two-sample test", str(error))))
    return replace(section, measures=(measure, *section.measures))


def _physiology(run: _Run) -> Section:
    return physiology.section(run.real, run.synthetic, seed=run.settings.seed)


def _privacy(run: _Run) -> Section:
    data = run.data
    if data.members is None or run.reference is None:
        why = _NO_SOURCES_LEFT if data.resynthesised else _UNKNOWN_MEMBERS
        return Section("privacy", _TITLES["privacy"], failures=(Failure("membership inference", why),))
    members = run.profile(data.members, "the generator's training ECGs")
    return privacy.section(
        members,
        run.profile(data.test, "real ECGs"),
        run.profile(_published(data), "synthetic ECGs"),
        run.reference,
        control=run.profile(_planted(data.members, run.settings.seed), "planted copies"),
        seed=run.settings.seed,
    )


def _published(data: DataSets) -> Records:
    """Synthetic records in which members and non-members are alike, but for what gives members away.

    A generator was asked for the conditions of both; of a synthesiser, the records that were made of members alone are
    what would be published.
    """
    return data.synthetic_train if data.resynthesised else join(data.synthetic_train, data.synthetic_test)


def _planted(members: Records, seed: int) -> Records:
    """Jittered copies of the first tenth of the members."""
    chosen = members.select(range(max(1, round(_PLANTED * len(members)))))
    return replaced(chosen, privacy.planted_copies(chosen.twelve(), RATE, seed))


def _agreement(run: _Run) -> Section:
    section = agreement_section(run.data, run.roster.fixed, seed=run.settings.seed, progress=run.progress)
    if "utility" in run.settings.sections:  # which names them
        return section
    return replace(section, failures=(*run.roster.failures, *section.failures))


def _plugins(run: _Run) -> Section:
    return plugin_section(run.data, run.halves, run.plugins)


_SECTIONS: dict[str, Callable[[_Run], Section]] = {
    "utility": _utility,
    "fidelity": _fidelity,
    "physiology": _physiology,
    "privacy": _privacy,
    "agreement": _agreement,
    "plugins": _plugins,
}


def _described(train: Records, test: Records, source: ECGSource) -> dict[str, Any]:
    described = {"name": Path(train.name).name, "train_records": len(train), "test_records": len(test)}
    return described | ({"left_out": list(source.left_out)} if source.left_out else {})


def _unstated(data: DataSets) -> list[str]:
    """A note on real records without statements, which cost every section its labels or groups."""
    conditions = [*data.train.conditions, *data.test.conditions]
    unknown = sum(STATEMENTS.keys().isdisjoint(condition.statements) for condition in conditions)
    if unknown <= _FEW_UNSTATED * len(conditions):
        return []
    note = (
        f"{unknown} of {len(conditions)} real records carry no statement that ecgsdk knows: labels, groups and pairs "
        "do without them. docs/report.md says how statements get into each format."
    )
    return [note]


def _made_by(run: _Run) -> dict[str, object]:
    """What made the synthetic ECGs: by their file, or as the user names it."""
    provenance = run.data.sources[1].provenance
    if provenance is not None:
        return {"provenance": provenance.as_dict()}
    return {"provenance": None, "generator": run.settings.name or "unknown: the ECGs do not say what made them"}
