"""The report's section on privacy: whether synthetic ECGs give away which real ones the generator was trained on."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import numpy as np

from ecgsdk.leads import to_eight, to_twelve
from ecgsdk.validation.privacy.attacks import NEAREST, Attempt, attempts
from ecgsdk.validation.privacy.memorisation import copying
from ecgsdk.validation.privacy.neighbours import merge, nearest, search, views
from ecgsdk.validation.privacy.section import Audit, audit_section
from ecgsdk.validation.results import Failure, Section

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ecgsdk.validation.profile import Profile

__all__ = ["FEWEST", "KIN", "audit", "kin", "planted_copies", "section"]

FEWEST = 50
"""Records of each kind below which nothing here is measured."""

KIN = 0.8
"""A neighbour that is nearer than this share of the next one's distance is taken for the same person's."""

_KIN_RANKS = 6
_KIN_VIEWS = ("features", "beats")
_GAIN = (0.9, 1.1)
_SHIFT_S = 0.1
_NOISE_MV = 0.02


def section(
    members: Profile,
    non_members: Profile,
    synthetic: Profile,
    reference: Profile,
    *,
    control: Profile | None = None,
    seed: int = 0,
) -> Section:
    """The section on privacy.

    Args:
        members: real records that the generator was trained on.
        non_members: real records of the same kind that it has never seen, of other patients.
        synthetic: the generator's records, asked for the conditions of both alike: those of the members alone would
            bring it nearer to them without any of them memorised.
        reference: further real records of its training, none of `members`.
        control: `planted_copies` of the first `len(control)` members, to see whether the attacks would find them.
        seed: of the halves of `reference` and of the intervals.
    """
    began = time.monotonic()
    given = {"members": members, "non-members": non_members, "synthetic": synthetic, "reference": reference}
    few = [name for name, profile in given.items() if len(profile) < (2 if name == "reference" else 1) * FEWEST]
    if few:
        why = f"too few records: {', '.join(f'{len(given[name])} {name}' for name in few)}; give {2 * FEWEST} or more"
        return Section("privacy", "Privacy", failures=(Failure("membership inference", why),))
    found = audit(members, non_members, synthetic, reference, control=control, seed=seed)
    return audit_section(found, seed=seed, seconds=time.monotonic() - began)


def audit(
    members: Profile,
    non_members: Profile,
    synthetic: Profile,
    reference: Profile,
    *,
    control: Profile | None = None,
    seed: int = 0,
) -> Audit:
    """All attacks and distances, of which the section is made. Arguments as for `section`.

    The reference is halved: one half calibrates the attacks; the other stands in the place of the synthetic records
    and gives the floor, what the same attacks find where there is nothing to find. Before that, its `kin` go.
    """
    inside, outside, made, further = views((members, non_members, synthetic, reference), scale_by=3)
    tested = {name: np.concatenate([inside[name], outside[name]]) for name in inside}
    labels = np.repeat([True, False], [len(members), len(non_members)])
    relatives, has_kin = kin(tested, further)
    unrelated = np.random.default_rng(seed).permutation(np.setdiff1d(np.arange(len(reference)), relatives))
    pseudo, calibration = (_rows(further, half) for half in np.array_split(unrelated, 2))
    real, near = search(tested, calibration, NEAREST), search(tested, made, NEAREST)
    planted: tuple[Attempt, ...] = ()
    if control is not None:
        copies = views((control, reference), scale_by=1)[0]
        added = search(tested, copies, NEAREST)
        planted = attempts(labels, {name: merge(near[name], added[name], len(synthetic)) for name in near}, real)
    return Audit(
        labels=labels,
        tried=attempts(labels, near, real),
        floor=attempts(labels, search(tested, pseudo, NEAREST), real),
        planted=planted,
        copies=0 if control is None else len(control),
        copying=copying(inside, outside, made, further, pseudo),
        synthetic=len(synthetic),
        reference=len(reference),
        relatives=len(relatives),
        has_kin=has_kin,
        without_beat=int(np.isnan(tested["beats"]).any(axis=1).sum()),
    )


def kin(tested: Mapping[str, np.ndarray], reference: Mapping[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Reference records that look like another recording of a tested person.

    A record's neighbours up to the last of six that is nearer than 0.8 times the next one. Data sets hold several
    recordings of one person, members' among the reference and non-members' not: left in, they would make members
    look well known where no generator has been at work. The same rule for both leaves nothing to choose.

    Returns:
        Positions in `reference`, and whether each tested record has kin.
    """
    size = len(next(iter(reference.values())))
    positions, has_kin = [], np.zeros(len(next(iter(tested.values()))), dtype=bool)
    for name in _KIN_VIEWS:
        found = nearest(tested[name], reference[name], min(_KIN_RANKS, size))
        gaps = found.distances[:, :-1] < KIN * found.distances[:, 1:]
        last = np.where(gaps.any(axis=1), gaps.shape[1] - np.argmax(gaps[:, ::-1], axis=1), 0)
        positions.append(found.indices[np.arange(found.indices.shape[1]) < last[:, None]])
        has_kin |= last > 0
    return np.unique(np.concatenate(positions)), has_kin


def planted_copies(signals: np.ndarray, rate: float, seed: int) -> np.ndarray:
    """Copies that a leaking generator might give: 0.9 to 1.1 times as large, up to 0.1 s off, with noise of 20 µV.

    The lead equations hold as well as in the originals. Where a shift leaves nothing, the end stands still.

    Args:
        signals: mV, shape (n, 12, samples).
        rate: their sampling rate in Hz.
    """
    random = np.random.default_rng(seed)
    gains = random.uniform(*_GAIN, size=(len(signals), 1, 1))
    most = round(_SHIFT_S * rate)
    shifts = random.integers(-most, most + 1, size=len(signals))
    samples = signals.shape[-1]
    taken = np.clip(np.arange(samples) + shifts[:, None], 0, samples - 1)
    copies = gains * np.take_along_axis(to_eight(signals), taken[:, None, :], axis=-1)
    return to_twelve(copies + random.normal(scale=_NOISE_MV, size=copies.shape)).astype(signals.dtype)


def _rows(vectors: Mapping[str, np.ndarray], rows: np.ndarray) -> dict[str, np.ndarray]:
    return {name: values[rows] for name, values in vectors.items()}
