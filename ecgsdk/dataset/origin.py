"""Origin: the opened model of a data set, be it a generator or a synthesiser, and the ECGs that it will make."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ecgsdk.cohort import Cohort
from ecgsdk.conditions import GROUPS
from ecgsdk.dataset.sources import choose_sources
from ecgsdk.errors import ConditionError, ModelError
from ecgsdk.models import find_model
from ecgsdk.quality import quality_options

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ecgsdk.batch import ECGBatch, Provenance
    from ecgsdk.dataset.plan import Plan
    from ecgsdk.dataset.sources import Sources
    from ecgsdk.validation.progress import Progress

__all__ = ["Origin", "open_origin"]

_USUAL_RATE = 100.0  # of PTB-XL's own smaller version, and of the published data set that is the model's pattern


@dataclass(frozen=True, eq=False)
class Origin:
    """The opened model of a data set.

    Attributes:
        card: of the model, of either kind.
        provenance: what is written beside the ECGs.
        device: where the model runs.
        sampling_rate: Hz.
        batches: all records in order; nothing is made before the first is asked for.
        sources: the real ECGs that a synthesiser starts from; None for a generator.
        accompanied: whether a generator draws further statements beside the groups'.
    """

    card: Any
    provenance: Provenance
    device: str
    sampling_rate: float
    batches: Iterator[ECGBatch]
    sources: Sources | None = None
    accompanied: bool = False


def open_origin(plan: Plan, *, device: str, threads: int | None, progress: Progress) -> Origin:
    """The opened model of a plan.

    Raises:
        ModelError: an unknown or damaged model, or one that makes no ECGs.
        ConditionError: real ECGs or a strength for a generator, statements alone for a synthesiser, or a group that
            the generator has not learned.
        DataError: a synthesiser without real ECGs, or with too few.
        RuntimeSetupError: no ONNX Runtime, or the device is not there.
    """
    card = find_model(plan.model, kind=None).card
    kind = getattr(card, "kind", "generator")
    if kind == "generator":
        return _from_generator(plan, device, threads)
    if kind == "synthesiser":
        return _from_synthesiser(plan, device, threads, progress)
    raise ModelError(f"{card.name} is a model of the kind {kind}; name a generator or a synthesiser")


def _from_generator(plan: Plan, device: str, threads: int | None) -> Origin:
    """Of the model's highest quality: a data set is made once and read often."""
    import ecgsdk

    for option, given in (("--real", plan.real), ("--strength", plan.strength)):
        if given is not None:
            raise ConditionError(f"{option} is for models that start from real ECGs; leave it out")
    generator: Any = ecgsdk.load_generator(plan.model, device=device, threads=threads)
    accompanied = generator.accompanies and not plan.alone
    usual = _USUAL_RATE if _USUAL_RATE in generator.sampling_rates else generator.sampling_rates[0]
    rate = usual if plan.sampling_rate is None else plan.sampling_rate
    cohort = Cohort.from_groups(GROUPS)
    settings = {"seed": plan.seed, "accompanied": accompanied, **quality_options(generator, "high")}
    return Origin(
        card=generator.card,
        provenance=generator.provenance(**settings),
        device=generator.device,
        sampling_rate=rate,
        batches=generator.generate(cohort, plan.total, sampling_rate=rate, **settings),
        accompanied=accompanied,
    )


def _from_synthesiser(plan: Plan, device: str, threads: int | None, progress: Progress) -> Origin:
    import ecgsdk

    if plan.sampling_rate is not None:
        raise ConditionError("--sampling-rate is for generators: a synthesiser keeps its own; leave it out")
    if plan.alone:
        raise ConditionError("--alone is for generators: statements here are those of the real ECGs; leave it out")
    synthesiser = ecgsdk.load_synthesiser(plan.model, device=device, threads=threads)
    card = synthesiser.card
    folds = card.data.get("folds")
    if not folds:
        raise ModelError(f"the card of {card.name} does not say which folds it was trained on; export the model again")
    rate = card.sampling_rates[0]
    sources = choose_sources(plan, sampling_rate=rate, seconds=card.seconds, folds=tuple(folds), progress=progress)
    settings: dict[str, Any] = {"seed": plan.seed} | ({} if plan.strength is None else {"strength": plan.strength})
    return Origin(
        card=card,
        provenance=synthesiser.provenance(**settings),
        device=synthesiser.device,
        sampling_rate=rate,
        batches=synthesiser.resynthesize(sources.ecgs, **settings),
        sources=sources,
    )
