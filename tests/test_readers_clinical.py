"""Files of clinical systems: units, gains, rates and leads are the file's."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from clinical_files import aecg_xml, cardiosoft_xml, muse_export, muse_xml, scp_bytes, sierra_xml, xli_bytes

from ecgsdk.conditions import Condition
from ecgsdk.errors import DataError, RuntimeSetupError
from ecgsdk.leads import to_eight, to_twelve
from ecgsdk.readers import read_ecgs

pytest.importorskip("ecgdatakit")

TWELVE = np.random.default_rng(3).integers(-900, 900, (12, 250)).astype(np.int16)
EIGHT = to_eight(TWELVE)


def written(folder: Path, name: str, data: bytes) -> Path:
    path = folder / name
    path.write_bytes(data)
    return path


def test_muse_stores_eight_leads_and_the_others_are_computed(tmp_path: Path) -> None:
    source = read_ecgs(written(tmp_path, "x.xml", muse_xml(EIGHT)))
    assert (source.sampling_rate, source.samples, source.identifiers) == (500, 250, ("x",))
    assert source.conditions == (Condition((), 72.0, 61.0, "F"),)
    assert source.provenance is None
    np.testing.assert_allclose(source.read([0])[0], to_twelve(EIGHT * 4.88e-3), atol=1e-5)


@pytest.mark.parametrize(
    ("name", "data", "millivolts"),
    [
        ("x.xml", sierra_xml(TWELVE), 5e-3),
        ("x.xml", sierra_xml(TWELVE, data=xli_bytes(TWELVE)), 5e-3),
        ("x.xml", sierra_xml(TWELVE).decode().replace("UTF-8", "UTF-16").encode("utf-16"), 5e-3),
        ("x.xml", aecg_xml(TWELVE), 2.5e-3),
        ("x.xml", cardiosoft_xml(TWELVE), 5e-3),
        ("x.scp", scp_bytes(TWELVE), 5e-3),
        ("no-suffix", scp_bytes(TWELVE), 5e-3),
    ],
)
def test_twelve_leads_are_taken_as_they_are(tmp_path: Path, name: str, data: bytes, millivolts: float) -> None:
    source = read_ecgs(written(tmp_path, name, data))
    assert (source.sampling_rate, source.samples) == (500, 250)
    np.testing.assert_allclose(source.read([0])[0], TWELVE * millivolts, atol=1e-5)


@pytest.mark.parametrize(
    ("change", "condition"),
    [
        ((), Condition((), 72.0, 61.0, "F")),
        (("<PatientAge>61</PatientAge>", "<PatientAge/>"), Condition((), 72.0, None, "F")),
        (("FEMALE", "UNKNOWN"), Condition((), 72.0, 61.0, None)),
    ],
)
@pytest.mark.parametrize(("name", "encoding"), [("x.xml", "ISO-8859-1"), ("X.XML", "UTF-16"), ("x.txt", "ISO-8859-1")])
def test_muse_as_the_system_exports_it(tmp_path: Path, name: str, encoding: str, change, condition) -> None:
    text = muse_export(EIGHT, -EIGHT[:, :60])
    text = text.replace(*change) if change else text
    source = read_ecgs(written(tmp_path, name, text.replace("ISO-8859-1", encoding).encode(encoding)))
    assert source.conditions == (condition,)
    np.testing.assert_allclose(source.read([0])[0], to_twelve(EIGHT * 4.88e-3), atol=1e-5)


_PHILIPS = (
    '<restingecgdata xmlns="http://www3.medical.philips.com" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" '
    'xsi:schemaLocation="http://www3.medical.philips.com \nSierraECG.xsd" status="Confirmed" lang="en">'
)
_SIGNED = "<signalsigned>"
_UNKNOWN = (
    "<internalmeasurements><crossleadmeasurements><meanventrate /><meanqtint>Failed</meanqtint>"
    "</crossleadmeasurements></internalmeasurements><waveforms>"
)


@pytest.mark.parametrize(
    ("changes", "condition"),
    [
        ({}, Condition((), None, 50.0, "M")),
        # Version 1.03, of HeartStart defibrillators, has the size of a step among the characteristics only.
        (
            {
                "1.04": "1.03",
                ' resolution="5"': "",
                "<signalsigned>": f"<signalresolution>5</signalresolution>{_SIGNED}",
            },
            Condition((), None, 50.0, "M"),
        ),
        # What IntelliSpace translated of another maker's ECG: empty measurements, a date of birth, no sex.
        (
            {
                "SierraECG<": "PhilipsECG<",
                ' resolution="5"': "",
                "<signalsigned>": f"<resolution>5.00</resolution>{_SIGNED}",
                "<years>50</years>": "<dateofbirth>XXXX</dateofbirth>",
                "Male": "XXXX",
                "<waveforms>": _UNKNOWN,
            },
            Condition(),
        ),
    ],
)
def test_philips_as_the_devices_export_it(tmp_path: Path, changes: dict[str, str], condition: Condition) -> None:
    text = sierra_xml(TWELVE).decode().replace("<restingecgdata>", _PHILIPS)
    for old, new in changes.items():
        assert old in text
        text = text.replace(old, new)
    source = read_ecgs(written(tmp_path, "x.xml", text.encode()))
    assert source.conditions == (condition,)
    np.testing.assert_allclose(source.read([0])[0], TWELVE * 5e-3, atol=1e-5)


def test_cardiosofts_strip_counts_and_not_its_median_beats(tmp_path: Path) -> None:
    source = read_ecgs(written(tmp_path, "x.xml", cardiosoft_xml(TWELVE)))
    assert source.conditions == (Condition((), 50.0, 53.0, "M"),)
    for change, message in [
        ((b"uVperLsb", b"steps"), "a resolution of 5 'steps', which is not understood"),
        ((b">5</Resolution>", b">0</Resolution>"), "a resolution of 0 'uVperLsb', which is not understood"),
        ((b">5</Resolution>", b"></Resolution>"), "no resolution; export"),
        ((b'lead="V2"', b'lead="X"'), "lead V2 missing"),
        ((b"</StripData>", b"</Strip>"), "damaged, or not a GE CardioSoft XML file"),
    ]:
        with pytest.raises(DataError, match=message):
            read_ecgs(written(tmp_path, "x.xml", cardiosoft_xml(TWELVE).replace(*change)))


def test_age_and_sex_of_scp_and_sierra(tmp_path: Path) -> None:
    assert read_ecgs(written(tmp_path, "x.scp", scp_bytes(TWELVE))).conditions == (Condition((), None, 47.0, "M"),)
    assert read_ecgs(written(tmp_path, "x.xml", sierra_xml(TWELVE))).conditions[0].sex == "M"


def test_a_rate_that_is_no_whole_number_is_kept(tmp_path: Path) -> None:
    assert read_ecgs(written(tmp_path, "x.xml", aecg_xml(TWELVE, seconds="0.008"))).sampling_rate == 125
    assert read_ecgs(written(tmp_path, "x.xml", aecg_xml(TWELVE, seconds="0.0078"))).sampling_rate == pytest.approx(
        128.205, abs=1e-3
    )


@pytest.mark.parametrize("data", [muse_xml(EIGHT, unit="COUNTS"), sierra_xml(TWELVE, step=None)])
def test_an_unknown_unit_is_asked_for(tmp_path: Path, data: bytes) -> None:
    path = written(tmp_path, "x.xml", data)
    with pytest.raises(DataError, match=r"x\.xml does not say its unit; .*--input-unit"):
        read_ecgs(path).read([0])
    step = 1 if b"COUNTS" not in data else 4.88
    signals = read_ecgs(path, input_unit="2 uV").read([0])[0]
    np.testing.assert_allclose(to_eight(signals), EIGHT * step * 2e-3, atol=1e-5)


def test_a_statement_that_the_file_contradicts_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path, "x.xml", muse_xml(EIGHT))
    with pytest.raises(DataError, match="has 500 Hz, not 250"):
        read_ecgs(path, input_rate=250)
    with pytest.raises(DataError, match="is in uV, not in mV"):
        read_ecgs(path, input_unit="mV").read([0])
    with pytest.raises(DataError, match="names its leads"):
        read_ecgs(path, input_leads=["I"])


def test_a_hospitals_folder_of_all_kinds(tmp_path: Path) -> None:
    (tmp_path / "2020").mkdir()
    written(tmp_path / "2020", "muse.xml", muse_xml(EIGHT))
    written(tmp_path, "a.xml", aecg_xml(TWELVE))
    written(tmp_path, "b.scp", scp_bytes(TWELVE))
    written(tmp_path, "notes.txt", b"to do")
    written(tmp_path, "labels.csv", b"file,label\n")
    written(tmp_path, ".hidden.xml", b"<RestingECG>")
    source = read_ecgs(tmp_path)
    assert source.identifiers == ("2020/muse", "a", "b")
    assert source.folds == (None, None, None)
    assert source.read([2, 0]).shape == (2, 12, 250)
    written(tmp_path, "c.xml", aecg_xml(TWELVE, seconds="0.004"))
    with pytest.raises(DataError, match=r"c\.xml has 250 Hz and .*muse\.xml 500 Hz; .*--sampling-rate"):
        read_ecgs(tmp_path)
    with pytest.raises(DataError, match=r"c\.xml is 1 s long and .*muse\.xml 0\.5 s; .*--seconds"):
        read_ecgs(tmp_path, sampling_rate=100)
    assert read_ecgs(tmp_path, sampling_rate=100, seconds=0.5).read(range(4)).shape == (4, 12, 50)


def test_a_missing_chest_lead_is_named(tmp_path: Path) -> None:
    path = written(tmp_path, "x.xml", aecg_xml(TWELVE[:11]))
    with pytest.raises(DataError, match=r"x\.xml: lead V6 missing"):
        read_ecgs(path)


def test_without_ecgdatakit_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = written(tmp_path, "x.xml", muse_xml(EIGHT))
    monkeypatch.setitem(sys.modules, "ecgdatakit", None)
    monkeypatch.delitem(sys.modules, "ecgdatakit.parsing.parsers.ge_muse_xml", raising=False)
    monkeypatch.delitem(sys.modules, "ecgdatakit.parsing.parsers", raising=False)
    monkeypatch.delitem(sys.modules, "ecgdatakit.parsing", raising=False)
    with pytest.raises(RuntimeSetupError, match=r"pip install .ecgsdk\[clinical\]"):
        read_ecgs(path)


def test_what_the_parser_does_not_know_is_not_called_damage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def parse(self: object, path: object) -> None:
        raise ValueError("long-term rhythm data (Section 12, SCP-ECG v3) is not supported")

    monkeypatch.setattr("ecgdatakit.parsing.parsers.scp_ecg.SCPECGParser.parse", parse)
    with pytest.raises(DataError, match=r"x\.scp cannot be read \(long-term .*\); export it in another format$"):
        read_ecgs(written(tmp_path, "x.scp", scp_bytes(TWELVE)))
