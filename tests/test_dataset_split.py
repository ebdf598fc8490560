"""The split of a data set: exact shares, a fixed order, and nothing parted that belongs together."""

from __future__ import annotations

from collections import Counter

import pytest

from ecgsdk.dataset.split import TEST, shuffled_place, split_records

GROUPS = ["norm", "afib", "lbbb"] * 50


def chosen_to_test(groups, units, seed=1, share=0.2):
    return {i for i, placed in enumerate(split_records(groups, units, seed, share)) if placed == TEST}


def test_each_group_has_its_share():
    counts = Counter(GROUPS[i] for i in chosen_to_test(GROUPS, range(150)))
    assert counts == {"norm": 10, "afib": 10, "lbbb": 10}


def test_the_first_by_hash_test():
    order = sorted(range(0, 150, 3), key=lambda i: shuffled_place("split", 1, i))
    assert chosen_to_test(GROUPS, range(150)) & set(range(0, 150, 3)) == set(order[:10])


def test_the_place_is_the_documented_hash():
    assert shuffled_place("split", 2023, 7).hex().startswith("aed92b903d08abe0")


def test_a_larger_share_keeps_the_test_set():
    assert chosen_to_test(GROUPS, range(150), share=0.2) < chosen_to_test(GROUPS, range(150), share=0.4)


def test_another_seed_draws_another_test_set():
    assert chosen_to_test(GROUPS, range(150), seed=1) != chosen_to_test(GROUPS, range(150), seed=2)


def test_no_share_is_no_test_set():
    assert chosen_to_test(GROUPS, range(150), share=0.0) == set()


@pytest.mark.parametrize("share", [0.1, 0.3])
def test_units_stay_together_even_across_groups(share):
    units = [i % 40 for i in range(150)]
    chosen = chosen_to_test(GROUPS, units, share=share)
    assert not {units[i] for i in chosen} & {units[i] for i in range(150) if i not in chosen}
    counts = Counter(GROUPS[i] for i in chosen)
    assert all(50 * share - 4 < counts[group] <= 50 * share for group in counts)
