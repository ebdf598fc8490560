"""Files that break their format: sizes that are checked first, and what a library raises, as one DataError line."""

from __future__ import annotations

import warnings
from contextlib import contextmanager
from typing import TYPE_CHECKING

from ecgsdk.errors import DataError, EcgsdkError, RuntimeSetupError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["MEBIBYTE", "check_size", "damage_reported", "first_line", "needs_package"]

MEBIBYTE = 1 << 20
_LONGEST = 160


def check_size(path: Path, largest: int, what: str) -> int:
    """The size of a file in bytes, of which no more than `largest` are taken into memory.

    Raises:
        DataError: it is missing, empty, no file, or larger.
    """
    try:
        size = path.stat().st_size
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror or error}") from error
    if not path.is_file():
        raise DataError(f"{path} is not a file")
    if not size:
        raise DataError(f"{path} is empty; get the file again")
    if size > largest:
        raise DataError(f"{path} has {size} bytes, more than {largest} that {what} of one record may have")
    return size


@contextmanager
def damage_reported(path: Path, what: str) -> Iterator[None]:
    """Turns all that a library raises or warns of a file into one line that names the file.

    A parser that meets damage may raise anything: what it looked up, divided or decoded was the damage.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except EcgsdkError:
        raise
    except ModuleNotFoundError:
        raise
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror or first_line(error)}") from error
    except Exception as error:
        raise DataError(f"{path} is damaged, or not {what} ({first_line(error)}); get the file again") from error


@contextmanager
def needs_package(extra: str, path: Path) -> Iterator[None]:
    """Around the late import of an optional package: its absence ends in one line that names the extra."""
    try:
        yield
    except ModuleNotFoundError as error:
        raise RuntimeSetupError(f'{path} needs {error.name}; run `pip install "ecgsdk[{extra}]"`') from error


def first_line(error: BaseException) -> str:
    """The first line of what an exception says, no longer than a line may be."""
    lines = str(error).split("\n")
    said = " ".join(lines[0].split()) or type(error).__name__
    return said if len(said) <= _LONGEST else said[: _LONGEST - 1] + "…"
