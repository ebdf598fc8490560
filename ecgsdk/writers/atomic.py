"""Files and folders that appear under their final name only when they are complete."""

from __future__ import annotations

import os
import shutil
from contextlib import suppress
from pathlib import Path

from ecgsdk.errors import WriteError

__all__ = ["check_target", "discard", "publish", "staging_path"]


def check_target(path: Path, *, overwrite: bool, folder: bool) -> None:
    """Raises WriteError where `path` cannot become a new file (or folder), before any work is done."""
    if not path.parent.is_dir():
        raise WriteError(f"cannot write {path}: folder {path.parent} does not exist; create it first")
    if not os.access(path.parent, os.W_OK):
        raise WriteError(f"cannot write {path}: no permission to write into {path.parent}")
    if not os.path.lexists(path):
        return
    if not overwrite:
        raise WriteError(f"{path} exists already; choose another name, or overwrite it on purpose")
    if path.is_dir() != folder:
        raise WriteError(f"{path} is a {'file' if folder else 'folder'}; choose another name")
    if folder and not _holds_only_records(path):
        raise WriteError(f"{path} holds more than WFDB records and is not overwritten; choose another name")


def staging_path(path: Path) -> Path:
    """The name beside `path` under which it is written."""
    return path.with_name(f".{path.name}.part-{os.getpid()}")


def publish(staged: Path, path: Path) -> None:
    """Gives what is complete its final name, in place of what had the name before.

    A file replaces another in one step. A folder cannot: the old one is set aside first, and is back in its place
    when the exchange fails.

    Raises:
        OSError: as the file system says.
    """
    _flush(staged)
    if staged.is_dir() and path.exists():
        aside = path.with_name(f".{path.name}.old-{os.getpid()}")
        os.replace(path, aside)
        try:
            os.replace(staged, path)
        except BaseException:
            os.replace(aside, path)
            raise
        shutil.rmtree(aside, ignore_errors=True)
    else:
        os.replace(staged, path)
    _flush(path.parent)


def discard(staged: Path) -> None:
    """Removes what is not complete; never fails."""
    if staged.is_dir():
        shutil.rmtree(staged, ignore_errors=True)
    with suppress(OSError):
        staged.unlink()


def _holds_only_records(folder: Path) -> bool:
    return all(entry.name == "RECORDS" or entry.suffix in (".hea", ".dat") for entry in folder.iterdir())


def _flush(path: Path) -> None:
    """Waits until the file, or the folder's list of names, is on the disk; Windows has no such call for folders."""
    if path.is_dir() and os.name == "nt":
        return
    handle = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
