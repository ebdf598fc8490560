"""Workers: threads that share out the records of a batch, each with sessions that run in the thread that calls."""

from __future__ import annotations

import os
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from threading import Semaphore
from typing import TYPE_CHECKING, Generic, TypeVar

import numpy as np

from ecgsdk.runtime import available_cores

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from concurrent.futures import Future
    from contextlib import AbstractContextManager

__all__ = ["Begun", "Threads", "Workers", "in_parts", "in_turn", "stopped"]

# Records that a session runs at a time: enough to fill its matrix products, few enough to stay in its cache.
_CPU_BLOCK = 8
# Blocks that a thread takes at a time, so that what is done once for all of them costs little.
_CPU_BLOCKS = 4
_CPU_BATCH = 32
# Records of one run on a GPU: enough to fill it.
_CUDA_BLOCK = 1024
# Threads that use the GPU at a time: one copies while the other's graph runs. The others draw numbers or derive leads.
_CUDA_AT_ONCE = 2
# Records whose numbers NumPy works on at a time, so that they stay in the cache.
_PART = 32

Made = TypeVar("Made")
Taken = TypeVar("Taken")


class Begun(Generic[Made]):
    """What the threads are at work on.

    Args:
        submit: sets threads to work on the shares.
        finish: turns all rows into the result.
        into: all rows, where the work fills them; otherwise those that it gives are copied together.
    """

    def __init__(
        self,
        submit: Callable[[], list[Future[np.ndarray]]],
        finish: Callable[[np.ndarray], Made],
        into: np.ndarray | None = None,
    ) -> None:
        self._submit = submit
        self._finish = finish
        self._into = into
        self._process, self._tasks = os.getpid(), submit()

    def result(self) -> Made:
        """Waits for it; raises what the work raised, whereupon no more of it is begun."""
        if self._process != os.getpid():  # a forked process would wait for threads that it has not
            self._process, self._tasks = os.getpid(), self._submit()
        try:
            rows = [task.result() for task in self._tasks]
            if self._into is None:
                return self._finish(rows[0] if len(rows) == 1 else np.concatenate(rows))
            return self._finish(self._into)
        except BaseException:
            self.cancel()  # or an interrupted process would end only when all of them are done
            raise

    def cancel(self) -> None:
        """Keeps what was not begun from being done."""
        for task in self._tasks:
            task.cancel()


class Threads:
    """A pool of threads that outlives a fork: a forked process, which inherits none, gets its own.

    Attributes:
        number: of threads.
    """

    def __init__(self, number: int) -> None:
        self.number = number
        self._pool: tuple[int, ThreadPoolExecutor] | None = None

    def submit(self, work: Callable[[Taken], Made], share: Taken) -> Future[Made]:
        """Lets a thread do the work on a share."""
        return self._executor().submit(work, share)

    def map(self, work: Callable[[Taken], Made], shares: Iterable[Taken]) -> Iterator[Made]:
        """What the work makes of each share, in order."""
        return self._executor().map(work, shares)

    def _executor(self) -> ThreadPoolExecutor:
        if self._pool is None or self._pool[0] != os.getpid():
            self._pool = os.getpid(), ThreadPoolExecutor(self.number)
        return self._pool[1]


class Workers:
    """Threads that make records.

    Args:
        device: where the sessions run, "cpu" or "cuda"; a GPU takes many records from one thread, while others prepare
            the next.
        threads: default: one for each core that the process may use.

    Attributes:
        block: records of one run of a session.
        batch: records of a batch that keeps the device busy.
        ahead: batches to be at work on beyond the one in use.
        turn: held by a thread while it uses the device.
    """

    def __init__(self, device: str, threads: int | None = None) -> None:
        on_cpu = device == "cpu"
        number = threads or available_cores()
        self._threads = Threads(number if on_cpu else max(number, _CUDA_AT_ONCE))
        self._on_cpu = on_cpu
        self.block = _CPU_BLOCK if on_cpu else _CUDA_BLOCK
        self.batch = _CPU_BATCH if on_cpu else _CUDA_BLOCK
        self.ahead = 1 if on_cpu else self._threads.number
        self.turn: AbstractContextManager[object] = nullcontext() if on_cpu else Semaphore(_CUDA_AT_ONCE)

    def blocks(self, records: int, most: int | None = None) -> list[slice]:
        """The records in parts, of `most` at most, that a session runs best."""
        return in_parts(records, min(self.block, most or self.block))

    def begin(
        self,
        records: int,
        work: Callable[[slice], np.ndarray],
        finish: Callable[[np.ndarray], Made],
        *,
        blocks: int = _CPU_BLOCKS,
        into: np.ndarray | None = None,
    ) -> Begun[Made]:
        """Lets the threads make all records.

        Args:
            records: number of them.
            work: makes some of them, a row each.
            finish: turns all rows into the result, in the thread that asks for it.
            blocks: that a thread takes at a time, at most, on the CPU.
            into: all rows, where the work fills its own of them; otherwise those that it gives are copied together.
        """
        # A GPU's runs are as large as they may be; on the CPU no thread is to be without work.
        share = min(-(-records // self._threads.number), blocks * self.block) if self._on_cpu else self.block
        return Begun(lambda: [self._threads.submit(work, part) for part in in_parts(records, share)], finish, into)


def in_turn(begun: Iterable[Begun[Made]], *, ahead: int = 1) -> Iterator[Made]:
    """The results, in order; while one is in use, the threads are at work on the next, or on the next few.

    Where the next cannot be begun, what is begun comes first, and then the error. When the iteration is left early,
    what was begun beyond it is cancelled.
    """
    waiting: deque[Begun[Made]] = deque()
    beginning = iter(begun)
    failure: Exception | None = None
    try:
        while failure is None:
            try:
                waiting.append(next(beginning))
            except StopIteration:
                break
            except Exception as error:
                failure = error
            else:
                if len(waiting) > ahead:
                    yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        for work in waiting:
            work.cancel()
    if failure is not None:
        raise failure


@contextmanager
def stopped(results: Iterable[Made]) -> Iterator[Iterable[Made]]:
    """Results of which none are at work any more once the block is left.

    When an exception leaves it, its traceback keeps the iteration alive; the process would end only when what was begun
    is done.
    """
    try:
        yield results
    finally:
        close = getattr(results, "close", None)  # iterators of plugins need have none
        if close is not None:
            close()


def in_parts(records: int, size: int = _PART) -> list[slice]:
    """The records in parts of `size`, the last of which may be smaller."""
    return [slice(first, min(first + size, records)) for first in range(0, records, size)]
