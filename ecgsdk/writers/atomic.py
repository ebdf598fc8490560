"""Files and folders that appear under their final name only when they are complete."""

from __future__ import annotations

import hashlib
import os
import platform
import shutil
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from ecgsdk.errors import WriteError

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["check_target", "discard", "parts_of", "publish", "staging_path", "stale_parts"]


def check_target(path: Path, *, overwrite: bool, folder: bool, ours: Callable[[Path], bool] = lambda _: False) -> None:
    """Raises WriteError where `path` cannot become a new file (or folder), before any work is done.

    A folder is overwritten only if all its entries are `ours`. A folder that a killed process was about to replace is
    put back first.
    """
    if not path.name:
        raise WriteError(f"cannot write {path}: name a file or folder")
    if not path.parent.is_dir():
        raise WriteError(f"cannot write {path}: folder {path.parent} does not exist; create it first")
    if not os.access(path.parent, os.W_OK):
        raise WriteError(f"cannot write {path}: no permission to write into {path.parent}")
    _restore(path)
    if not os.path.lexists(path):
        return
    if not overwrite:
        raise WriteError(f"{path} exists already; choose another name, or overwrite it with --force")
    if path.is_symlink() or not (path.is_dir() or path.is_file()):
        raise WriteError(f"{path} is a link or a device and is not overwritten; choose another name")
    if path.is_dir() != folder:
        raise WriteError(f"{path} is a {'file' if folder else 'folder'}; choose another name")
    if folder and not all(map(ours, path.iterdir())):
        raise WriteError(f"{path} holds other files too and is not overwritten; choose another name")


def staging_path(path: Path) -> Path:
    """The name beside `path` under which it is written: `.NAME.part-HERE-PID`."""
    return path.with_name(f".{path.name}.part-{_here()}-{os.getpid()}")


def parts_of(path: Path) -> list[Path]:
    """What was written, or is being written, under temporary names beside `path`."""
    return _beside(path, "part")


def stale_parts(path: Path) -> list[Path]:
    """The parts of `path` that processes left which have ended, or this one before; not those of other machines."""
    return [part for part in parts_of(path) if _is_stale(part, path, "part")]


def publish(staged: Path, path: Path) -> None:
    """Gives what is complete its final name, in place of what had the name before.

    A file replaces another in one step. A folder cannot: the old one is set aside first, and is back in its place
    when the exchange fails.

    Raises:
        OSError: as the file system says.
    """
    _flush(staged)
    if staged.is_dir() and path.exists():
        aside = path.with_name(f".{path.name}.old-{_here()}-{os.getpid()}")
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
    shutil.rmtree(staged, ignore_errors=True)
    with suppress(OSError):
        staged.unlink()


def _flush(path: Path) -> None:
    """Waits until the file, or the folder's list of names, is on the disk; Windows has no such call for folders."""
    if path.is_dir() and os.name == "nt":
        return
    handle = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _restore(path: Path) -> None:
    """Puts back the folder that a killed process set aside to replace it; removes one that is replaced."""
    for aside in _beside(path, "old"):
        if _is_stale(aside, path, "old"):
            if os.path.lexists(path):
                discard(aside)
            else:
                with suppress(OSError):
                    os.replace(aside, path)


def _beside(path: Path, kind: str) -> list[Path]:
    """What has a temporary name of this kind beside `path`."""
    prefix = f".{path.name}.{kind}-"
    try:
        return sorted(entry for entry in path.parent.iterdir() if entry.name.startswith(prefix))
    except OSError:
        return []


def _is_stale(entry: Path, path: Path, kind: str) -> bool:
    """Whether a temporary name is of a process on this machine that has ended, or of this one."""
    prefix = f".{path.name}.{kind}-{_here()}-"
    return entry.name.startswith(prefix) and _ended(entry.name[len(prefix) :])


def _here() -> str:
    """A name for this machine, or container: for all that number their processes as this one is numbered."""
    try:
        processes = str(os.stat("/proc/self/ns/pid").st_ino)
    except OSError:
        processes = ""
    return hashlib.sha256(f"{platform.node()} {processes}".encode()).hexdigest()[:8]


def _ended(number: str) -> bool:
    """Whether no other process has this number; on Windows, where asking would end it, that is not known."""
    if not number.isdecimal() or len(number) > 9:
        return False
    if int(number) == os.getpid():
        return True
    if os.name == "nt":
        return False
    try:
        os.kill(int(number), 0)
    except ProcessLookupError:
        return True
    except OSError:
        return False
    return False
