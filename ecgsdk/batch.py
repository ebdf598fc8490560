"""ECGBatch: signals in millivolts with their conditions, and where they came from."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

from ecgsdk.leads import LEADS

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np

    from ecgsdk.conditions import Condition

__all__ = ["ECGBatch", "Provenance"]


@dataclass(frozen=True)
class Provenance:
    """What made synthetic ECGs: enough to make them again.

    Attributes:
        model: name of the model.
        model_sha256: SHA-256 of the model's card without its metrics; the card holds that of each graph.
        version: ecgsdk's version.
        seed: the seed given by the user.
        steps: number of flow evaluations; None where there is no flow.
        guidance: guidance weight, 1 is none; None likewise.
        strength: how far a resynthesised ECG is from its source; None for ECGs that have none.
        accompanied: whether further statements were drawn beside those asked for.
        candidates: of how many ECGs each is the one chosen; None: of one.
    """

    model: str
    model_sha256: str
    version: str
    seed: int
    steps: int | None = None
    guidance: float | None = None
    strength: float | None = None
    accompanied: bool = False
    candidates: int | None = None

    def as_dict(self) -> dict[str, object]:
        """The provenance as JSON-ready values, without what is None or false."""
        return {name: value for name, value in asdict(self).items() if value is not None and value is not False}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Provenance:
        """The provenance from what `as_dict` gave, be they texts or numbers; names that are unknown are left out.

        Raises:
            KeyError: the model, its hash, the version or the seed is missing.
            ValueError, TypeError: a value is not of its kind.
        """
        facts = {name: kind(values[name]) for name, kind in _FACTS.items()}
        settings = {name: kind(values[name]) for name, kind in _SETTINGS.items() if name in values}
        return cls(**facts, **settings)


_FACTS: Mapping[str, Any] = {"model": str, "model_sha256": str, "version": str, "seed": int}
_SETTINGS: Mapping[str, Any] = {
    "steps": int,
    "guidance": float,
    "strength": float,
    "accompanied": lambda value: str(value).lower() == "true",
    "candidates": int,
}


@dataclass(frozen=True, eq=False)
class ECGBatch:
    """Consecutive 12-lead ECGs of one rate and length.

    Attributes:
        signals: float32 mV, shape (n, 12, samples), leads in the order of `ecgsdk.leads.LEADS`.
        sampling_rate: Hz.
        conditions: one for each record: what is known of a real ECG, what was asked of a synthetic one.
        identifiers: a name for each record: the source's for real ECGs, the record index for synthetic ones.
        provenance: what made the ECGs; None for real ones.
    """

    signals: np.ndarray
    sampling_rate: float
    conditions: tuple[Condition, ...]
    identifiers: tuple[str, ...]
    provenance: Provenance | None = None

    leads = LEADS

    def __post_init__(self) -> None:
        n = len(self.signals)
        if self.signals.ndim != 3 or self.signals.shape[1] != len(LEADS):
            raise ValueError(f"signals must have shape (n, 12, samples), not {self.signals.shape}")
        if len(self.conditions) != n or len(self.identifiers) != n:
            raise ValueError(f"{n} signals, {len(self.conditions)} conditions and {len(self.identifiers)} identifiers")

    def __len__(self) -> int:
        return len(self.signals)

    def __getitem__(self, index: int | slice) -> ECGBatch:
        """One record, or a slice of them, as a batch that shares the signals.

        Raises:
            IndexError: there is no such record.
        """
        if isinstance(index, slice):
            chosen = index
        else:
            position = range(len(self))[index]
            chosen = slice(position, position + 1)
        return replace(
            self,
            signals=self.signals[chosen],
            conditions=self.conditions[chosen],
            identifiers=self.identifiers[chosen],
        )

    def __repr__(self) -> str:
        seconds = self.signals.shape[-1] / self.sampling_rate
        number = f"{len(self)} ECG{'' if len(self) == 1 else 's'}"
        origin = f"synthetic, {self.provenance.model}" if self.provenance else "real"
        return f"<ECGBatch: {number} of {seconds:g} s at {self.sampling_rate:g} Hz, {origin}>"

    def _repr_svg_(self) -> str | None:
        """How a notebook shows the batch: a page for one record, a sheet for the first of several.

        None, whereupon the notebook shows the text, where there is nothing to draw or Matplotlib is not installed.
        """
        from ecgsdk.errors import RuntimeSetupError
        from ecgsdk.plotting import batch_svg

        try:
            return batch_svg(self)
        except RuntimeSetupError:
            return None

    @property
    def synthetic(self) -> bool:
        """Whether a model made these ECGs."""
        return self.provenance is not None
