"""WFDB records of many kinds, written by the wfdb package or by hand, against what wfdb reads."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import wfdb

from ecgsdk.conditions import Condition
from ecgsdk.errors import DataError
from ecgsdk.leads import LEADS
from ecgsdk.readers import read_ecgs, read_wfdb
from ecgsdk.readers.wfdb_record import decode_212

# The wfdb package calls pandas in a way that pandas 3.1 announces to drop.
pytestmark = pytest.mark.filterwarnings("ignore:The inplace keyword")

RNG = np.random.default_rng(3)


def make_record(folder: Path, name: str = "r1", **options: object) -> np.ndarray:
    """A record of 500 samples written by the wfdb package; returns its digital values, (samples, 12)."""
    form, rate, samples = (
        str(options.get("form", "16")),
        options.get("rate", 250),
        int(str(options.get("samples", 500))),
    )
    digital = RNG.integers(-1500, 1500, size=(samples, 12))
    wfdb.wrsamp(
        name,
        fs=rate,
        units=[str(options.get("units", "mV"))] * 12,
        sig_name=list(options.get("leads", LEADS)),  # type: ignore[call-overload]
        d_signal=digital,
        fmt=[form] * 12,
        adc_gain=[float(200 + 10 * i) for i in range(12)],
        baseline=list(range(-6, 6)),
        comments=list(options.get("comments", [])),  # type: ignore[call-overload]
        write_dir=str(folder),
    )
    return digital


def write_header(folder: Path, lines: list[str], data: bytes = b"", name: str = "r1") -> Path:
    (folder / f"{name}.dat").write_bytes(data)
    (folder / f"{name}.hea").write_text("\n".join(lines) + "\n")
    return folder / name


def expected(folder: Path, name: str = "r1") -> np.ndarray:
    return wfdb.rdrecord(str(folder / name)).p_signal.T


@pytest.mark.parametrize("form", ["16", "212"])
def test_signals_are_those_of_the_wfdb_package(tmp_path: Path, form: str) -> None:
    make_record(tmp_path, form=form)
    source = read_wfdb(tmp_path / "r1")
    assert (source.sampling_rate, source.samples, source.identifiers) == (250, 500, ("r1",))
    np.testing.assert_allclose(source.read([0])[0], expected(tmp_path), atol=1e-5)


def test_leads_are_taken_by_name(tmp_path: Path) -> None:
    shuffled = [name.upper() for name in LEADS[::-1]]
    make_record(tmp_path, leads=shuffled)
    np.testing.assert_allclose(read_wfdb(tmp_path).read([0])[0], expected(tmp_path)[::-1], atol=1e-5)


def test_format_212_packs_two_amplitudes_in_three_bytes() -> None:
    assert decode_212(bytes([0x34, 0x02, 0xFF, 0xFF, 0x0F, 0x00]), 4).tolist() == [0x234, 0xFF, -1, 0]
    assert decode_212(bytes([0x00, 0x08]), 1).tolist() == [-2048]


def test_signals_in_two_files(tmp_path: Path) -> None:
    digital = RNG.integers(-1000, 1000, size=(100, 12)).astype("<i2")
    (tmp_path / "limb.dat").write_bytes(digital[:, :6].tobytes())
    (tmp_path / "chest.dat").write_bytes(b"head" + digital[:, 6:].tobytes())
    lines = ["r1 12 100 100"]
    lines += [f"limb.dat 16 500/mV 16 0 0 0 0 {lead}" for lead in LEADS[:6]]
    lines += [f"chest.dat 16+4 500/mV 16 0 0 0 0 {lead}" for lead in LEADS[6:]]
    (tmp_path / "r1.hea").write_text("\n".join(lines))
    np.testing.assert_allclose(read_wfdb(tmp_path).read([0])[0], digital.T / 500, atol=1e-6)


def test_challenge_record_in_a_matlab_file(tmp_path: Path) -> None:
    digital = RNG.integers(-1000, 1000, size=(100, 12)).astype("<i2")
    head = np.array([30, 12, 100, 0, 4], dtype="<i4").tobytes() + b"val\0"
    (tmp_path / "A0001.mat").write_bytes(head + digital.tobytes())
    lines = ["A0001 12 500 100 05-Feb-2020 11:39:16"]
    lines += [f"A0001.mat 16+24 1000/mV 16 0 28 -1716 0 {lead}" for lead in LEADS]
    lines += ["#Age: 74", "#Sex: Female", "#Dx: 426783006,39732003", "#Rx: Unknown"]
    (tmp_path / "A0001.hea").write_text("\n".join(lines))
    source = read_ecgs(tmp_path / "A0001.hea")
    assert source.conditions == (Condition((), None, 74.0, "F"),)
    np.testing.assert_allclose(source.read([0])[0], digital.T / 1000, atol=1e-6)


@pytest.mark.parametrize(
    ("field", "millivolts"),
    [
        ("1000/mV", 0.5),
        ("1000(100)/mV", 0.4),
        ("1000.0(-100)", 0.6),
        ("1/uV", 0.5),
        ("1e6/V", 0.5),
        ("0", 2.5),
        ("0(100)/mV", 2.0),
    ],
)
def test_gain_baseline_and_units(tmp_path: Path, field: str, millivolts: float) -> None:
    lines = ["r1 12 100 4", *(f"r1.dat 16 {field} 16 0 0 0 0 {lead}" for lead in LEADS)]
    path = write_header(tmp_path, lines, np.full(48, 500, "<i2").tobytes())
    np.testing.assert_allclose(read_wfdb(path).read([0]), millivolts, rtol=1e-6)


def test_baseline_is_the_adc_zero_unless_given(tmp_path: Path) -> None:
    lines = ["r1 12 100", *(f"r1.dat 16 1000/mV 12 300 0 0 0 {lead}" for lead in LEADS)]
    path = write_header(tmp_path, lines, np.full(48, 500, "<i2").tobytes())
    source = read_wfdb(path)
    assert source.samples == 4
    np.testing.assert_allclose(source.read([0]), 0.2, rtol=1e-6)


@pytest.mark.parametrize(
    ("comments", "condition"),
    [
        (["<age>: 51", "<sex>: F", "<diagnoses>:"], Condition((), None, 51.0, "F")),
        (["<age>: 65 <sex>: M <diagnoses> coronary artery disease"], Condition((), None, 65.0, "M")),
        (["Age: NaN", "Sex: Unknown"], Condition()),
        (["Age: -1", "Sex: male"], Condition((), None, None, "M")),
        ([], Condition()),
    ],
)
def test_age_and_sex_from_comments(tmp_path: Path, comments: list[str], condition: Condition) -> None:
    make_record(tmp_path, comments=comments)
    assert read_wfdb(tmp_path).conditions == (condition,)


def test_folder_with_and_without_a_list_of_records(tmp_path: Path) -> None:
    for name in ("b", "a"):
        (tmp_path / name).mkdir()
        make_record(tmp_path / name)
    assert read_wfdb(tmp_path).identifiers == ("a/r1", "b/r1")
    (tmp_path / "RECORDS").write_text("b/r1\n\na/\n")
    assert read_ecgs(tmp_path).identifiers == ("b/r1", "a/r1")
    assert read_wfdb([tmp_path / "b/r1.hea", tmp_path / "a/r1"]).identifiers == ("b/r1", "a/r1")


@pytest.mark.parametrize(
    "line", ["/etc/r1", "../out/r1", "a/../../out/r1", "..", "{folder}/in/r1", "r\0", "x" * 5000, "é" * 200]
)
def test_a_list_names_no_records_elsewhere(tmp_path: Path, line: str) -> None:
    for name in ("in", "out"):
        (tmp_path / name).mkdir()
        make_record(tmp_path / name)
    (tmp_path / "in" / "RECORDS").write_text(f"r1\n{line.format(folder=tmp_path)}\n", encoding="utf-8")
    with pytest.raises(
        DataError, match=r"RECORDS is damaged: .* is no record below its folder; take the line out"
    ) as e:
        read_ecgs(tmp_path / "in")
    assert "\n" not in str(e.value)
    assert len(str(e.value)) < 500


@pytest.mark.parametrize("identifier", ["a<b>c", "<age>: 3", "x: y <sex>: F", ""])
def test_an_identifier_is_taken_as_a_whole(tmp_path: Path, identifier: str) -> None:
    make_record(tmp_path, comments=[f"Identifier: {identifier}", "Age: 74", "Sex: Male"])
    source = read_wfdb(tmp_path)
    assert source.identifiers == (identifier,)
    assert source.conditions == (Condition((), None, 74.0, "M"),)


def test_differing_records_name_the_option_that_helps(tmp_path: Path) -> None:
    make_record(tmp_path, "r1", rate=250, samples=500)
    make_record(tmp_path, "r2", rate=500, samples=1000)
    make_record(tmp_path, "r3", rate=250, samples=700)
    with pytest.raises(DataError, match="r2.hea has 500 Hz.*sampling_rate="):
        read_wfdb(tmp_path)
    with pytest.raises(DataError, match="r3.hea is 2.8 s long.*seconds="):
        read_wfdb(tmp_path, sampling_rate=250)
    source = read_wfdb(tmp_path, sampling_rate=250, seconds=1.5)
    assert source.read(range(3)).shape == (3, 12, 375)
    np.testing.assert_allclose(source.read([0])[0], expected(tmp_path)[:, :375], atol=1e-5)
    with pytest.raises(DataError, match=r"r1.hea is 2 s long, shorter than the 2.5 s"):
        read_wfdb(tmp_path, sampling_rate=250, seconds=2.5)


@pytest.mark.parametrize("option", [{"seconds": 0}, {"seconds": float("nan")}, {"sampling_rate": -5}])
def test_impossible_options_are_refused(tmp_path: Path, option: dict[str, float]) -> None:
    make_record(tmp_path)
    with pytest.raises(DataError, match="positive number"):
        read_wfdb(tmp_path, **option)


def test_invalid_samples_are_refused_or_nan(tmp_path: Path) -> None:
    digital = np.zeros((10, 12), "<i2")
    digital[3, 7] = -32768
    lines = ["r1 12 100 10", *(f"r1.dat 16 1000/mV 16 0 0 0 0 {lead}" for lead in LEADS)]
    path = write_header(tmp_path, lines, digital.tobytes())
    with pytest.raises(DataError, match="r1.hea: lead V2 has samples marked as invalid"):
        read_wfdb(path).read([0])
    signals = read_wfdb(path, allow_nan=True).read([0])
    assert np.argwhere(np.isnan(signals)).tolist() == [[0, 7, 3]]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda data: data[:-2], r"r1.dat is truncated, it lacks 2 bytes for 500 samples"),
        (lambda data: data + data, "r1.dat does not match its header"),
        (lambda data: b"", "r1.dat is truncated"),
    ],
)
def test_signal_file_of_a_wrong_size_is_named(tmp_path: Path, change, message: str) -> None:
    make_record(tmp_path)
    path = tmp_path / "r1.dat"
    path.write_bytes(change(path.read_bytes()))
    with pytest.raises(DataError, match=message):
        read_wfdb(tmp_path).read([0])


def test_wrong_leads_are_named_with_the_record(tmp_path: Path) -> None:
    make_record(tmp_path, leads=(*LEADS[:-1], "Vx"))
    with pytest.raises(DataError, match="r1.hea: lead V6 missing"):
        read_wfdb(tmp_path).read([0])


GOOD = "r1.dat 16 1000/mV 16 0 0 0 0 I"


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ([], "not a WFDB header"),
        (["hello"], "not a WFDB header"),
        (["r1 twelve 100 10"], "first line"),
        (["r1 1 0 10", GOOD], "1 signals at 0 Hz"),
        (["r1 2 100 10", GOOD], "2 signals at 100 Hz announced, 1 described"),
        (["r1 0 100 10"], "0 signals"),
        (["r1/2 1 100 10", "r1a 5", "r1b 5"], "several segments"),
        (["r1 1 100 10", "r1.dat"], "signal line"),
        (["r1 1 100 10", "r1.dat 80 1000/mV 8 0 0 0 0 I"], "format 80 is not read"),
        (["r1 1 100 10", "r1.dat 16x2 1000/mV 8 0 0 0 0 I"], "format 16x2 is not read"),
        (["r1 1 100 10", "r1.dat 16 1.2.3/mV 8 0 0 0 0 I"], "signal line"),
        (["r1 1 100 10", "r1.dat 16 1000/mmHg 8 0 0 0 0 I"], "unit mmHg"),
        (["r1 1 100 10", "../r1.dat 16 1000/mV 8 0 0 0 0 I"], "must lie beside"),
        (["r1 1 100", "r1\0.dat 16 1000/mV 8 0 0 0 0 I"], "must lie beside"),
    ],
)
def test_strange_headers_are_refused_in_one_line(tmp_path: Path, lines: list[str], message: str) -> None:
    path = write_header(tmp_path, lines)
    with pytest.raises(DataError, match=message) as caught:
        read_wfdb(path)
    assert "\n" not in str(caught.value)


def test_nothing_to_read_is_said(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="holds no WFDB records"):
        read_wfdb(tmp_path)
    with pytest.raises(DataError, match="no WFDB records given"):
        read_wfdb([])
    with pytest.raises(DataError, match="cannot read .*gone.hea"):
        read_wfdb(tmp_path / "gone")
    make_record(tmp_path)
    (tmp_path / "r1.dat").unlink()
    with pytest.raises(DataError, match="cannot read .*r1.dat"):
        read_wfdb(tmp_path).read([0])


@pytest.mark.parametrize("name", ["nothing", "gone.h5", "gone.hea", "gone.csv", "gone.parquet"])
def test_of_a_path_that_does_not_exist_this_is_said_first(tmp_path: Path, name: str) -> None:
    with pytest.raises(DataError, match=f"{name}: No such file|{name} does not exist"):
        read_ecgs(tmp_path / name, input_rate=100, input_leads=["I"])


@pytest.mark.parametrize("name", ["ecgs.txt", "nothing", "gone.h5", "gone.npz", "gone.hea"])
def test_unknown_paths_are_refused(tmp_path: Path, name: str) -> None:
    if name == "ecgs.txt":
        (tmp_path / name).write_text("hello")
    with pytest.raises(DataError) as caught:
        read_ecgs(tmp_path / name)
    assert name in str(caught.value)


def test_folds_are_for_ptbxl_only(tmp_path: Path) -> None:
    make_record(tmp_path)
    with pytest.raises(DataError, match="only PTB-XL"):
        read_ecgs(tmp_path, folds=[1])


def test_ludb_is_read(shared_data: Path) -> None:
    source = read_ecgs(shared_data / "ludb")
    assert (len(source), source.sampling_rate, source.samples) == (200, 500, 5000)
    assert source.identifiers[:2] == ("data/1", "data/2")
    assert source.conditions[0] == Condition((), None, 51.0, "F")
    signals = source.read([0, 7])
    for row, name in enumerate(("data/1", "data/8")):
        np.testing.assert_allclose(signals[row], expected(shared_data / "ludb", name), atol=1e-5)
    assert read_ecgs(shared_data / "ludb", sampling_rate=100).read([5]).shape == (1, 12, 1000)
