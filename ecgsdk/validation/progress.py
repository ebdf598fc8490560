"""Progress bars of the suite: on the terminal's standard error, or nowhere."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

__all__ = ["Advance", "Progress", "no_progress", "terminal_progress"]

Advance = Callable[[int], object]
"""Told how many more are done."""

Progress = Callable[[str, int], AbstractContextManager[Advance]]
"""Opens a bar: `with progress("reading ECGs", total) as advance: ...`."""


@contextmanager
def no_progress(what: str, total: int) -> Iterator[Advance]:
    """Shows nothing."""
    yield lambda n: None


@contextmanager
def terminal_progress(what: str, total: int) -> Iterator[Advance]:
    """A tqdm bar where standard error is a terminal."""
    from tqdm import tqdm

    with tqdm(total=total, desc=what, leave=False, disable=not sys.stderr.isatty()) as bar:
        yield bar.update
