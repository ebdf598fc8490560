"""Which format a file or a folder has, found by looking into it."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ecgsdk.errors import DataError
from ecgsdk.readers.clinical import clinical_kind
from ecgsdk.readers.csv import is_listed
from ecgsdk.readers.records import files_below

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["Found", "find_format", "passed_over"]

_SNIFFED = 4096
_SUFFIXES = {
    ".hea": "wfdb",
    ".h5": "hdf5",
    ".hdf5": "hdf5",
    ".npz": "npz",
    ".parquet": "parquet",
    ".dcm": "dicom",
    ".edf": "edf",
    ".csv": "csv",
    ".scp": "clinical",
}
_ONE_RECORD = ("dicom", "edf", "clinical", "csv")
_OF_RECORDS = ("dicom", "edf", "clinical", "hdf5", "npz", "parquet")
"""Formats whose files hold ECGs. A table beside records mostly tells of them."""

# The media storage class of a DICOMDIR (PS3.4 table B.5-1), as the explicit little-endian element (0002,0002).
_DIRECTORY = b"\x02\0\x02\0UI\x14\x001.2.840.10008.1.3.10"
_TITLES = {"dicom": "DICOM", "edf": "EDF", "clinical": "clinical XML or SCP-ECG"}


@dataclass(frozen=True)
class Found:
    """What lies at a path.

    Attributes:
        format: "ptbxl", "wfdb", "hdf5", "npz", "parquet", "dicom", "edf", "clinical", "listed-csv" or "csv".
        files: the files of one record each, for the formats that have such.
    """

    format: str
    files: tuple[Path, ...] = ()


def find_format(path: Path) -> Found | None:
    """The format of a file, or of the records in a folder and all folders below; None for what is none of ours.

    A folder that is neither PTB-XL nor WFDB nor a list of CSV files may hold DICOM, EDF or clinical files, under any
    name, or else CSV files. Other files in it are left aside, hidden ones and the DICOMDIR of a disc as well.

    Raises:
        DataError: the folder holds records of several formats, or the path is neither a file nor a folder.
    """
    if not path.is_dir():
        if path.exists() and not path.is_file():
            raise DataError(f"{path} is neither a file nor a folder")
        known = _format_of_file(path, _head(path))
        return None if known is None else Found(known, (path,))
    if (path / "ptbxl_database.csv").is_file():
        return Found("ptbxl")
    if (path / "RECORDS").is_file() or next(path.rglob("*.hea"), None) is not None:
        return Found("wfdb")
    if is_listed(path):
        return Found("listed-csv")
    return _records_in(path, files_below(path))


def passed_over(folder: Path) -> list[Path]:
    """Files of ECGs in a folder of WFDB records, at every depth, that belong to none of these: nobody reads them."""
    found: list[Path] = []
    for place, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        records = {name.removesuffix(".hea") for name in names if name.endswith(".hea")}
        others = [name for name in sorted(names) if name[0] != "." and os.path.splitext(name)[0] not in records]
        found += [path for path in (Path(place, name) for name in others) if _holds_ecgs(path)]
    return found


def _holds_ecgs(path: Path) -> bool:
    head = _head(path)
    return _format_of_file(path, head) in _OF_RECORDS and _DIRECTORY not in head


def _records_in(folder: Path, files: Iterable[Path]) -> Found | None:
    found: dict[str, list[Path]] = {}
    for path in files:
        if path.exists() and not path.is_file():
            continue
        head = _head(path)
        known = _format_of_file(path, head)
        if known in _ONE_RECORD and _DIRECTORY not in head:
            found.setdefault(known, []).append(path)
    tables = found.pop("csv", [])
    if len(found) > 1:
        counts = " and ".join(f"{len(paths)} {_TITLES[name]}" for name, paths in sorted(found.items()))
        raise DataError(f"{folder} holds files of several formats ({counts}); read each from a folder of its own")
    for name, paths in found.items():
        return Found(name, tuple(paths))
    return Found("csv", tuple(tables)) if tables else None


def _head(path: Path) -> bytes:
    """What the file begins with; empty for what is missing, no file, such as a pipe, or cannot be read."""
    try:
        if not path.is_file():
            return b""
        with path.open("rb") as file:
            return file.read(_SNIFFED)
    except OSError:
        return b""


def _format_of_file(path: Path, head: bytes) -> str | None:
    """By what the file begins with, or else by its name."""
    if head[128:132] == b"DICM":
        return "dicom"
    if head[:4] == b"PAR1":
        return "parquet"
    if head[:8] == b"0       " and head[252:256].strip().isdigit():
        return "edf"
    if head[:8] == b"\x89HDF\r\n\x1a\n":
        return "hdf5"
    suffix = path.suffix.lower()
    kind = clinical_kind(head) if suffix not in _SUFFIXES or suffix == ".scp" else None
    return "clinical" if kind == "scp" or (kind and suffix in (".xml", ".txt")) else _SUFFIXES.get(suffix)
