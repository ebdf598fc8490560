"""CSV and Parquet files of other programs: what they do not say is asked for."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ecgsdk.batch import ECGBatch
from ecgsdk.errors import DataError
from ecgsdk.leads import INDEPENDENT_LEADS, LEADS, to_eight, to_twelve
from ecgsdk.readers import read_ecgs
from ecgsdk.writers import open_writer

MICROVOLTS = np.random.default_rng(5).integers(-900, 900, (12, 40)).astype(float)


def table(
    path: Path,
    head: str = ",".join(LEADS),
    signals: np.ndarray = MICROVOLTS,
    times: np.ndarray | None = None,
    delimiter: str = ",",
) -> Path:
    """A CSV file with a row a sample, and times first where there are some."""
    columns = signals if times is None else np.vstack([times, signals])
    lines = [delimiter.join(f"{value:.10g}" for value in row) for row in columns.T]
    path.write_text("\n".join([head, *lines] if head else lines) + "\n", encoding="utf-8")
    return path


def test_a_bare_table_needs_its_rate_and_its_unit(tmp_path: Path) -> None:
    path = table(tmp_path / "x.csv")
    with pytest.raises(DataError, match=r"x\.csv does not say its sampling rate; .*--input-rate"):
        read_ecgs(path)
    with pytest.raises(DataError, match=r"x\.csv does not say its unit; .*--input-unit"):
        read_ecgs(path, input_rate=250).read([0])
    source = read_ecgs(path, input_rate=250, input_unit="uV")
    assert (source.sampling_rate, source.samples, source.identifiers, source.synthetic) == (250, 40, ("x",), False)
    np.testing.assert_allclose(source.read([0])[0], MICROVOLTS / 1000, atol=1e-6)
    np.testing.assert_allclose(read_ecgs(path, input_rate=250, input_unit="2.5 uV").read([0])[0], MICROVOLTS / 400)


@pytest.mark.parametrize(
    ("time", "scale"), [("time_s", 1), ("time (s)", 1), ("t [ms]", 1e3), ("Time_us", 1e6), ("seconds", 1)]
)
@pytest.mark.parametrize(
    ("unit", "millivolts"), [("{}_uV", 1e-3), ("{} (mV)", 1), ("{} [V]", 1e3), ("ecg {}/µV", 1e-3)]
)
def test_rate_and_unit_from_the_names_of_columns(
    tmp_path: Path, time: str, scale: float, unit: str, millivolts: float
) -> None:
    head = ",".join([time, *(unit.format(lead) for lead in LEADS)])
    path = table(tmp_path / "x.csv", head, times=np.arange(40) / 360 * scale + 5)
    source = read_ecgs(path)
    assert source.sampling_rate == 360
    np.testing.assert_allclose(source.read([0])[0], MICROVOLTS * millivolts, rtol=1e-6)


def test_columns_may_be_named_by_the_user(tmp_path: Path) -> None:
    path = table(tmp_path / "x.csv", head="")
    with pytest.raises(DataError, match=r"does not say the names of its 12 signals; .*--input-leads"):
        read_ecgs(path)
    with pytest.raises(DataError, match="has 12 signals, but 2 input leads are stated"):
        read_ecgs(path, input_leads=["I", "II"])
    source = read_ecgs(path, input_leads=LEADS[::-1], input_rate=100, input_unit="mV")
    np.testing.assert_array_equal(source.read([0])[0], MICROVOLTS[::-1].astype(np.float32))
    assert source.samples == 40


def test_missing_limb_leads_are_computed_and_other_columns_left_out(tmp_path: Path) -> None:
    head = ",".join([*INDEPENDENT_LEADS, "resp"])
    path = table(tmp_path / "x.csv", head, np.vstack([to_eight(MICROVOLTS), MICROVOLTS[:1]]))
    signals = read_ecgs(path, input_rate=100, input_unit="uV").read([0])[0]
    np.testing.assert_allclose(signals, to_twelve(to_eight(MICROVOLTS)) / 1000, atol=1e-6)


def test_semicolons_and_decimal_commas(tmp_path: Path) -> None:
    path = table(tmp_path / "x.csv", ";".join(f"{lead} (mV)" for lead in LEADS), MICROVOLTS / 1000, delimiter=";")
    path.write_text("# made by a cart\n\n" + path.read_text().replace(".", ","))
    np.testing.assert_allclose(read_ecgs(path, input_rate=100).read([0])[0], MICROVOLTS / 1000, atol=1e-6)


@pytest.mark.parametrize("delimiter", [";", "\t"])
@pytest.mark.parametrize("whole", [False, True])
def test_decimal_commas_without_a_line_of_names(tmp_path: Path, delimiter: str, whole: bool) -> None:
    path = table(tmp_path / "x.csv", "", np.round(MICROVOLTS) + (0 if whole else 0.25), delimiter=delimiter)
    path.write_text(path.read_text().replace(".", ","))
    source = read_ecgs(path, input_rate=100, input_unit="uV", input_leads=LEADS)
    assert source.samples == 40
    np.testing.assert_allclose(source.read([0])[0], (MICROVOLTS + (0 if whole else 0.25)) / 1000, atol=1e-6)


def test_a_semicolon_in_a_name_divides_nothing(tmp_path: Path) -> None:
    path = table(
        tmp_path / "x.csv", ",".join([*LEADS, '"marker; of the cart"']), np.vstack([MICROVOLTS, MICROVOLTS[:1]])
    )
    np.testing.assert_allclose(read_ecgs(path, input_rate=100, input_unit="uV").read([0])[0], MICROVOLTS / 1000)


@pytest.mark.parametrize("identifier", ["", "two\nlines", 'a\n\n#"b",c', "a#b", "\n"])
@pytest.mark.parametrize("name", ["x.csv", "folder"])
def test_any_identifier_of_ours_is_read_back(
    synthetic_batch: ECGBatch, tmp_path: Path, name: str, identifier: str
) -> None:
    batch = replace(synthetic_batch[1:2], identifiers=(identifier,))
    with open_writer(tmp_path / name, "csv", sampling_rate=100, total=1, provenance=batch.provenance) as writer:
        writer.write(batch)
    source = read_ecgs(tmp_path / name)
    assert (source.identifiers, source.samples, source.conditions) == ((identifier,), 300, batch.conditions)
    np.testing.assert_allclose(source.read([0]), batch.signals, atol=0.0016)
    assert read_ecgs(tmp_path / name, seconds=1).read([0]).shape == (1, 12, 100)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda text: text.replace("V3", "V2"), "lead V2 occurs twice"),
        (lambda text: text.replace("V3", "W"), "lead V3 missing"),
        (lambda text: text.replace("V3", "V3_uV"), "leads are in different units"),
        (lambda text: "\n", "holds no samples"),
        (lambda text: text[: len(text) // 2] + "\nwords\n", r"line \d+: column \d+, lead V\d, is (missing|empty)"),
        (lambda text: text + "1," * 4 + "," + "1," * 6 + "1\n", r"line 42: column 5, lead aVL, is empty; fill the gap"),
        (lambda text: text + "1," * 4 + "x," + "1," * 6 + "1\n", "lead aVL, has 'x', which is no number"),
        (lambda text: text + "nan," * 11 + "1\n", "lead I has samples that are no numbers"),
        (lambda text: text + "1e999," * 11 + "1\n", "lead I has samples that are no numbers"),
    ],
)
def test_a_damaged_table_is_refused_in_one_line(tmp_path: Path, change, message: str) -> None:
    path = table(tmp_path / "x.csv")
    path.write_text(change(path.read_text()))
    with pytest.raises(DataError, match=message) as caught:
        read_ecgs(path, input_rate=100, input_unit="uV").read([0])
    assert "x.csv" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("times", [np.zeros(40), np.arange(40)[::-1], np.r_[np.arange(39), 90], np.full(40, np.nan)])
def test_uneven_times_are_refused(tmp_path: Path, times: np.ndarray) -> None:
    path = table(tmp_path / "x.csv", "time_s," + ",".join(LEADS), times=times)
    with pytest.raises(DataError, match="times are not evenly spaced"):
        read_ecgs(path)


def test_a_folder_of_tables_leaves_out_those_without_leads(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    table(tmp_path / "a.csv")
    table(tmp_path / "deep" / "b.csv", signals=-MICROVOLTS)
    (tmp_path / "patients.csv").write_text("name,age\nx,3\n")
    (tmp_path / "nothing.csv").touch()
    (tmp_path / "blank.csv").write_text("\n# to do\n")
    with (tmp_path / "all.csv").open("wb") as file:
        file.write(b"I,II\n")
        file.truncate((256 << 20) + 1)
    source = read_ecgs(tmp_path, input_rate=100, input_unit="uV")
    assert source.identifiers == ("a", "deep/b")
    np.testing.assert_allclose(source.read([1, 0])[0], -MICROVOLTS / 1000, atol=1e-6)


@pytest.mark.parametrize("name", ["../x.csv", "/etc/passwd", "", ".x.csv"])
def test_the_list_names_no_file_elsewhere(tmp_path: Path, name: str) -> None:
    (tmp_path / "records.csv").write_text(f"file,identifier,sampling_rate,synthetic\n{name},a,100,false\n")
    with pytest.raises(DataError, match=r"records\.csv is damaged: .* is not a file beside it"):
        read_ecgs(tmp_path)


def parquet(path: Path, columns: dict[str, list], metadata: dict[str, str] | None = None, rows: int = 2) -> Path:
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow.parquet import write_table

    lists = {lead: [(MICROVOLTS[i] + row).tolist() for row in range(rows)] for i, lead in enumerate(LEADS)}
    made = pyarrow.table({**lists, **columns})
    write_table(made.replace_schema_metadata(metadata), path, row_group_size=2)
    return path


@pytest.mark.parametrize(("unit", "millivolts"), [("", 1.0), (" (uV)", 1e-3)])
def test_tables_that_are_listed_may_have_another_unit(tmp_path: Path, unit: str, millivolts: float) -> None:
    names = ",".join(f"{lead}{unit}" for lead in INDEPENDENT_LEADS)
    (tmp_path / "a.csv").write_text(f"{names}\n" + "1,2,3,4,5,6,7,8\n" * 9)
    (tmp_path / "records.csv").write_text("file,identifier,sampling_rate,synthetic\na.csv,p1,100,false\n")
    source = read_ecgs(tmp_path)
    assert (source.identifiers, source.sampling_rate) == (("p1",), 100)
    np.testing.assert_allclose(source.read([0])[0, :2, 0], np.array([1, 2]) * millivolts)


def test_parquet_of_another_program(tmp_path: Path) -> None:
    path = parquet(tmp_path / "x.parquet", {"identifier": [7, 9, 11], "age": [60, None, 4]}, rows=3)
    with pytest.raises(DataError, match="--input-rate"):
        read_ecgs(path)
    source = read_ecgs(path, input_rate=100, input_unit="uV")
    assert source.identifiers == ("7", "9", "11")
    assert [condition.age for condition in source.conditions] == [60, None, 4]
    np.testing.assert_allclose(source.read([2, 0, 1])[0], (MICROVOLTS + 2) / 1000, atol=1e-6)


def records(path: Path, count: int, group: int) -> np.ndarray:
    """Parquet of `count` records in row groups of `group`, with the leads in another order; returns their signals."""
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow.parquet import write_table

    signals = (np.arange(count)[:, None, None] + MICROVOLTS).astype(np.float32)
    columns = {lead: [row.tolist() for row in signals[:, i]] for i, lead in enumerate(LEADS)}
    write_table(pyarrow.table(dict(reversed(columns.items()))), path, row_group_size=group)
    return signals


@pytest.mark.parametrize(("count", "group"), [(23, 23), (23, 7), (23, 1)])
@pytest.mark.parametrize("rows_a_block", [1, 3, 100])
def test_parquet_in_blocks_of_any_size(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, count: int, group: int, rows_a_block: int
) -> None:
    record = 12 * 40 * 4
    monkeypatch.setattr("ecgsdk.readers.parquet._BLOCK_BYTES", rows_a_block * record)
    monkeypatch.setattr("ecgsdk.readers.parquet._KEPT_BYTES", 4 * record)
    signals = records(tmp_path / "x.parquet", count, group)
    source = read_ecgs(tmp_path / "x.parquet", input_rate=100, input_unit="mV")
    for chosen in (range(23), [22, 0, 0, 5, 22], [7], [6], [], np.random.default_rng(3).permutation(23)):
        np.testing.assert_array_equal(source.read(list(chosen)), signals[list(chosen)])
    np.testing.assert_array_equal(np.concatenate([batch.signals for batch in source.batches(4)]), signals)


def decoded_rows(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """A list that grows by the rows of each block of Parquet that is decoded from now on."""
    from ecgsdk.readers.parquet import _RowGroups

    rows: list[int] = []
    original = _RowGroups._signals

    def signals(self, columns):
        rows.append(columns.num_rows)
        return original(self, columns)

    monkeypatch.setattr(_RowGroups, "_signals", signals)
    return rows


def test_parquet_out_of_order_is_decoded_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    signals = records(tmp_path / "x.parquet", 60, 6)
    source = read_ecgs(tmp_path / "x.parquet", input_rate=100, input_unit="mV")
    rows = decoded_rows(monkeypatch)
    order = np.random.default_rng(3).permutation(60)
    np.testing.assert_array_equal(source.read(order.tolist()), signals[order])
    for batch in order.reshape(15, 4):
        np.testing.assert_array_equal(source.read(batch.tolist()), signals[batch])
    # The first group is decoded already, to tell the length.
    assert rows == [6] * 9


def test_what_is_kept_of_parquet_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    record = 12 * 40 * 4
    monkeypatch.setattr("ecgsdk.readers.parquet._BLOCK_BYTES", 2 * record)
    monkeypatch.setattr("ecgsdk.readers.parquet._KEPT_BYTES", 5 * record)
    records(tmp_path / "x.parquet", 60, 60)
    source = read_ecgs(tmp_path / "x.parquet", input_rate=100, input_unit="mV")
    kept = source.read.__self__._kept
    rows = decoded_rows(monkeypatch)
    for first in range(2, 60, 2):
        source.read([first])
        assert sum(block.nbytes for block in kept.values()) <= 5 * record
    assert rows == [2] * 29
    source.read([58, 56, 57, 59])
    assert rows == [2] * 29


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"V3": [[1.0], [1.0]]}, "differ in length"),
        ({"V3": [[1.0] * 40, None]}, "differ in length"),
        ({"V3": [[None] * 40, [1.0] * 40]}, "lead V3 has samples that are no numbers"),
        ({"V3": [["a"] * 40, ["b"] * 40]}, "damaged, or not a Parquet"),
        ({"V3": [1.0, 2.0]}, "damaged, or not a Parquet"),
        ({"statements": ["AFIB", "NORM"]}, "statements are no list"),
        ({"sex": ["X", "F"]}, "sex is neither"),
        ({"heart_rate": ["fast", "F"]}, "heart_rate is no number"),
    ],
)
def test_parquet_of_wrong_types(tmp_path: Path, columns: dict[str, list], message: str) -> None:
    path = parquet(tmp_path / "x.parquet", columns)
    with pytest.raises(DataError, match=message) as caught:
        read_ecgs(path, input_rate=100, input_unit="uV").read([0, 1])
    assert "\n" not in str(caught.value)


def test_parquet_of_a_later_version(tmp_path: Path) -> None:
    facts = {"format": "ecgsdk", "format_version": "2", "sampling_rate": "100.0", "units": "mV"}
    facts |= {"synthetic": "false", "provenance": "null", "leads": json.dumps(LEADS)}
    with pytest.raises(DataError, match="later version"):
        read_ecgs(parquet(tmp_path / "x.parquet", {}, facts))
    assert read_ecgs(parquet(tmp_path / "x.parquet", {}, facts | {"format_version": "1"})).sampling_rate == 100
    with pytest.raises(DataError, match="says of what made it one thing and another"):
        read_ecgs(parquet(tmp_path / "x.parquet", {}, facts | {"format_version": "1", "synthetic": "true"}))


def test_units_that_are_none_are_refused(real_batch: ECGBatch, tmp_path: Path) -> None:
    for unit in ("mmHg", "-2 mV", "1e999 mV", "0 mV", "mV mV", ""):
        with pytest.raises(DataError, match="input unit .* is unknown"):
            read_ecgs(tmp_path / "x.csv", input_unit=unit)
    with pytest.raises(DataError, match="input rate"):
        read_ecgs(tmp_path / "x.csv", input_rate=0)


@pytest.mark.parametrize("rate", ["fast", "10\x02", "1e999"])
def test_a_rate_of_ours_that_is_none(synthetic_batch: ECGBatch, tmp_path: Path, rate: str) -> None:
    with open_writer(tmp_path / "x.csv", sampling_rate=100, total=1, provenance=synthetic_batch.provenance) as writer:
        writer.write(synthetic_batch[:1])
    text = (tmp_path / "x.csv").read_text()
    (tmp_path / "x.csv").write_text(text.replace(",100,true,", f",{rate},true,"))
    with pytest.raises(DataError, match="sampling_rate is no number"):
        read_ecgs(tmp_path / "x.csv")


def listed_tables(folder: Path, rows: list[int]) -> Path:
    """Tables of so many rows each, and the list that names them."""
    listing = "file,identifier,sampling_rate,synthetic\n"
    for number, count in enumerate(rows):
        (folder / f"{number}.csv").write_text(",".join(INDEPENDENT_LEADS) + "\n" + "1,2,3,4,5,6,7,8\n" * count)
        listing += f"{number}.csv,p{number},100,false\n"
    (folder / "records.csv").write_text(listing)
    return folder


def test_a_listed_table_that_is_longer_than_the_first_is_refused_unless_cropped(tmp_path: Path) -> None:
    folder = listed_tables(tmp_path, [100, 130])
    source = read_ecgs(folder)
    assert source.read([0]).shape == (1, 12, 100)
    said = r"1\.csv has more than the 100 samples of the first table in records\.csv; crop .* \(--seconds\)"
    with pytest.raises(DataError, match=said):
        source.read([1])
    with pytest.raises(DataError, match=said):
        read_ecgs(folder, sampling_rate=50).read([1])
    assert read_ecgs(folder, seconds=1).read([0, 1]).shape == (2, 12, 100)


def test_a_table_of_too_few_signals_is_not_asked_for_their_names(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text("I,II\n1,2\n")
    with pytest.raises(DataError, match=r"ecgsdk needs I, II and V1 to V6, and it has 2 signals, called 'I', 'II'$"):
        read_ecgs(tmp_path / "x.csv", input_rate=100, input_unit="mV")
    (tmp_path / "y.csv").write_text(",".join(f"ch{i}" for i in range(8)) + "\n" + "1,2,3,4,5,6,7,8\n")
    with pytest.raises(DataError, match=r"called 'ch0', 'ch1', 'ch2', …; state their names with input_leads="):
        read_ecgs(tmp_path / "y.csv", input_rate=100, input_unit="mV")
