"""Profile: what one pass over a set of ECGs measures, from which fidelity, physiology and privacy are computed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np

    from ecgsdk.conditions import Condition

__all__ = ["COARSE_RATE", "Profile"]

COARSE_RATE = 25.0
"""Rate of `Profile.coarse`, in Hz."""


@dataclass(frozen=True, eq=False)
class Profile:
    """Measurements of n records; arrays go by record.

    Attributes:
        conditions: what is known of, or was asked of, each record.
        features: of the validation encoder, float32, shape (n, features).
        spectra: one-sided power spectral density of leads I, II, V1–V6, float32 mV²/Hz, shape (n, 8, frequencies).
        correlations: Pearson correlation of each pair of those leads (`numpy.triu_indices(8, 1)`), float32, (n, 28).
        beats: median beat at 100 Hz around the R peak, float32 mV, (n, 8, 88); NaN where there is none.
        coarse: the first ten seconds at 25 Hz, float32 mV, shape (n, 8, 250).
        figures: heart rate, intervals, axis and amplitudes by name (`physiology.intervals.FIGURES`), float64, each of
            shape (n,), NaN where it cannot be measured.
        residuals: greatest violation of Einthoven's and Goldberger's equations, µV, shape (n,).
    """

    conditions: tuple[Condition, ...]
    features: np.ndarray
    spectra: np.ndarray
    correlations: np.ndarray
    beats: np.ndarray
    coarse: np.ndarray
    figures: Mapping[str, np.ndarray]
    residuals: np.ndarray

    def __len__(self) -> int:
        return len(self.conditions)

    def select(self, positions: Sequence[int] | np.ndarray) -> Profile:
        """The profile of only these records, in this order."""
        return Profile(
            conditions=tuple(self.conditions[i] for i in positions),
            features=self.features[positions],
            spectra=self.spectra[positions],
            correlations=self.correlations[positions],
            beats=self.beats[positions],
            coarse=self.coarse[positions],
            figures={name: values[positions] for name, values in self.figures.items()},
            residuals=self.residuals[positions],
        )
