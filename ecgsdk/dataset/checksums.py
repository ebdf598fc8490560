"""Checksums: SHA256SUMS of a folder as `sha256sum -c` reads it, and what in the folder differs from it."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Literal

from ecgsdk.errors import DataError

if TYPE_CHECKING:
    from ecgsdk.validation.progress import Progress

__all__ = ["SUMS", "Fault", "file_sha256", "verify_dataset", "write_checksums"]

SUMS = "SHA256SUMS"
"""Name of the file that lists all others."""

_LINE = re.compile(r"([0-9a-f]{64}) [ *](\S.*)")
_READ_BYTES = 1 << 20


@dataclass(frozen=True)
class Fault:
    """A file that is not as SHA256SUMS says.

    Attributes:
        kind: "wrong", "missing" or "extra".
        path: of the file in the folder, with slashes.
    """

    kind: Literal["wrong", "missing", "extra"]
    path: str


def file_sha256(path: Path) -> str:
    """SHA-256 of a file in hexadecimal, read piece by piece."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(_READ_BYTES):
            digest.update(piece)
    return digest.hexdigest()


def write_checksums(folder: Path) -> str:
    """Writes SHA256SUMS over all other files of the folder, sorted by path; returns the SHA-256 of the list itself."""
    lines = [f"{file_sha256(folder / path)}  {path}\n" for path in _files(folder)]
    text = "".join(lines).encode()
    (folder / SUMS).write_bytes(text)
    return hashlib.sha256(text).hexdigest()


def verify_dataset(folder: str | Path, *, progress: Progress | None = None) -> tuple[int, tuple[Fault, ...]]:
    """Compares a folder with its SHA256SUMS.

    Returns:
        Number of files listed, and what is wrong, missing or extra, by path.

    Raises:
        DataError: no folder, or no list that can be read.
    """
    from ecgsdk.validation.progress import no_progress

    folder = Path(folder)
    listed = _listed(folder)
    there = set(_files(folder))
    faults = [Fault("extra", path) for path in there - set(listed)]
    with (progress or no_progress)("checking files", len(listed)) as advance:
        for path, digest in listed.items():
            if path not in there:
                faults.append(Fault("missing", path))
            elif _digest(folder / path) != digest:
                faults.append(Fault("wrong", path))
            advance(1)
    return len(listed), tuple(sorted(faults, key=lambda fault: fault.path))


def _digest(path: Path) -> str | None:
    """SHA-256 of a file, or None where it cannot be read: it is wrong then."""
    try:
        return file_sha256(path)
    except OSError:
        return None


def _files(folder: Path) -> list[str]:
    """All files and links in the folder but the list, as sorted paths with slashes."""
    # A link to a folder is a folder to `is_dir`, and what it leads to is not in this one.
    found = (path for path in folder.rglob("*") if path.is_symlink() or not path.is_dir())
    paths = (path.relative_to(folder).as_posix() for path in found)
    return sorted(path for path in paths if path != SUMS)


def _listed(folder: Path) -> dict[str, str]:
    path = folder / SUMS
    if not path.is_file():
        raise DataError(f"{folder} has no file {SUMS}; name a folder that `ecgsdk dataset build` wrote")
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"cannot read {path}: {error}") from error
    listed: dict[str, str] = {}
    for number, line in enumerate(lines, start=1):
        match = _LINE.fullmatch(line)
        if match is None or _leaves(match[2]):
            raise DataError(f"{path}, line {number} is not a checksum and a path in the folder; get the list again")
        listed[match[2]] = match[1]
    return listed


def _leaves(path: str) -> bool:
    """Whether a path points out of the folder."""
    return ".." in PurePosixPath(path).parts or PurePosixPath(path).is_absolute()
