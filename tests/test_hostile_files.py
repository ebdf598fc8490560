"""Files that lie, or are damaged anywhere: ECGs or one line, in bounded memory and time."""

from __future__ import annotations

import base64
import io
import json
import struct
import time
import tracemalloc
import zipfile
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import h5py
import numpy as np
import pytest
from clinical_files import aecg_xml, cardiosoft_xml, muse_xml, scp_bytes, sierra_xml

from ecgsdk.batch import ECGBatch, Provenance
from ecgsdk.conditions import Condition
from ecgsdk.errors import DataError
from ecgsdk.leads import LEADS, to_eight
from ecgsdk.readers import read_ecgs
from ecgsdk.writers import open_writer

hypothesis = pytest.importorskip("hypothesis")
st = hypothesis.strategies

COUNTS = np.random.default_rng(3).integers(-900, 900, (12, 60)).astype(np.int16)
MADE = Provenance("tiny", "ab" * 32, "0.1.0", seed=7, steps=4, guidance=1.5)
WRITTEN = ("x.h5", "x.npz", "x.parquet", "x.dcm", "x.edf", "x.csv", "w/000000.hea", "w/000000.dat", "c/records.csv")
CLINICAL = {
    "muse.xml": partial(muse_xml, to_eight(COUNTS)),
    "sierra.xml": partial(sierra_xml, COUNTS),
    "aecg.xml": partial(aecg_xml, COUNTS),
    "cardiosoft.xml": partial(cardiosoft_xml, COUNTS),
    "x.scp": partial(scp_bytes, COUNTS),
}
PACKAGES = {"x.parquet": "pyarrow", "x.dcm": "pydicom", "x.edf": "edfio", **dict.fromkeys(CLINICAL, "ecgdatakit")}


@contextmanager
def bounded(megabytes: float = 100, seconds: float = 5):
    """Fails where memory or time grow beyond what such files need."""
    tracemalloc.start()
    began = time.perf_counter()
    try:
        yield
        assert time.perf_counter() - began < seconds
        assert tracemalloc.get_traced_memory()[1] < megabytes * 1e6
    finally:
        tracemalloc.stop()


def refused(path: Path, message: str = "", megabytes: float = 100, **options: object) -> None:
    with bounded(megabytes), pytest.raises(DataError, match=message) as caught:
        read_ecgs(path, **options).read([0])  # type: ignore[arg-type]
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 500


def outcome(path: Path) -> str:
    """What becomes of a file: ECGs of the right shape without NaN, or a line."""
    try:
        source = read_ecgs(path)
        signals = source.read(range(min(len(source), 3)))
    except DataError as error:
        return "refused" if "\n" not in str(error) else "refused in several lines"
    assert signals.shape[1:] == (12, source.samples)
    assert np.isfinite(signals).all()
    return "read"


@pytest.fixture(scope="module")
def valid(tmp_path_factory: pytest.TempPathFactory):
    """A function that makes a valid small file, and gives its path and what is to be read."""
    folder = tmp_path_factory.mktemp("valid")
    made: dict[str, tuple[Path, Path]] = {}

    def make(name: str) -> tuple[Path, Path]:
        pytest.importorskip(PACKAGES.get(name, "numpy"))
        if name not in made:
            place = folder / str(len(made))
            place.mkdir()
            if name in CLINICAL:
                (place / name).write_bytes(CLINICAL[name]())
            else:
                write(place / name.split("/")[0], {"w": "wfdb", "c": "csv"}.get(name.split("/")[0]))
            made[name] = place / name, place / name.split("/")[0]
        return made[name]

    return make


def write(path: Path, format: str | None, count: int = 1) -> Path:
    signals = np.broadcast_to(COUNTS / np.float32(1000), (count, *COUNTS.shape)).astype(np.float32)
    conditions = (Condition(("AFIB", "LVH"), 110.0, 81.0, "M"),) * count
    batch = ECGBatch(signals, 100.0, conditions, tuple(map(str, range(count))), MADE)
    with open_writer(path, format, sampling_rate=100, total=count, provenance=MADE) as writer:
        writer.write(batch)
    return path


@pytest.mark.parametrize("name", [*WRITTEN, *CLINICAL])
def test_truncated_anywhere(valid, name: str) -> None:
    path, source = valid(name)
    data = path.read_bytes()
    assert outcome(source) == "read"
    ends = {0, 1, 2, 7, 8, 132, 255, 256, 512, len(data) - 1, len(data) - 2, len(data) - 8}
    ends |= set(range(0, len(data), max(1, len(data) // 12)))
    try:
        for end in sorted(end for end in ends if 0 <= end < len(data)):
            path.write_bytes(data[:end])
            found = outcome(source)
            assert found == "refused" or name.endswith((".csv", ".hea", ".scp", ".edf")), end
    finally:
        path.write_bytes(data)


@pytest.mark.parametrize("name", [*WRITTEN, *CLINICAL])
def test_mutated_anywhere(valid, name: str) -> None:
    path, source = valid(name)
    data = path.read_bytes()
    change = st.tuples(st.floats(0, 1, exclude_max=True), st.binary(min_size=1, max_size=8))

    @hypothesis.settings(max_examples=25, deadline=None, derandomize=True, database=None)
    @hypothesis.given(st.lists(change, min_size=1, max_size=4), st.sampled_from((1.0, 1.0, 1.0, 0.9, 0.5)))
    def mutate(changes: list[tuple[float, bytes]], kept: float) -> None:
        mutated = bytearray(data)
        for where, value in changes:
            place = int(where * len(data))
            mutated[place : place + len(value)] = value
        path.write_bytes(mutated[: int(kept * len(data))])
        assert outcome(source) in ("read", "refused")

    try:
        mutate()
    finally:
        path.write_bytes(data)


LAUGHS = "".join(f'<!ENTITY a{i} "{f"&a{i - 1};" * 10}">' for i in range(1, 12))
OUTSIDE = '<!ENTITY a11 SYSTEM "file:///etc/hostname">'


@pytest.mark.parametrize("entities", ['<!ENTITY a0 "ha">' + LAUGHS, OUTSIDE])
@pytest.mark.parametrize("name", [name for name in CLINICAL if name.endswith(".xml")])
def test_xml_entities_are_refused(tmp_path: Path, name: str, entities: str) -> None:
    pytest.importorskip("ecgdatakit")
    text = CLINICAL[name]().decode()
    head, root = text.split("?>", 1)
    start = root.index(">") + 1
    path = tmp_path / "x.xml"
    path.write_text(f"{head}?><!DOCTYPE x [{entities}]>{root[:start]}<name>&a11;</name>{root[start:]}")
    refused(path, "entit")


@pytest.mark.parametrize("root", ["restingecgdata", "RestingECG", "AnnotatedECG", "CardiologyXML"])
def test_deep_xml_is_refused(tmp_path: Path, root: str) -> None:
    pytest.importorskip("ecgdatakit")
    deep = "<component><series><component>" * 1_500
    (tmp_path / "x.xml").write_text(f"<{root}>{deep}")
    refused(tmp_path / "x.xml", "damaged")
    closed = "</component></series></component>" * 1_500
    (tmp_path / "x.xml").write_text(f"<{root}>{deep}{closed}</{root}>")
    refused(tmp_path / "x.xml", "damaged")


def test_philips_channels_and_compression_are_bounded(tmp_path: Path) -> None:
    pytest.importorskip("ecgdatakit")
    path = tmp_path / "x.xml"
    path.write_bytes(sierra_xml(COUNTS, extra="<numberchannelsvalid>1e12</numberchannelsvalid>"))
    refused(path, "announces 1e12 channels")
    # Each code is one longer than the last until the table is full: 10 bits for 767 bytes.
    codes = [0, *range(256, 1023), *[1022] * 20_000]
    bits = "".join(f"{code:010b}" for code in codes)
    chunk = int(bits.ljust(-(-len(bits) // 8) * 8, "0"), 2).to_bytes(-(-len(bits) // 8), "big")
    path.write_bytes(sierra_xml(COUNTS, data=struct.pack("<IHh", len(chunk), 0, 0) + chunk))
    refused(path, "unpacks to more than 4194304 bytes")
    path.write_bytes(sierra_xml(COUNTS, data=struct.pack("<IHh", 1, 0, 0) + b"\0" * 9 * 400))
    refused(path, "more than 256 channels|damaged")


def test_scp_lead_of_four_thousand_million_samples(tmp_path: Path) -> None:
    pytest.importorskip("ecgdatakit")
    data = scp_bytes(COUNTS)
    place = data.index(struct.pack("<IIB", 1, 60, 1))
    (tmp_path / "x.scp").write_bytes(data[:place] + struct.pack("<IIB", 1, 0xFFFFFFFF, 1) + data[place + 9 :])
    refused(tmp_path / "x.scp", "damaged")


def test_a_clinical_file_of_any_size_is_not_read(tmp_path: Path) -> None:
    with (tmp_path / "x.xml").open("wb") as file:
        file.write(b"<RestingECG>")
        file.truncate(1 << 34)
    refused(tmp_path / "x.xml", "more than 16777216 that a clinical ECG file")


def npz(path: Path, **changes: object) -> Path:
    row = json.dumps({"identifier": "a", "statements": []})
    arrays = {
        "signals": np.zeros((1, 12, 5), np.float32),
        "conditions": np.array([row]),
        "leads": np.array(LEADS),
        "sampling_rate": 100.0,
        "provenance": "null",
        **changes,
    }
    np.savez(path, **arrays)  # type: ignore[arg-type]
    return path


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"sampling_rate": 0.0}, "a sampling rate of 0 Hz"),
        ({"sampling_rate": np.nan}, "a sampling rate of nan Hz"),
        ({"sampling_rate": np.zeros(3)}, "damaged"),
        ({"signals": np.full((1, 12, 5), np.nan, np.float32)}, "lead I has samples that are no numbers"),
        ({"signals": np.zeros((1, 3000, 5), np.float32)}, "signals of shape"),
        ({"signals": np.zeros((1, 12, 0), np.float32)}, "signals of shape"),
        ({"signals": np.zeros((1, 12, 5), "S9")}, "signals of shape"),
        ({"leads": np.array([f"x{i}" for i in range(3000)])}, "lead 'x0' is not one of"),
        ({"conditions": np.array(["[" * 9000])}, "damaged"),
        ({"conditions": np.array(["1"])}, "damaged"),
        ({"conditions": np.array(['{"identifier": 3}'])}, "an identifier is missing or no text"),
        ({"conditions": np.array(['{"identifier": "a", "age": "old"}'])}, "age is no number"),
        ({"conditions": np.array(['{"identifier": "a", "statements": "AFIB"}'])}, "statements are no list"),
        ({"provenance": '{"model": "tiny"}'}, "what it says of the model"),
        ({"provenance": "nonsense"}, "damaged"),
    ],
)
def test_npz_of_wrong_facts(tmp_path: Path, changes: dict[str, object], message: str) -> None:
    refused(npz(tmp_path / "x.npz", **changes), message)


@pytest.mark.parametrize("name", ["conditions", "leads", "provenance"])
@pytest.mark.parametrize("announced", [1, 1 << 40])
def test_npz_bombs_are_not_unpacked(tmp_path: Path, name: str, announced: int) -> None:
    path = npz(tmp_path / "x.npz")
    with zipfile.ZipFile(path) as archive:
        members = {info.filename: archive.read(info) for info in archive.infolist()}
    head = io.BytesIO()
    facts = {"descr": f"<U{(1 << 26) if announced == 1 else 1}", "fortran_order": False, "shape": (announced,)}
    np.lib.format.write_array_header_1_0(head, facts)
    members[f"{name}.npy"] = head.getvalue() + bytes(1 << 24)
    with zipfile.ZipFile(path, "w") as archive:
        for member, data in members.items():
            kind = zipfile.ZIP_DEFLATED if len(data) > 1 << 20 else zipfile.ZIP_STORED
            archive.writestr(member, data, compress_type=kind)
    assert path.stat().st_size < 1 << 20
    del members
    refused(path, "damaged, or was not written", megabytes=8)


def test_npz_that_announces_more_than_it_holds(tmp_path: Path) -> None:
    path = npz(tmp_path / "x.npz")
    path.write_bytes(path.read_bytes().replace(b"(1, 12, 5), ", b"(9999,12,5),"))
    refused(path, "damaged")


@pytest.mark.parametrize(
    ("name", "value"), [("sampling_rate", 0.0), ("sampling_rate", np.nan), ("sampling_rate", "fast"), ("leads", 3)]
)
def test_hdf5_of_wrong_facts(tmp_path: Path, name: str, value: object) -> None:
    path = write(tmp_path / "x.h5", None)
    with h5py.File(path, "r+") as file:
        file.attrs[name] = value
    refused(path, "damaged|not possible|is not one of")


@pytest.mark.parametrize("name", ["signals", "conditions"])
@pytest.mark.parametrize("chunks", [None, True])
def test_hdf5_that_announces_more_than_it_holds(tmp_path: Path, name: str, chunks: bool | None) -> None:
    path = write(tmp_path / "x.h5", None)
    with h5py.File(path, "r+") as file:
        old = file[name]
        attributes, kind = dict(old.attrs), old.dtype
        del file["signals"], file["conditions"]
        for made, rest in (("signals", (12, 60)), ("conditions", ())):
            table = file.create_dataset(made, (10**9, *rest), "<i2" if rest else kind, chunks=chunks)
            table.attrs.update(attributes)
            table.attrs["millivolts_per_unit"] = 0.001
    refused(path, "truncated, damaged|is damaged")


def test_hdf5_of_links_to_elsewhere(tmp_path: Path) -> None:
    write(tmp_path / "other.h5", None)
    path = write(tmp_path / "x.h5", None)
    with h5py.File(path, "r+") as file:
        del file["signals"]
        file["signals"] = h5py.ExternalLink(str(tmp_path / "other.h5"), "/signals")
    refused(path, "signals is no table of its own")


def test_a_truncated_hdf5_file_says_what_to_do(tmp_path: Path) -> None:
    path = write(tmp_path / "x.h5", None)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(DataError) as caught:
        read_ecgs(path)
    assert str(caught.value) == (
        f"{path} is truncated, damaged or not an HDF5 file; copy it again from where it came from, or write it again"
    )


@pytest.mark.parametrize(
    ("place", "value", "message"),
    [
        ("000000 12 100 60", "000000 12 100 999999999999999999", "truncated"),
        ("000000 12 100 60", "000000 999999999 100 60", "announced"),
        ("000000 12 100 60", "000000 12 0 60", "at 0 Hz"),
        ("000000 12 100 60", "000000 12 1e-300 60", "sampling rate of 1e-300 Hz"),
        ("000000 12 100 60", "000000 12 1e300 60", "sampling rate of 1e"),
        ("1000(0)/mV", "1e-999(0)/mV", "signal line|gain|1e"),
        ("1000(0)/mV", "1e999(0)/mV", "gain"),
        ("1000(0)/mV", "1000(99999999999999999999)/mV", "signal line"),
        ("000000.dat 16 ", f"000000.dat 16+{'9' * 15} ", "differ in format|truncated"),
        ("000000.dat 16 ", f"000000.dat {'9' * 5000} ", "signal line"),
        ("000000.dat 16 ", "../../etc/passwd 16 ", "must lie beside"),
        ("#Identifier", "#" + "x" * (2 << 20) + "\n#Identifier", "more than 1048576"),
    ],
)
def test_wfdb_headers_that_lie(tmp_path: Path, place: str, value: str, message: str) -> None:
    path = write(tmp_path / "w", "wfdb") / "000000.hea"
    text = path.read_text()
    assert place in text
    path.write_text(text.replace(place, value))
    if value.startswith("1e-999"):
        return  # a gain of 0 stands for the format's default
    refused(tmp_path / "w", message)


def test_tables_with_thousands_of_columns_and_endless_lines(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_text(",".join(f"lead{i}" for i in range(5000)) + "\n" + ",".join("1" * 5000) + "\n")
    refused(path, "missing", input_rate=100, input_unit="uV")
    path.write_text("x" * (3 << 20))
    refused(path, "damaged|missing")
    with path.open("wb") as file:
        file.write(b"I,II,V1,V2,V3,V4,V5,V6\n")
        file.truncate(1 << 34)
    refused(path, "more than 67108864")


def test_a_parquet_row_group_is_decoded_by_parts(tmp_path: Path) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow.parquet import write_table

    # 48 MB of samples in one row group, of which two records are asked for.
    values = pyarrow.array(np.zeros(200 * 5000, np.float32))
    lists = pyarrow.ListArray.from_arrays(pyarrow.array(np.arange(201) * 5000, pyarrow.int32()), values)
    write_table(pyarrow.table(dict.fromkeys(LEADS, lists)), tmp_path / "x.parquet", row_group_size=200)
    del values, lists
    with bounded(40, seconds=20):
        source = read_ecgs(tmp_path / "x.parquet", input_rate=500, input_unit="mV")
        assert source.read([0, 199]).shape == (2, 12, 5000)


def test_edf_with_thousands_of_signals(tmp_path: Path) -> None:
    pytest.importorskip("edfio")
    data = bytearray(write(tmp_path / "x.edf", None).read_bytes())
    data[252:256] = b"4000"
    (tmp_path / "x.edf").write_bytes(bytes(data) + b"1       " * 300_000)
    refused(tmp_path / "x.edf", "damaged|truncated|missing")


def test_parquet_that_repeats_one_value_beyond_measure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ecgsdk.readers.parquet.LARGEST_PARQUET_GROUP", 1 << 20)
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow.parquet import write_table

    values = pyarrow.array(np.zeros(50_000, np.float32))
    lists = pyarrow.ListArray.from_arrays(pyarrow.array([0, 50_000], pyarrow.int32()), values)
    write_table(pyarrow.table(dict.fromkeys(LEADS, lists)), tmp_path / "x.parquet")
    del values, lists
    refused(tmp_path / "x.parquet", "a row group announces 1 rows", input_rate=100, input_unit="uV")


@pytest.mark.parametrize("codes", ["[" * 5000, "{'A': 1e999 * 0}", "{'NORM': {}}", "(" * 90_000])
def test_ptbxl_codes_that_are_none(tmp_path: Path, ptbxl_folder: Path, codes: str) -> None:
    (tmp_path / "scp_statements.csv").write_text((ptbxl_folder / "scp_statements.csv").read_text())
    text = f'ecg_id,age,sex,scp_codes,strat_fold,filename_lr\n1,50,0,"{codes}",1,records100/x\n'
    (tmp_path / "ptbxl_database.csv").write_text(text)
    refused(tmp_path, "ptbxl_database.csv, line 2: cannot be understood")


def test_base64_that_is_none(tmp_path: Path) -> None:
    pytest.importorskip("ecgdatakit")
    text = muse_xml(to_eight(COUNTS)).decode()
    good = base64.b64encode(COUNTS[0].astype("<i2").tobytes()).decode()
    (tmp_path / "x.xml").write_text(text.replace(good, "%" * len(good)))
    refused(tmp_path / "x.xml", "x.xml is damaged, or not a GE MUSE XML file")
