"""Cohorts: which condition each record is asked for, and which rows are refused."""

from __future__ import annotations

import pytest

from ecgsdk.cohort import Cohort
from ecgsdk.conditions import GROUPS, Condition
from ecgsdk.errors import ConditionError, DataError


def write(tmp_path, text, encoding="utf-8"):
    path = tmp_path / "cohort.csv"
    path.write_text(text, encoding=encoding)
    return path


def test_one_condition_without_end():
    condition = Condition(("AFIB",), 80.0)
    cohort = Cohort.of(condition)
    assert cohort.length is None
    assert cohort.condition(0) == cohort.condition(10**9) == condition


def test_groups_take_turns():
    cohort = Cohort.from_groups(GROUPS)
    assert [cohort.condition(i).statements[0] for i in range(8)] == [
        "NORM", "AFIB", "1AVB", "CLBBB", "CRBBB", "LVH", "NORM", "AFIB",
    ]  # fmt: skip
    assert cohort.length is None


def test_a_group_record_shows_its_group():
    for name in GROUPS:
        assert name in Cohort.from_groups([name]).condition(0).groups()


def test_groups_share_the_rest_of_the_request():
    cohort = Cohort.from_groups(["norm", "lvh", "norm"], Condition(heart_rate=60.0, age=(40.0, 50.0), sex="F"))
    assert cohort.conditions == (
        Condition(("NORM",), 60.0, (40.0, 50.0), "F"),
        Condition(("LVH",), 60.0, (40.0, 50.0), "F"),
    )


def test_an_unknown_group_is_answered_with_the_nearest():
    with pytest.raises(ConditionError, match="unknown group 'lbb'; did you mean lbbb"):
        Cohort.from_groups(["norm", "lbb"])


def test_conditions_are_checked():
    with pytest.raises(ConditionError, match="NORM and LVH"):
        Cohort.of(Condition(("NORM", "LVH")))
    with pytest.raises(ConditionError, match="unknown statement 'AFIBB'"):
        Cohort.from_conditions([Condition(("NORM",)), Condition(("AFIBB",))])
    with pytest.raises(ConditionError, match="no condition"):
        Cohort.from_conditions([])


def test_a_list_of_conditions_ends():
    wanted = [Condition(("NORM",)), Condition(("LVH",))]
    cohort = Cohort.from_conditions(wanted)
    assert cohort.length == 2
    assert [cohort.condition(i) for i in range(2)] == wanted
    for index in (2, -1):
        with pytest.raises(ConditionError, match=f"no record {index}"):
            cohort.condition(index)


def test_rows_of_a_file_in_order(tmp_path):
    path = write(tmp_path, "age,sex,heart_rate,statements\n63,m,50:70,CLBBB+MI\n,,,\n,F,,NORM\n", "utf-8-sig")
    assert Cohort.from_csv(path).conditions == (
        Condition(("CLBBB", "MI"), (50.0, 70.0), 63.0, "M"),
        Condition(),
        Condition(("NORM",), sex="F"),
    )


def test_missing_columns_are_drawn(tmp_path):
    path = write(tmp_path, "Statements\nNORM\n AFIB + PVC \n")
    assert Cohort.from_csv(path).conditions == (Condition(("NORM",)), Condition(("AFIB", "PVC")))


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("NORM+LVH,,,", "NORM and LVH contradict"),
        ("AFBI,,,", "unknown statement 'AFBI'; did you mean .*AFIB"),
        ("NORM,fast,,", "heart_rate 'fast' is neither"),
        ("NORM,,80:70,", "age .* not a rising span"),
        ("NORM,,,X", "sex 'X' is unknown"),
        ("NORM,,,F,5", "more cells"),
    ],
)
def test_a_bad_row_is_named_with_file_and_line(tmp_path, row, said):
    path = write(tmp_path, f"statements,heart_rate,age,sex\nNORM,,,\n{row}\n")
    with pytest.raises(ConditionError, match=f"cohort.csv, line 3: .*{said}"):
        Cohort.from_csv(path)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "has no rows"),
        ("statements,age\n", "has no rows"),
        ("statement,age\nNORM,3\n", "unknown column 'statement'; did you mean statements"),
        ("NORM;70\n", "unknown column"),
        ("age,age\n3,4\n", "occurs twice"),
        ('statements\n"NORM\n', "not a CSV file"),
    ],
)
def test_a_file_that_is_no_cohort_is_refused(tmp_path, text, said):
    with pytest.raises(DataError, match=said):
        Cohort.from_csv(write(tmp_path, text))


def test_an_unreadable_file_is_named(tmp_path):
    with pytest.raises(DataError, match="cannot read .*nowhere.csv: No such file"):
        Cohort.from_csv(tmp_path / "nowhere.csv")
    with pytest.raises(DataError, match="not a CSV file in UTF-8"):
        Cohort.from_csv(write(tmp_path, "statements\nNORM\xe4\n", "latin-1"))


def test_how_many_records_are_made():
    endless, pair = Cohort.from_groups(["norm", "lvh"]), Cohort.from_conditions([Condition()] * 2)
    assert [endless.count(), endless.count(5, 7), pair.count(), pair.count(1), pair.count(1, 1)] == [2, 7, 2, 1, 1]
    for start, n in ((0, 3), (1, 2), (2, None)):
        with pytest.raises(ConditionError, match="the cohort has 2 in all"):
            pair.count(start, n)


def test_a_blank_line_is_refused_as_it_would_move_the_records_after_it(tmp_path):
    path = tmp_path / "cohort.csv"
    path.write_text("statements\nNORM\n\nLVH\n")
    with pytest.raises(ConditionError, match="line 3 is blank"):
        Cohort.from_csv(path)
    path.write_text('statements\nNORM\n""\nLVH\n\n')
    assert [c.statements for c in Cohort.from_csv(path).conditions] == [("NORM",), (), ("LVH",)]


def test_a_statement_asked_for_twice_counts_once():
    assert Cohort.of(Condition(("MI", "CLBBB", "MI"))).conditions[0].statements == ("MI", "CLBBB")
