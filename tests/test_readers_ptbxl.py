"""PTB-XL: signals as the wfdb package reads them, conditions as the tables say, damage in one line."""

from __future__ import annotations

import csv
import pickle
import shutil
from pathlib import Path

import numpy as np
import pytest
import wfdb

from ecgsdk.conditions import Condition
from ecgsdk.errors import DataError
from ecgsdk.readers import read_ecgs, read_ptbxl

ROW = {"ecg_id": "3", "age": "60", "sex": "0", "scp_codes": "{'NORM': 100.0}", "strat_fold": "1"}


@pytest.fixture
def make_ptbxl(ptbxl_folder: Path, tmp_path: Path):
    """A PTB-XL folder of the shipped record 3 with rows of one's own."""

    def make(*rows: dict[str, str]) -> Path:
        shutil.copytree(ptbxl_folder, tmp_path, dirs_exist_ok=True)
        name = "00000/00003"
        files = {"filename_lr": f"records100/{name}_lr", "filename_hr": f"records500/{name}_hr"}
        with (tmp_path / "ptbxl_database.csv").open("w", newline="") as file:
            writer = csv.DictWriter(file, [*ROW, *files], restval="", extrasaction="ignore")
            writer.writeheader()
            writer.writerows({**ROW, **files, **row} for row in rows)
        return tmp_path

    return make


@pytest.mark.parametrize(("rate", "suffix"), [(100, "lr"), (500, "hr")])
def test_signals_are_those_of_the_wfdb_package(ptbxl_folder: Path, rate: int, suffix: str) -> None:
    source = read_ptbxl(ptbxl_folder, sampling_rate=rate)
    assert (len(source), source.samples, source.sampling_rate) == (6, 10 * rate, rate)
    for batch in source.batches(4):
        assert batch.signals.dtype == np.float32
        for name, signals in zip(batch.identifiers, batch.signals, strict=True):
            path = ptbxl_folder / f"records{rate}" / "00000" / f"{int(name):05d}_{suffix}"
            np.testing.assert_allclose(signals, wfdb.rdrecord(str(path)).p_signal.T, atol=1e-6)


def test_conditions_and_folds_are_known_without_signals(ptbxl_folder: Path) -> None:
    source = read_ptbxl(ptbxl_folder)
    assert source.identifiers == ("3", "137", "141", "286", "351", "424")
    assert source.folds == (5, 8, 2, 6, 4, 5)
    assert source.conditions[0] == Condition(("NORM", "SR"), None, 37.0, "F")
    assert source.conditions[2] == Condition(("1AVB", "NDT", "SR", "STTC"), None, 80.0, "M")
    assert [condition.groups() for condition in source.conditions] == [
        (group,) for group in ("norm", "lvh", "1avb", "lbbb", "afib", "rbbb")
    ]
    assert not source.synthetic


def test_batches_are_consecutive_and_complete(ptbxl_folder: Path) -> None:
    source = read_ptbxl(ptbxl_folder)
    assert [len(batch) for batch in source.batches(4)] == [4, 2]
    joined = np.concatenate([batch.signals for batch in source.batches(4)])
    np.testing.assert_array_equal(joined, source.read(range(6)))


def test_folds_and_selection_choose_records(ptbxl_folder: Path) -> None:
    source = read_ptbxl(ptbxl_folder, folds=[5, 8])
    assert source.identifiers == ("3", "137", "424")
    chosen = source.select([2, 0])
    assert (chosen.identifiers, chosen.folds) == (("424", "3"), (5, 5))
    np.testing.assert_array_equal(chosen.read([0]), source.read([2]))
    assert pickle.loads(pickle.dumps(chosen)).read([1]).shape == (1, 12, 1000)


def test_read_ecgs_knows_ptbxl(ptbxl_folder: Path) -> None:
    assert read_ecgs(ptbxl_folder).sampling_rate == 100
    source = read_ecgs(str(ptbxl_folder), sampling_rate=500, seconds=2.5, folds=[5])
    assert (len(source), source.samples) == (2, 1250)
    assert next(source.batches()).signals.shape == (2, 12, 1250)


def test_superclasses_ages_and_likelihoods(make_ptbxl) -> None:
    folder = make_ptbxl(
        {"scp_codes": "{'IMI': 35.0, 'AFIB': 0.0}", "age": "300.0", "sex": "1"},
        {"scp_codes": "{'MI': 100.0}", "age": "", "sex": ""},
        {"scp_codes": "{'ISC_': 80.0, 'UNHEARD': 100}", "age": "89.0"},
        {"scp_codes": "{}"},
    )
    assert read_ptbxl(folder).conditions == (
        Condition(("IMI", "AFIB", "MI"), None, 90.0, "F"),
        Condition(("MI",), None, None, None),
        Condition(("ISC_", "UNHEARD", "STTC"), None, 89.0, "M"),
        Condition((), None, 60.0, "M"),
    )
    assert read_ptbxl(folder, min_likelihood=50).conditions[0].statements == ("AFIB",)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"scp_codes": "{'NORM': "}, "line 3"),
        ({"scp_codes": "['NORM']"}, "line 3"),
        ({"scp_codes": "__import__('os').getcwd()"}, "line 3"),
        ({"scp_codes": "{'NORM': 'high'}"}, "line 3"),
        ({"age": "old"}, "line 3"),
        ({"strat_fold": ""}, "line 3"),
        ({"filename_lr": ""}, "record 3 has no file at 100 Hz"),
        ({"filename_lr": "records100/00000/00009_lr"}, "00009_lr.hea is missing"),
    ],
)
def test_damaged_row_is_named(make_ptbxl, row: dict[str, str], message: str) -> None:
    with pytest.raises(DataError, match=message) as caught:
        read_ptbxl(make_ptbxl({}, row))
    assert "\n" not in str(caught.value)


def test_missing_500_hz_files_are_no_harm_at_100_hz(make_ptbxl) -> None:
    folder = make_ptbxl({"filename_hr": ""})
    assert len(read_ptbxl(folder)) == 1
    with pytest.raises(DataError, match="no file at 500 Hz"):
        read_ptbxl(folder, sampling_rate=500)


@pytest.mark.parametrize("name", ["ptbxl_database.csv", "scp_statements.csv"])
def test_missing_table_and_column_are_named(make_ptbxl, name: str) -> None:
    folder = make_ptbxl({})
    (folder / name).write_text("ecg_id,description\n1,nothing\n")
    with pytest.raises(DataError, match=f"{name} has no column"):
        read_ptbxl(folder)
    (folder / name).write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DataError, match=f"{name} is damaged"):
        read_ptbxl(folder)
    (folder / name).unlink()
    with pytest.raises(DataError, match=f"cannot read .*{name}"):
        read_ptbxl(folder)


def test_other_rates_and_empty_folds_are_refused(ptbxl_folder: Path) -> None:
    with pytest.raises(DataError, match="ask for 100 or 500"):
        read_ptbxl(ptbxl_folder, sampling_rate=250)
    with pytest.raises(DataError, match=r"no records in folds \[10\]"):
        read_ptbxl(ptbxl_folder, folds=[10])


def test_truncated_signal_file_is_named(make_ptbxl) -> None:
    folder = make_ptbxl({})
    path = folder / "records100/00000/00003_lr.dat"
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(DataError, match="00003_lr.dat is truncated"):
        next(read_ptbxl(folder).batches())


def test_the_shared_sample_is_read(shared_data: Path) -> None:
    source = read_ptbxl(shared_data / "ptbxl500", sampling_rate=500)
    assert len(source) == 434
    assert next(source.batches(2)).signals.shape == (2, 12, 5000)
