"""Lead names in any writing, and the arithmetic from 8 to 12 leads."""

from __future__ import annotations

import numpy as np
import pytest

from ecgsdk.errors import DataError
from ecgsdk.leads import INDEPENDENT_LEADS, LEADS, fill_derived_leads, lead_indices, to_eight, to_twelve


def test_leads_are_found_in_any_order_and_case() -> None:
    names = ["v6", "Lead aVR", "AVL", "avf", "i", " II", "iii", "V1", "v2", "V3", "V4", "lead V5"]
    assert [names[i] for i in lead_indices(names)][:4] == ["i", " II", "iii", "Lead aVR"]
    assert lead_indices(LEADS) == list(range(12))
    assert lead_indices(LEADS[::-1]) == list(range(11, -1, -1))


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ((*LEADS[:-1], "V7"), "'V7' is not one of"),
        (LEADS[:-2], "V5, V6 missing"),
        ((*LEADS, "avr"), "aVR occurs twice"),
        ((), "I, II, III"),
    ],
)
def test_other_leads_are_refused_by_name(names: tuple[str, ...], message: str) -> None:
    with pytest.raises(DataError, match=message):
        lead_indices(names)


def test_twelve_leads_from_known_values() -> None:
    eight = np.array([1.0, 3.0, 10, 20, 30, 40, 50, 60], dtype=np.float32)[:, None]
    assert to_twelve(eight)[:, 0].tolist() == [1.0, 3.0, 2.0, -2.0, -0.5, 2.5, 10, 20, 30, 40, 50, 60]


def test_lead_equations_hold_for_every_sample() -> None:
    eight = np.random.default_rng(1).normal(size=(3, 8, 50)).astype(np.float32)
    twelve = dict(zip(LEADS, np.moveaxis(to_twelve(eight), 1, 0), strict=True))
    np.testing.assert_allclose(twelve["I"] + twelve["III"], twelve["II"], atol=1e-6)
    np.testing.assert_allclose(twelve["aVR"] + twelve["aVL"] + twelve["aVF"], 0, atol=1e-6)


def test_eight_leads_are_those_that_twelve_are_made_of() -> None:
    eight = np.random.default_rng(2).normal(size=(3, 8, 50)).astype(np.float32)
    twelve = to_twelve(eight)
    assert twelve.dtype == np.float32
    np.testing.assert_array_equal(to_eight(twelve), eight)
    assert [LEADS.index(name) for name in INDEPENDENT_LEADS] == [0, 1, 6, 7, 8, 9, 10, 11]


def test_derived_leads_are_filled_in_place_and_the_others_stay() -> None:
    twelve = to_twelve(np.random.default_rng(3).normal(size=(3, 8, 50)).astype(np.float32))
    spoilt = twelve.copy()
    spoilt[:, 2:6] = np.nan
    assert fill_derived_leads(spoilt) is spoilt
    np.testing.assert_array_equal(spoilt, twelve)
