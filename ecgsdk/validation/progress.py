"""Progress of the suite on standard error: bars on a terminal, a plain line a step elsewhere, or nothing."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

__all__ = ["Advance", "Progress", "no_progress", "terminal_progress"]

Advance = Callable[[int], object]
"""Told how many more are done."""

Progress = Callable[[str, int], AbstractContextManager[Advance]]
"""Opens a bar: `with progress("reading ECGs", total) as advance: ...`."""

_SILENT_S = 2.0
"""Steps that are done sooner are not told where there is no terminal."""


@contextmanager
def no_progress(what: str, total: int) -> Iterator[Advance]:
    """Shows nothing."""
    yield lambda n: None


@contextmanager
def terminal_progress(what: str, total: int) -> Iterator[Advance]:
    """A tqdm bar where standard error is a terminal; else one line for each step of more than two seconds."""
    if not sys.stderr.isatty():
        with _plain_line(f"{what}: {total} …"):
            yield lambda n: None
        return
    from tqdm import tqdm

    with tqdm(total=total, desc=what, leave=False) as bar:
        yield bar.update


@contextmanager
def _plain_line(begin: str) -> Iterator[None]:
    """Begins a line after two seconds, without a report from the step, and ends it with the step."""
    stream, began, told = sys.stderr, time.monotonic(), threading.Event()

    def tell() -> None:
        told.set()
        print(begin, end="", file=stream, flush=True)

    timer = threading.Timer(_SILENT_S, tell)
    timer.daemon = True
    timer.start()
    end = "stopped after"
    try:
        yield
        end = "done in"
    finally:
        timer.cancel()
        timer.join()
        if told.is_set():
            print(f" {end} {time.monotonic() - began:.0f} s", file=stream, flush=True)
