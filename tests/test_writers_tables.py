"""CSV and Parquet as the csv module and pyarrow see them, and the blocks that row groups are made of."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet
import pytest

from ecgsdk.batch import ECGBatch, Provenance
from ecgsdk.leads import LEADS
from ecgsdk.writers import open_writer
from ecgsdk.writers.blocks import Blocks
from ecgsdk.writers.csv import RECORD_COLUMNS


def write(path: Path, batch: ECGBatch, format: str | None = None) -> Path:
    facts = {"sampling_rate": batch.sampling_rate, "total": len(batch), "provenance": batch.provenance}
    with open_writer(path, format, **facts) as writer:  # type: ignore[arg-type]
        writer.write(batch)
    return path


def only(batch: ECGBatch, i: int) -> ECGBatch:
    part = slice(i, i + 1)
    return replace(
        batch, signals=batch.signals[part], conditions=batch.conditions[part], identifiers=batch.identifiers[part]
    )


def table(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, strict=True))


def millivolts(rows: list[dict[str, str]]) -> np.ndarray:
    return np.array([[float(row[lead]) for row in rows] for lead in LEADS])


def test_csv_folder_has_a_table_a_record_and_one_of_the_records(tmp_path: Path, real_batch: ECGBatch) -> None:
    folder = write(tmp_path / "records", real_batch, "csv")
    records = table(folder / "records.csv")
    assert [record["file"] for record in records] == [f"{i:06d}.csv" for i in range(6)]
    assert sorted(path.name for path in folder.iterdir()) == [*(f"{i:06d}.csv" for i in range(6)), "records.csv"]
    for record, name, condition, signals in zip(
        records, real_batch.identifiers, real_batch.conditions, real_batch.signals, strict=True
    ):
        rows = table(folder / record["file"])
        assert list(rows[0]) == ["time_s", *LEADS]
        assert [float(row["time_s"]) for row in rows] == [i / 100 for i in range(1000)]
        np.testing.assert_allclose(millivolts(rows), signals, atol=1e-6)
        assert (record["identifier"], record["synthetic"]) == (name, "false")
        assert record["statements"] == "+".join(condition.statements)
        assert record["model"] == record["seed"] == ""


def test_csv_records_tell_condition_and_origin_exactly(tmp_path: Path, synthetic_batch: ECGBatch) -> None:
    exact = replace(synthetic_batch.conditions[2], heart_rate=110.0 + 1 / 3)
    batch = replace(
        synthetic_batch, conditions=(*synthetic_batch.conditions[:2], exact, *synthetic_batch.conditions[3:])
    )
    records = table(write(tmp_path / "records", batch, "csv") / "records.csv")
    assert list(records[0]) == ["file", *RECORD_COLUMNS]
    for record, condition in zip(records, batch.conditions, strict=True):
        told = {name: value for name, value in record.items() if value}
        assert Provenance.from_dict(told) == batch.provenance
        assert (told["synthetic"], float(told["sampling_rate"])) == ("true", 100)
        assert tuple(filter(None, record["statements"].split("+"))) == condition.statements
        for name in ("heart_rate", "age"):
            assert (float(told[name]) if name in told else None) == getattr(condition, name)
        assert (record["sex"] or None) == condition.sex


def test_csv_samples_are_whole_microvolts_that_keep_the_lead_equations(
    tmp_path: Path, synthetic_batch: ECGBatch
) -> None:
    folder = write(tmp_path / "records", synthetic_batch, "csv")
    for i, signals in enumerate(synthetic_batch.signals):
        read = millivolts(table(folder / f"{i:06d}.csv"))
        chosen = [0, 1, 6, 7, 8, 9, 10, 11]
        np.testing.assert_allclose(read[chosen], signals[chosen], atol=0.5005e-3)
        np.testing.assert_allclose(read[0] + read[2], read[1], atol=1e-9)


def test_csv_extremes_and_signs(tmp_path: Path, real_batch: ECGBatch) -> None:
    batch = only(real_batch, 0)
    signals = np.zeros((1, 12, 5), dtype=np.float32)
    signals[0, 0] = (32.767, -32.767, -0.001, 0.0004, 1.5)
    lines = write(tmp_path / "x.csv", replace(batch, signals=signals), None).read_text().splitlines()
    assert [line.split(",")[1] for line in lines[1:]] == ["32.767", "-32.767", "-0.001", "0.000", "1.500"]


def test_a_single_csv_file_says_in_each_row_what_it_is(tmp_path: Path, synthetic_batch: ECGBatch) -> None:
    batch = replace(only(synthetic_batch, 2), identifiers=('a,"b"\nc',))
    rows = table(write(tmp_path / "x.csv", batch))
    assert list(rows[0]) == ["time_s", *LEADS, *RECORD_COLUMNS]
    assert len(rows) == 300
    np.testing.assert_allclose(millivolts(rows), batch.signals[0], atol=0.00151)
    said = [{name: row[name] for name in RECORD_COLUMNS} for row in rows]
    assert all(facts == said[0] for facts in said)
    assert (said[0]["identifier"], said[0]["statements"], said[0]["synthetic"]) == ('a,"b"\nc', "AFIB+LVH", "true")
    assert Provenance.from_dict({name: value for name, value in said[0].items() if value}) == batch.provenance


def test_parquet_has_a_row_a_record(tmp_path: Path, synthetic_batch: ECGBatch) -> None:
    frame = pyarrow.parquet.read_table(write(tmp_path / "x.parquet", synthetic_batch))
    assert frame.column_names == ["identifier", "statements", "heart_rate", "age", "sex", *LEADS]
    assert frame["identifier"].to_pylist() == list("01234")
    conditions = synthetic_batch.conditions
    assert frame["statements"].to_pylist() == [list(condition.statements) for condition in conditions]
    for name in ("heart_rate", "age", "sex"):
        assert frame[name].to_pylist() == [getattr(condition, name) for condition in conditions]
    assert {str(frame.schema.field(lead).type) for lead in LEADS} == {"list<element: float>"}
    signals = np.array([frame[lead].to_pylist() for lead in LEADS]).transpose(1, 0, 2)
    np.testing.assert_allclose(signals, synthetic_batch.signals, atol=0.00151)
    chosen = [0, 1, 6, 7, 8, 9, 10, 11]
    np.testing.assert_allclose(signals[:, chosen], synthetic_batch.signals[:, chosen], atol=0.5005e-3)
    np.testing.assert_allclose(signals[:, 0] + signals[:, 2], signals[:, 1], atol=1e-6)


def test_parquet_metadata_tell_origin_rate_and_units(tmp_path: Path, synthetic_batch: ECGBatch) -> None:
    metadata = pyarrow.parquet.read_schema(write(tmp_path / "x.parquet", synthetic_batch)).metadata
    told = {name.decode(): value.decode() for name, value in metadata.items()}
    assert Provenance.from_dict(json.loads(told.pop("provenance"))) == synthetic_batch.provenance
    assert json.loads(told.pop("leads")) == list(LEADS)
    assert told == {
        "format": "ecgsdk",
        "format_version": "1",
        "sampling_rate": "100.0",
        "units": "mV",
        "synthetic": "true",
    }


def test_parquet_of_real_ecgs_has_no_provenance(tmp_path: Path, real_batch: ECGBatch) -> None:
    path = write(tmp_path / "x.parquet", real_batch)
    metadata = pyarrow.parquet.read_schema(path).metadata
    assert (metadata[b"synthetic"], metadata[b"provenance"]) == (b"false", b"null")
    frame = pyarrow.parquet.read_table(path)
    np.testing.assert_allclose(np.array(frame["V3"].to_pylist()), real_batch.signals[:, 8], atol=1e-6)


def test_parquet_row_groups_are_bounded(tmp_path: Path, real_batch: ECGBatch, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ecgsdk.writers.parquet._ROW_GROUP_BYTES", 4 * 12 * 1000 * 4)
    with open_writer(tmp_path / "x.parquet", sampling_rate=100, total=18, provenance=None) as writer:
        for _ in range(3):
            writer.write(real_batch)
    file = pyarrow.parquet.ParquetFile(tmp_path / "x.parquet")
    groups = [file.metadata.row_group(i).num_rows for i in range(file.num_row_groups)]
    assert groups == [4, 4, 4, 4, 2]
    assert file.read()["identifier"].to_pylist() == list(real_batch.identifiers) * 3


@pytest.mark.parametrize("sizes", [[1] * 7, [3, 4], [7], [2, 5]])
def test_blocks_do_not_depend_on_how_records_come(sizes: list[int]) -> None:
    blocks: Blocks[int] = Blocks(3)
    signals, rows, given = np.arange(7).reshape(7, 1, 1), list(range(7)), []
    first = 0
    for size in sizes:
        given += blocks.add(signals[first : first + size], rows[first : first + size])
        first += size
    given += blocks.rest()
    assert [block_rows for _, block_rows in given] == [[0, 1, 2], [3, 4, 5], [6]]
    assert [block.ravel().tolist() for block, _ in given] == [[0, 1, 2], [3, 4, 5], [6]]
    assert list(blocks.rest()) == []
