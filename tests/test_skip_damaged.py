"""Damaged records of a folder: an error that names the first, or left out, counted and named."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from clinical_files import aecg_xml

from ecgsdk.batch import ECGBatch
from ecgsdk.errors import DataError
from ecgsdk.readers import read_ecgs, read_ptbxl, without_damaged
from ecgsdk.writers import open_writer
from ecgsdk_cli.main import main

PACKAGES = {"dicom": "pydicom", "edf": "edfio"}
FILES = {"wfdb": "000002.hea", "dicom": "000002.dcm", "edf": "000002.edf", "csv": "000002.csv"}


def run(*words: object):
    return CliRunner().invoke(main, [*map(str, words)])


def folder_of(batch: ECGBatch, path: Path, format: str) -> Path:
    pytest.importorskip(PACKAGES.get(format, "numpy"))
    with open_writer(path, format, sampling_rate=100, total=len(batch), provenance=batch.provenance) as writer:
        writer.write(batch)
    return path


@pytest.mark.parametrize("format", FILES)
@pytest.mark.parametrize("kept", [0, 100])
def test_a_damaged_record_is_left_out_and_named(real_batch: ECGBatch, tmp_path: Path, format: str, kept: int) -> None:
    folder = folder_of(real_batch, tmp_path / "records", format)
    file = folder / FILES[format]
    file.write_bytes(file.read_bytes()[:kept])
    with pytest.raises(DataError, match="00000"):
        read_ecgs(folder).read(range(len(real_batch)))
    source = without_damaged(read_ecgs(folder, skip_damaged=True))
    assert source.identifiers == (*real_batch.identifiers[:2], *real_batch.identifiers[3:])
    assert len(source.left_out) == 1
    assert FILES[format] in source.left_out[0]
    np.testing.assert_allclose(source.read([2])[0], real_batch.signals[3], atol=6e-4)


def test_signals_that_are_missing_are_found_by_trying_them(real_batch: ECGBatch, tmp_path: Path) -> None:
    folder = folder_of(real_batch, tmp_path / "records", "wfdb")
    (folder / "000004.dat").unlink()
    source = read_ecgs(folder, skip_damaged=True)
    assert (len(source), source.left_out) == (6, ())
    tried: list[int] = []
    sound = without_damaged(source, tried.append)
    assert (len(sound), sum(tried)) == (5, 6)
    assert "000004.dat" in sound.left_out[0]
    assert without_damaged(sound) is sound


def test_records_that_are_too_short_are_left_out_those_of_other_rates_are_not(tmp_path: Path) -> None:
    pytest.importorskip("ecgdatakit")
    counts = np.random.default_rng(0).integers(-500, 500, (12, 500))
    for name, samples, seconds in (("a", 100, "0.002"), ("b", 500, "0.002"), ("c", 500, "0.002")):
        (tmp_path / f"{name}.xml").write_bytes(aecg_xml(counts[:, :samples], seconds=seconds))
    source = read_ecgs(tmp_path, seconds=1, skip_damaged=True)
    assert source.identifiers == ("b", "c")
    assert "a.xml is 0.2 s long" in source.left_out[0]
    (tmp_path / "c.xml").write_bytes(aecg_xml(counts, seconds="0.004"))
    with pytest.raises(DataError, match="resample them to one rate"):
        read_ecgs(tmp_path, seconds=1, skip_damaged=True)


def test_where_none_can_be_read_the_first_is_named(real_batch: ECGBatch, tmp_path: Path) -> None:
    folder = folder_of(real_batch, tmp_path / "records", "wfdb")
    for path in folder.glob("*.dat"):
        path.write_bytes(b"")
    with pytest.raises(DataError, match=r"records: none of its 6 records can be read; the first: .*000000.dat"):
        without_damaged(read_ecgs(folder, skip_damaged=True))
    for path in folder.glob("*.hea"):
        path.write_bytes(b"")
    with pytest.raises(DataError, match=r"records: none of its 6 records can be read; the first: .*000000.hea"):
        read_ecgs(folder, skip_damaged=True)


def test_a_part_of_ptbxl_is_read_without_the_rest(ptbxl_folder: Path, tmp_path: Path) -> None:
    folder = tmp_path / "ptb-xl"
    shutil.copytree(ptbxl_folder, folder)
    headers = sorted((folder / "records100").rglob("*.hea"))
    headers[0].unlink()
    headers[1].write_text("")
    with pytest.raises(DataError, match="is missing"):
        read_ecgs(folder)
    source = without_damaged(read_ecgs(folder, skip_damaged=True))
    assert len(source) == len(read_ptbxl(ptbxl_folder)) - 2 == source.read(range(len(source))).shape[0]
    assert [headers[i].name in reason for i, reason in enumerate(source.left_out)] == [True, True]


@pytest.mark.parametrize("command", ["convert", "resynthesize"])
def test_commands_name_what_they_leave_out(real_batch: ECGBatch, tmp_path: Path, command: str) -> None:
    folder = folder_of(real_batch, tmp_path / "records", "wfdb")
    for name in ("000000.hea", "000001.dat", "000002.dat", "000004.hea"):
        (folder / name).write_bytes(b"x")
    words = (command, folder, "-o", tmp_path / "x.h5", "--json")
    result = run(*words)
    assert (result.exit_code, result.stderr.count("\n")) == (1, 1)
    assert not (tmp_path / "x.h5").exists()
    result = run(*words, "--skip-damaged")
    assert result.exit_code == 0
    line = result.stderr.splitlines()[0]
    assert line.startswith("left out 4 records that cannot be read: ")
    assert "000000.hea" in line
    assert line.endswith("; and 1 more")
    facts = json.loads(result.stdout)
    assert facts["records"] == len(read_ecgs(tmp_path / "x.h5")) == 2
    assert facts.get("left_out", 4) == 4
