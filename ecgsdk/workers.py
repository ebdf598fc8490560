"""Workers: threads that share out the records of a batch, each with sessions that run in the thread that calls."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import numpy as np

from ecgsdk.runtime import available_cores

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Workers"]

# Records that a thread makes at a time: enough to fill its matrix products, few enough to stay in its cache.
_CPU_SHARE = 8


class Workers:
    """A pool of threads that outlives a fork.

    Args:
        device: where the sessions run, "cpu" or "cuda"; a GPU takes a whole batch from one thread.
        threads: on the CPU; default: one for each core that the process may use.
    """

    def __init__(self, device: str, threads: int | None = None) -> None:
        on_cpu = device == "cpu"
        self._threads = (threads or available_cores()) if on_cpu else 1
        self._largest_share = _CPU_SHARE if on_cpu else None
        self._pool: tuple[int, ThreadPoolExecutor] | None = None

    def map(self, records: int, work: Callable[[slice], np.ndarray]) -> np.ndarray:
        """What `work` makes of each share of the records, one after another in one array."""
        share = min(-(-records // self._threads), self._largest_share or records)
        tasks = [
            self._executor().submit(work, slice(first, min(first + share, records)))
            for first in range(0, records, share)
        ]
        try:
            return np.concatenate([task.result() for task in tasks])
        except BaseException:
            for task in tasks:  # or an interrupted process would end only when all of them are done
                task.cancel()
            raise

    def _executor(self) -> ThreadPoolExecutor:
        """The threads; new ones in a forked process, which inherits none."""
        if self._pool is None or self._pool[0] != os.getpid():
            self._pool = os.getpid(), ThreadPoolExecutor(self._threads)
        return self._pool[1]
