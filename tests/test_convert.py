"""`ecgsdk convert`: between all formats, with identifiers, conditions and origin."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from clinical_files import muse_xml

from ecgsdk.batch import ECGBatch
from ecgsdk.conversion import convert
from ecgsdk.errors import DataError, WriteError
from ecgsdk.readers import ECGSource, read_ecgs
from ecgsdk.writers import open_writer
from ecgsdk_cli.main import main

STEP = 0.001
FORMATS = {"hdf5": "x.h5", "npz": "x.npz", "parquet": "x.parquet", "wfdb": "w", "dicom": "d", "edf": "e", "csv": "c"}
PACKAGES = {"parquet": "pyarrow", "dicom": "pydicom", "edf": "edfio"}


def run(*words: object):
    return CliRunner().invoke(main, [*map(str, words)])


def written(batch: ECGBatch, path: Path, format: str | None = None) -> Path:
    facts = {"sampling_rate": batch.sampling_rate, "total": len(batch), "provenance": batch.provenance}
    with open_writer(path, format, **facts) as writer:
        writer.write(batch)
    return path


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("kind", ["real_batch", "synthetic_batch"])
def test_there_and_back_nothing_is_lost(request, tmp_path: Path, format: str, kind: str) -> None:
    pytest.importorskip(PACKAGES.get(format, "numpy"))
    batch: ECGBatch = request.getfixturevalue(kind)
    first = written(batch, tmp_path / "first.npz")
    there, back = tmp_path / FORMATS[format], tmp_path / "back.npz"
    assert run("convert", first, "-o", there, "--format", format, "--keep-rate", "--quiet").output == ""
    assert convert(read_ecgs(there), back).total == len(batch)
    source, asked = read_ecgs(back), read_ecgs(first)
    assert (source.identifiers, source.conditions, source.provenance) == (
        batch.identifiers,
        batch.conditions,
        batch.provenance,
    )
    assert (source.sampling_rate, source.samples) == (asked.sampling_rate, asked.samples)
    everything = range(len(batch))
    # The limb leads of synthetic ECGs are computed out of rounded ones, and rounded to 16 bits once more.
    bound = 0.5 * STEP if kind == "real_batch" else 1.5 * STEP
    np.testing.assert_allclose(source.read(everything), asked.read(everything), atol=bound + 1e-6)


@pytest.mark.parametrize("name", ["x.dcm", "x.edf", "x.csv"])
def test_one_record_alone_keeps_what_is_said_of_it(synthetic_batch: ECGBatch, tmp_path: Path, name: str) -> None:
    pytest.importorskip(PACKAGES.get({"x.dcm": "dicom", "x.edf": "edf"}.get(name, ""), "numpy"))
    path = written(synthetic_batch[2], tmp_path / name)
    source = read_ecgs(path)
    assert (source.identifiers, source.conditions) == (("2",), synthetic_batch.conditions[2:3])
    assert source.provenance == synthetic_batch.provenance
    np.testing.assert_allclose(source.read([0])[0], synthetic_batch.signals[2], atol=1.5 * STEP)


def test_rate_length_and_folds(ptbxl_folder: Path, tmp_path: Path) -> None:
    result = run(
        "convert", ptbxl_folder, "--folds", "2-5", "--sampling-rate", 500, "--seconds", 2.5, "-o", tmp_path / "x.h5"
    )
    assert result.exit_code == 0
    assert "real ECGs of 2.5 s at 500 Hz" in result.output
    source = read_ecgs(tmp_path / "x.h5")
    assert source.identifiers == read_ecgs(ptbxl_folder, folds=range(2, 6)).identifiers
    assert (source.sampling_rate, source.samples) == (500, 1250)


def test_a_hospitals_folder_becomes_one_file(tmp_path: Path) -> None:
    pytest.importorskip("ecgdatakit")
    counts = np.random.default_rng(0).integers(-500, 500, (8, 500)).astype(np.int16)
    (tmp_path / "in").mkdir()
    for i in range(3):
        (tmp_path / "in" / f"ecg{i}.xml").write_bytes(muse_xml(counts + i))
    result = run("convert", tmp_path / "in", "-o", tmp_path / "x.h5", "--sampling-rate", 100, "--json")
    facts = json.loads(result.stdout)
    assert (facts["records"], facts["synthetic"], facts["sampling_rate"], facts["samples"]) == (3, False, 100, 100)
    assert read_ecgs(tmp_path / "x.h5").identifiers == ("ecg0", "ecg1", "ecg2")


def test_the_summary_has_the_rate_and_length_of_the_output(real_batch: ECGBatch, tmp_path: Path) -> None:
    pytest.importorskip("pydicom")
    path = written(real_batch, tmp_path / "x.h5")
    for options, expected in (((), (500, 5000)), (("--keep-rate",), (100, 1000))):
        output = tmp_path / f"d{len(options)}"
        facts = json.loads(
            run("convert", path, "-o", output, "--format", "dicom", *options, "--json").stdout.splitlines()[-1]
        )
        found = read_ecgs(output)
        assert (facts["sampling_rate"], facts["samples"]) == (found.sampling_rate, found.samples) == expected


def test_the_summary_says_what_made_synthetic_ecgs(synthetic_batch: ECGBatch, tmp_path: Path) -> None:
    path = written(synthetic_batch, tmp_path / "x.h5")
    facts = json.loads(run("convert", path, "-o", tmp_path / "y.npz", "--json").stdout)
    assert (facts["synthetic"], facts["model"], facts["seed"]) == (True, "tiny", 7)


def test_what_a_table_does_not_say_is_asked_for(tmp_path: Path) -> None:
    numbers = np.random.default_rng(1).integers(-300, 300, (200, 3))
    numbers = np.hstack([numbers] * 3)[:, :8]
    np.savetxt(tmp_path / "x.csv", numbers, fmt="%d", delimiter=",", header="I,II,V1,V2,V3,V4,V5,V6", comments="")
    result = run("convert", tmp_path / "x.csv", "-o", tmp_path / "x.h5", "--input-rate", 200)
    assert (result.exit_code, result.output.count("\n")) == (1, 1)
    assert "state it with input_unit= (--input-unit)" in result.output
    assert not (tmp_path / "x.h5").exists()
    words = ("--input-rate", 200, "--input-unit", "uV", "--input-leads", "II,I,V1,V2,V3,V4,V5,V6")
    assert run("convert", tmp_path / "x.csv", "-o", tmp_path / "x.h5", *words).exit_code == 0
    np.testing.assert_allclose(read_ecgs(tmp_path / "x.h5").read([0])[0, 1], numbers[:, 0] / 1000, atol=1e-6)


def test_mistakes_end_in_one_line(synthetic_batch: ECGBatch, tmp_path: Path) -> None:
    path = written(synthetic_batch, tmp_path / "x.h5")
    for words, code, message in [
        ((path, "-o", path, "--force"), 1, "is what is read; choose another name"),
        ((path, "-o", tmp_path / "x.doc"), 1, "the format of .*x.doc is not clear"),
        ((path, "-o", tmp_path / "y.h5", "--seconds", 99), 1, "shorter than the 99 s"),
        ((path, "-o", tmp_path / "y.h5", "--folds", "9"), 1, "only PTB-XL has them"),
        ((path, "-o", tmp_path / "y.h5", "--input-rate", "100"), 1, "says its rate and unit"),
        ((tmp_path / "gone", "-o", tmp_path / "y.h5"), 1, "does not exist"),
        ((path, "-o", tmp_path / "y.h5", "--sampling-rate", 0), 2, "--sampling-rate"),
        ((path,), 2, "--output"),
    ]:
        result = run("convert", *words)
        assert result.exit_code == code
        with pytest.raises(DataError, match=message):
            raise DataError(result.output)
    (tmp_path / "y.h5").touch()
    assert "exists already" in run("convert", path, "-o", tmp_path / "y.h5").output
    assert run("convert", path, "-o", tmp_path / "y.h5", "--force").exit_code == 0


@pytest.mark.parametrize("command", ["convert", "resynthesize"])
def test_what_is_read_is_not_replaced(command: str, real_batch: ECGBatch, tmp_path: Path) -> None:
    folder = tmp_path / "w"
    pytest.importorskip("edfio")
    before = contents(written(real_batch, folder, "edf"))
    (tmp_path / "link").symlink_to(folder)
    for source, output, message in [
        (folder, folder, "is what is read"),
        (tmp_path / "link", folder, "is what is read"),
        (folder / "000002.edf", folder, "holds what is read"),
        (tmp_path / "link" / "000002.edf", folder, "holds what is read"),
        (folder, folder / "000002.edf", "lies in what is read"),
        (folder, folder / "new" / "records", "lies in what is read"),
        (tmp_path / "w" / ".." / "w", tmp_path, "holds what is read"),
    ]:
        result = run(command, source, "-o", output, "--format", "edf", "--force")
        assert (result.exit_code, result.stderr.count("\n")) == (1, 1)
        assert f"{output} {message}" in result.stderr
    assert contents(folder) == before


@pytest.mark.parametrize("name", ["x.h5", "x"])
def test_what_appears_meanwhile_is_not_replaced(real_batch: ECGBatch, tmp_path: Path, name: str) -> None:
    facts = {"sampling_rate": 100, "total": len(real_batch), "provenance": None}
    format = None if "." in name else "wfdb"
    other = written(real_batch[0], tmp_path / f"other-{name}", format)
    late = open_writer(tmp_path / name, format, **facts)
    late.__enter__()
    late.write(real_batch)
    other.rename(tmp_path / name)
    with pytest.raises(WriteError, match="exists already"):
        late.__exit__(None, None, None)
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert len(read_ecgs(tmp_path / name)) == 1


def test_the_folder_that_is_read_takes_no_new_file(real_batch: ECGBatch, tmp_path: Path) -> None:
    folder = written(real_batch, tmp_path / "w", "wfdb")
    before = contents(folder)
    for overwrite in (False, True):
        with pytest.raises(WriteError, match="x.h5 lies in what is read, .*w; choose a place outside of it"):
            convert(read_ecgs(folder), folder / "x.h5", overwrite=overwrite)
    assert contents(folder) == before
    assert convert(read_ecgs(folder), tmp_path / "x.h5").total == 6


def test_an_ecg_in_other_units_is_not_clipped(real_batch: ECGBatch, tmp_path: Path) -> None:
    path = written(replace(real_batch, signals=real_batch.signals * 1000), tmp_path / "x.npz")
    result = run("convert", path, "-o", tmp_path / "x.h5")
    assert (result.exit_code, result.stderr.count("\n")) == (1, 1)
    assert "goes beyond ±32.767 mV" in result.stderr
    assert not (tmp_path / "x.h5").exists()


@pytest.mark.parametrize("name", ["c", "x.csv"])
def test_an_identifier_with_a_line_break_comes_back(synthetic_batch: ECGBatch, tmp_path: Path, name: str) -> None:
    batch = replace(synthetic_batch[2], identifiers=('a\nb,"c"',))
    source = read_ecgs(written(batch, tmp_path / name, "csv"))
    assert (source.identifiers, source.samples, source.provenance) == (batch.identifiers, 300, batch.provenance)
    np.testing.assert_allclose(source.read([0]), batch.signals, atol=1.5 * STEP)


def test_a_record_that_cannot_be_read_leaves_nothing(synthetic_batch: ECGBatch, tmp_path: Path) -> None:
    good = read_ecgs(written(synthetic_batch, tmp_path / "x.npz"))

    def read(chosen):
        raise DataError("record 3 is damaged")

    with pytest.raises(DataError, match="record 3"):
        convert(replace(good, read=read), tmp_path / "y.h5")
    assert [entry.name for entry in tmp_path.iterdir()] == ["x.npz"]


def test_a_part_of_another_machine_is_left_and_named(synthetic_batch: ECGBatch, tmp_path: Path) -> None:
    path = written(synthetic_batch, tmp_path / "x.h5")
    left = tmp_path / ".w.part-99"
    left.mkdir()
    result = run("convert", path, "-o", tmp_path / "w", "--format", "wfdb")
    assert result.exit_code == 0
    assert f"warning: {left} is left from a process that may still run" in result.stderr
    assert len(read_ecgs(tmp_path / "w")) == 5
    assert left.is_dir()


def test_no_more_than_a_few_records_are_in_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ecgsdk.conversion._BATCH_BYTES", 1 << 20)
    largest = 0

    def read(chosen):
        nonlocal largest
        largest = max(largest, len(chosen))
        return np.zeros((len(chosen), 12, 2_000), dtype=np.float32)

    from ecgsdk.conditions import Condition

    source = ECGSource("long", 500.0, 2_000, (Condition(),) * 20, tuple(map(str, range(20))), (None,) * 20, read)
    done: list[int] = []
    assert convert(source, tmp_path / "x.h5", advance=done.append).total == sum(done) == 20
    assert largest * 12 * 2_000 * 4 <= 1 << 20


def test_files_beside_wfdb_records_that_are_passed_over_are_counted(synthetic_batch: ECGBatch, tmp_path: Path) -> None:
    folder = written(synthetic_batch, tmp_path / "records", "wfdb")
    assert run("convert", folder, "-o", tmp_path / "a.npz", "--json").stderr == ""
    written(synthetic_batch, folder / "more.npz")
    (folder / "below").mkdir()
    (folder / "below" / "scan").write_bytes(bytes(128) + b"DICM")
    # What tells of the records, or belongs to one of them, is not passed over.
    for name in ("labels.csv", "LICENSE", "000000.edf", ".hidden.npz"):
        (folder / name).write_text("x")
    result = run("convert", folder, "-o", tmp_path / "b.npz", "--json")
    assert (result.exit_code, result.stderr.count("\n")) == (0, 1)
    told = "is read as WFDB; passes over 2 files of other formats in it, more.npz first: read those from"
    assert f"{folder} {told}" in result.stderr
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()


def test_the_help_ends_in_an_example() -> None:
    text = run("convert", "--help").output
    assert "ecgsdk convert" in text.rstrip().splitlines()[-1]


def test_the_target_is_checked_before_anything_is_read(synthetic_batch: ECGBatch, tmp_path: Path) -> None:
    source = read_ecgs(written(synthetic_batch, tmp_path / "x.h5"))
    with pytest.raises(WriteError, match="does not exist; create it first"):
        convert(source, tmp_path / "no" / "x.npz")
