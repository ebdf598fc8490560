"""Which records of a file of synthetic ECGs are tested on, and what is said where too few can be."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from ecgsdk.conditions import GROUPS, Condition
from ecgsdk.errors import DataError
from ecgsdk.readers import ECGSource
from ecgsdk.validation.pairs import FEWEST, matched

STATEMENTS = {"norm": "NORM", "afib": "AFIB", "lbbb": "CLBBB", "lvh": "LVH", "none": "PVC"}


def source(name, **counts):
    """Records of these groups; "none" for those of no standard group."""
    conditions = tuple(Condition((STATEMENTS[group],)) for group, n in counts.items() for _ in range(n))
    names = tuple(f"{name}{i}" for i in range(len(conditions)))
    return ECGSource(name, 100.0, 1000, conditions, names, (None,) * len(names), read=lambda chosen: None)


def groups_of(source, positions):
    return [source.conditions[i].groups() for i in positions]


def test_pairs_are_of_the_same_groups_and_each_record_is_used_once():
    real, made = source("real", norm=300, afib=40, none=200), source("made.h5", norm=500, afib=500, lvh=500, none=500)
    positions, chosen = matched(real, made, seed=0)
    assert groups_of(real, positions) == groups_of(made, chosen)
    assert len(set(positions)) == len(set(chosen)) == len(positions)
    assert Counter(groups_of(real, positions)) == {("norm",): 125, ("afib",): 40}
    assert (np.diff(positions) > 0).all()


def test_the_whole_file_is_looked_through_for_candidates():
    """Few real test records with a group: each finds a partner in a file of as few as a thousand records."""
    real = source("real", norm=36, lvh=8, afib=6, lbbb=3, none=28)
    made = source("made.h5", norm=250, lvh=250, afib=250, lbbb=250)
    positions, chosen = matched(real, made, seed=0)
    assert len(positions) == 53
    assert len(made) - len(chosen) == 947


def test_three_quarters_of_each_group_are_left_to_train():
    real, made = source("real", norm=1000, afib=1000), source("made.h5", norm=400, afib=40, none=560)
    _, chosen = matched(real, made, seed=0)
    assert Counter(groups_of(made, chosen)) == {("norm",): 100, ("afib",): 10}


def test_half_is_tested_on_where_a_quarter_makes_few_pairs():
    real, made = source("real", norm=1000), source("made.h5", norm=120)
    assert len(matched(real, made, seed=0)[0]) == 60


def test_the_draw_is_the_seeds_and_not_that_of_the_order_in_the_file():
    real, made = source("real", norm=100), source("made.h5", norm=1000)
    first, again, other = (matched(real, made, seed=seed)[1].tolist() for seed in (0, 0, 1))
    assert first == again != other
    assert max(first) > 500


def of_statements(*several):
    conditions = tuple(Condition(tuple(statements)) for statements in several)
    names = tuple(map(str, range(len(conditions))))
    return ECGSource("made.h5", 100.0, 1000, conditions, names, (None,) * len(names), read=lambda chosen: None)


def test_a_message_names_all_groups_up_to_eight():
    real, codes = source("real", norm=500), [codes[0] for codes in GROUPS.values()]
    with pytest.raises(DataError, match=r"\(1 norm, 1 afib, 1 1avb, 1 \w+, 1 \w+, 1 \w+\)"):
        matched(real, of_statements(*([code] for code in codes)), seed=0)
    doubled = [[first, second] for first in codes[1:4] for second in codes[1:] if first < second]
    many = of_statements(*([code] for code in codes), *doubled)
    combinations = len({condition.groups() for condition in many.conditions})
    with pytest.raises(DataError, match=rf", and {combinations - 8} more\)") as error:
        matched(real, many, seed=0)
    assert str(error.value).count(" 1 ") <= 8


@pytest.mark.parametrize(
    ("real", "made", "said"),
    [
        (
            {"norm": 15, "none": 66},
            {"norm": 500, "afib": 500},
            r"made.h5: 15 pairs .* 20 are needed; 15 of 81 real test .* give more real ECGs to test on \(--test",
        ),
        (
            {"norm": 500},
            {"norm": 30, "none": 970},
            r"15 pairs .* and 30 of 1000 synthetic records \(30 norm\), .*; generate more ECGs .* groups \(500 norm\)$",
        ),
        (
            {"norm": 500},
            {"afib": 1000},
            r"0 pairs .* 1000 of 1000 synthetic records \(1000 afib\).*; generate more .* \(500 norm\)$",
        ),
        ({"none": 50}, {"none": 50}, r"0 of 50 real .* 0 of 50 .*\(none\).* give more real ECGs .* and generate more"),
    ],
)
def test_too_few_pairs_name_the_side_that_is_short(real, made, said):
    assert FEWEST == 20
    with pytest.raises(DataError, match=said):
        matched(source("real", **real), source("made.h5", **made), seed=0)
