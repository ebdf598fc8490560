"""Calls on real and on synthetic ECGs: counts whose answer is known, and the section made of them."""

from __future__ import annotations

import numpy as np
import pytest

from ecgsdk.conditions import Condition
from ecgsdk.validation.agreement.calls import (
    FixedCalls,
    cohens_kappa,
    group_members,
    matched_pairs,
    rate_difference_interval,
    record_pairs,
    split_rates,
)
from ecgsdk.validation.agreement.section import section
from ecgsdk.validation.results import Failure, Section, Table

NORM, AFIB, LVH = Condition(("NORM",)), Condition(("AFIB",)), Condition(("LVH", "STTC"))


def columns(*names: str) -> np.ndarray:
    """Calls by record and label from one string a label: "1" is called."""
    return np.array([[character == "1" for character in name] for name in names]).T


class TestPairs:
    def test_of_records_are_counted_by_both_calls(self) -> None:
        found = record_pairs(columns("1100", "1111"), columns("1010", "0000"))
        np.testing.assert_array_equal(found, [[[1, 1], [1, 1]], [[0, 0], [4, 0]]])

    def test_of_one_key_are_all_its_pairs(self) -> None:
        found = matched_pairs(columns("110"), "aab", columns("10"), "aa")
        # Each of the two called records of a meets a called and an uncalled one, half a time each; b has no partner.
        np.testing.assert_allclose(found, [[[0, 0], [1, 1]]])

    def test_within_one_set_pair_no_record_with_itself(self) -> None:
        found = matched_pairs(columns("1101"), "aaab")
        # 1 meets 1 and 0; the other 1 likewise; 0 meets two 1s; b is alone.
        np.testing.assert_allclose(found, [[[0, 1], [1, 1]]])

    def test_expectation_is_that_of_random_partners(self) -> None:
        generator = np.random.default_rng(0)
        calls, keys = generator.random((60, 1)) < 0.4, generator.integers(0, 5, 60).tolist()
        drawn = np.zeros((1, 2, 2))
        for _ in range(2_000):
            partner = [generator.choice([j for j in range(60) if keys[j] == keys[i] and j != i]) for i in range(60)]
            drawn += record_pairs(calls, calls[partner])
        np.testing.assert_allclose(matched_pairs(calls, keys), drawn / 2_000, atol=0.3)


class TestKappa:
    def test_is_that_of_a_worked_example(self) -> None:
        # Two readers, 50 proposals: 20 and 15 alike, 5 and 10 apart: observed 0.7, by chance 0.5.
        assert cohens_kappa(np.array([[[15.0, 10.0], [5.0, 20.0]]])) == pytest.approx(0.4)

    def test_is_one_for_equal_and_zero_for_independent_calls(self) -> None:
        tables = np.array([[[30.0, 0.0], [0.0, 10.0]], [[9.0, 3.0], [3.0, 1.0]]])
        np.testing.assert_allclose(cohens_kappa(tables), [1, 0], atol=1e-12)

    def test_is_unknown_where_only_one_call_is_made(self) -> None:
        assert np.isnan(cohens_kappa(np.array([[[40.0, 0.0], [0.0, 0.0]], [[0.1 + 0.2, 0.0], [0.0, 0.0]]]))).all()


class TestRates:
    def test_difference_has_newcombes_interval(self) -> None:
        # Newcombe 1998, Statistics in Medicine 17:873, table II, (a) 56/70 and 48/80, method 10.
        low, high = rate_difference_interval((48 / 80, 80), (56 / 70, 70))
        assert (low, high) == pytest.approx((0.0524, 0.3339), abs=5e-5)

    def test_of_halves_are_shares_of_disjoint_records_and_of_the_twins_of_the_other_half(self) -> None:
        real = np.arange(10)[:, None] < 5
        found = split_rates(real, real, paired=True, splits=50, generator=np.random.default_rng(0))
        np.testing.assert_allclose(found[:, 0] + found[:, 1], 1)
        np.testing.assert_array_equal(found[:, 1], found[:, 2])
        assert len(np.unique(found[:, 0])) > 1

    def test_of_unpaired_records_draw_as_many_synthetic_ones(self) -> None:
        synthetic = np.ones((100, 1), dtype=bool)
        found = split_rates(~synthetic[:10], synthetic, paired=False, splits=3, generator=np.random.default_rng(0))
        np.testing.assert_array_equal(found[:, :, 0], [[0, 0, 1]] * 3)

    def test_of_a_single_record_are_unknown(self) -> None:
        one = np.ones((1, 2), dtype=bool)
        assert np.isnan(split_rates(one, one, paired=True, splits=1, generator=np.random.default_rng(0))).all()


def test_groups_may_overlap_and_others_have_a_group_of_their_own() -> None:
    both = Condition(("AFIB", "LVH"))
    members = group_members([NORM, both, Condition(("PVC",)), AFIB])
    assert {name: list(rows) for name, rows in members.items() if len(rows)} == {
        "norm": [0],
        "afib": [1, 3],
        "lvh": [1],
        "other": [2],
    }


def outcome(paired: bool = True, n: int = 40, shift: float = 0.0) -> FixedCalls:
    """A device that calls AFIB perfectly on real ECGs and, on synthetic ones, misses a share `shift` of them."""
    conditions = (NORM, AFIB) * n
    truth = np.array([condition is AFIB for condition in conditions], dtype=float)
    missed = (np.arange(2 * n) < 2 * n * shift) * truth
    real = np.stack([0.1 + 0.8 * truth, np.full(2 * n, 0.3)], axis=1)
    synthetic = np.stack([0.1 + 0.8 * (truth - missed), np.full(2 * n, 0.3)], axis=1)
    return FixedCalls(
        "Scribe 2", ("fibrillation", "noise"), {"fibrillation": ("AFIB", "AFLT")}, np.array([0.5, 0.5]),
        real, synthetic, conditions, conditions, paired,
    )  # fmt: skip


def table(found: Section, name: str) -> Table:
    return next(table for table in found.tables if table.name == name)


class TestSection:
    def test_of_equal_calls_is_at_its_floor(self) -> None:
        found = section([outcome()])
        values = {measure.name: (measure.value, measure.floor) for measure in found.measures}
        assert values == {
            "agreement_scribe_2_call_rate_difference": (0, 0),
            "agreement_scribe_2_auroc": (1, 1),
            "agreement_scribe_2_kappa": (1, 1),
        }

    @pytest.mark.parametrize("paired", [True, False])
    def test_of_missed_calls_says_how_many(self, paired: bool) -> None:
        found = section([outcome(paired, shift=0.5)])
        rates = found.measure("agreement_scribe_2_call_rate_difference")
        # Half of the calls in one of two groups, for one of two labels: 50 / 4.
        assert rates is not None
        assert rates.value == pytest.approx(12.5, abs=1.5)
        assert rates.floor == 0
        rows = {row[3]: row for row in table(found, "agreement_scribe_2_statements").rows}
        assert rows["AUROC"][:3] == ("fibrillation", 40, 40)
        assert rows["AUROC"][4:7] == (1, pytest.approx(0.75), pytest.approx(-0.25))
        assert rows["sensitivity"][4:7] == (1, 0.5, -0.5)
        assert rows["specificity"][4:] == (1, 1, 0, 0, 0)
        low, high = rows["sensitivity"][7:]
        assert -0.7 < low < -0.5 < high < -0.3  # type: ignore[operator]
        assert table(found, "agreement_scribe_2_calls").rows[0][:6] == ("fibrillation", "AFIB, AFLT", 50, 25, 75, 100)
        kappa = found.measure("agreement_scribe_2_kappa")
        assert kappa is not None
        assert (kappa.value, kappa.floor) == (pytest.approx(0.5), 1)

    def test_leaves_out_pairs_of_which_only_the_real_record_carries_the_label(self) -> None:
        base = outcome()
        asked = tuple(NORM if i < 10 else c for i, c in enumerate(base.real_conditions))
        found = section([
            FixedCalls(
                base.name, base.labels, base.statements, base.thresholds, base.real, base.synthetic,
                base.real_conditions, asked,
            )
        ])  # fmt: skip
        row = table(found, "agreement_scribe_2_statements").rows[0]
        assert row[1:6] == (35, 35, "AUROC", 1, 1)

    def test_shows_the_largest_group_difference_first(self) -> None:
        rows = table(section([outcome(shift=0.5)]), "agreement_scribe_2_groups").rows
        assert rows[0][:6] == ("afib", "fibrillation", 40, 100, 50, -50)
        low, high = rows[0][6:]
        assert low < -50 < high < 0  # type: ignore[operator]

    def test_counts_labels_without_a_mapping_but_compares_them_with_no_statement(self) -> None:
        found = section([outcome()])
        assert {row[0] for row in table(found, "agreement_scribe_2_statements").rows} == {"fibrillation"}
        assert table(found, "agreement_scribe_2_calls").rows[1] == ("noise", None, 0, 0, 100, 100, None, None)

    def test_leaves_small_groups_and_rare_labels_open(self) -> None:
        found = section([outcome(n=4)])
        assert [measure.value for measure in found.measures] == [None, None, 1]
        assert table(found, "agreement_scribe_2_statements").rows[0][4:] == (None,) * 5
        assert table(found, "agreement_scribe_2_groups").rows == ()

    def test_of_no_records_is_all_open(self) -> None:
        empty = FixedCalls("none", ("a",), {}, np.array([0.5]), np.empty((0, 1)), np.empty((0, 1)), (), ())
        assert [measure.value for measure in section([empty]).measures] == [None, None, None]

    def test_gives_classifiers_of_one_name_figures_of_their_own(self) -> None:
        names = [measure.name for measure in section([outcome(), outcome()]).measures]
        assert len(set(names)) == 6

    def test_is_the_same_again_and_passes_notes_and_failures_on(self) -> None:
        failure = Failure("classifier other", "no licence")
        first, second = (section([outcome(shift=0.3)], notes=["n"], failures=[failure], seed=4) for _ in range(2))
        assert first == second
        assert first.notes[0] == "n"
        assert first.failures == (failure,)

    def test_only_records_with_a_partner_enter_kappa(self) -> None:
        base = outcome()
        conditions = (LVH, *base.real_conditions[1:])
        lone = FixedCalls(
            base.name, base.labels, base.statements, base.thresholds, base.real, base.synthetic, conditions, conditions
        )
        kappa = section([lone]).measure("agreement_scribe_2_kappa")
        assert kappa is not None
        assert kappa.n == 79

    def test_inputs_that_do_not_go_together_are_refused(self) -> None:
        base = outcome()
        with pytest.raises(ValueError, match="do not go together"):
            FixedCalls("x", ("a",), {}, base.thresholds, base.real, base.synthetic, (), ())
        with pytest.raises(ValueError, match="paired"):
            FixedCalls(
                base.name, base.labels, base.statements, base.thresholds,
                base.real, base.synthetic[:4], base.real_conditions, base.synthetic_conditions[:4],
            )  # fmt: skip
