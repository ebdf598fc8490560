"""The fixed split: which records train and which test, with nothing that belongs together on both sides."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["TEST", "TRAIN", "shuffled_place", "split_records"]

TRAIN = "train"
TEST = "test"


def split_records(groups: Sequence[str], units: Sequence[int], seed: int, test_share: float) -> list[str]:
    """`TRAIN` or `TEST` for each record; records of one unit stay together.

    Each unit has a place that depends on the seed and the index of its first record alone (`shuffled_place`). Units are
    taken in the order of these places, and each goes to the test set where all its records find room in the test share
    of their groups. So with one record a unit the test set of a group is the share of its records with the first
    places: a larger share keeps what was in the test set and adds to it, and neither formats nor machine nor library
    versions make a difference. Where units hold several records, a group's test set may be short of its share by less
    than the largest unit.

    Args:
        groups: the group of each record.
        units: for each record a number that it shares with all that must not be parted from it.
        seed: of the draw.
        test_share: of each group's records, rounded to whole records.
    """
    members: defaultdict[int, list[int]] = defaultdict(list)
    for record, unit in enumerate(units):
        members[unit].append(record)
    room = {group: round(test_share * count) for group, count in Counter(groups).items()}
    placed = [TRAIN] * len(groups)
    for records in sorted(members.values(), key=lambda records: shuffled_place("split", seed, records[0])):
        needed = Counter(groups[record] for record in records)
        if all(room[group] >= count for group, count in needed.items()):
            for record in records:
                placed[record] = TEST
                room[groups[record]] -= 1
    return placed


def shuffled_place(*facts: str | int) -> bytes:
    """Where something stands in a shuffled order: the SHA-256 of its facts, joined by slashes.

    Unlike a random generator's permutation it depends neither on the number of things nor on a library's version.
    """
    return hashlib.sha256("/".join(map(str, facts)).encode()).digest()
