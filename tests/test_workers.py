"""Threads share out records, work on the next batch while one is in use, and stop when nobody waits for it."""

from __future__ import annotations

import multiprocessing
import os
import threading
import time

import numpy as np
import pytest

from ecgsdk.workers import Workers, in_turn, stopped


def doubled(workers, numbers):
    return workers.begin(len(numbers), lambda part: 2 * numbers[part], list)


def test_rows_come_in_order_whatever_the_number_of_threads():
    for threads in (1, 2, 5):
        for n in (1, 7, 200):
            assert doubled(Workers("cpu", threads), np.arange(n)).result() == list(range(0, 2 * n, 2))


def test_work_may_fill_rows_that_are_given():
    for threads in (1, 2):
        made, workers = np.zeros(200), Workers("cpu", threads)

        def fill(part, made=made):
            made[part] = np.arange(200)[part]
            return made[part]

        assert workers.begin(200, fill, lambda rows: rows, into=made).result() is made
        assert made.tolist() == list(range(200))


def test_a_gpu_takes_a_whole_batch_but_no_more_than_its_memory_holds():
    assert Workers("cuda").blocks(100) == [slice(0, 100)]
    assert Workers("cuda").blocks(100, 64) == [slice(0, 64), slice(64, 100)]
    assert len(Workers("cpu").blocks(100)) > 10
    workers, sizes = Workers("cuda", 3), []
    most = workers.block

    def count(part):
        sizes.append(part.stop - part.start)
        return np.zeros(part.stop - part.start)

    assert len(workers.begin(2 * most + 5, count, list).result()) == 2 * most + 5
    assert sorted(sizes) == [5, most, most]


def test_no_more_threads_use_a_gpu_than_it_is_to_have():
    workers, inside, seen = Workers("cuda", 8), [], []

    def use(part):
        with workers.turn:
            inside.append(part)
            seen.append(len(inside))
            time.sleep(0.002)
            inside.remove(part)
        return np.zeros(1)

    workers.begin(12 * workers.block, use, list).result()
    assert len(seen) == 12
    assert max(seen) == 2


def test_several_may_be_begun_while_one_is_in_use():
    workers, begun = Workers("cpu", 1), []

    def each():
        for i in range(6):
            begun.append(i)
            yield doubled(workers, np.array([i]))

    results = in_turn(each(), ahead=3)
    assert next(results) == [0]
    assert begun == [0, 1, 2, 3]
    assert [made for (made,) in results] == [2, 4, 6, 8, 10]


def test_the_next_is_begun_while_one_is_in_use():
    workers, begun = Workers("cpu", 1), []

    def each():
        for i in range(4):
            begun.append(i)
            yield doubled(workers, np.array([i]))

    results = in_turn(each())
    for i in range(4):
        assert next(results) == [2 * i]
        assert begun == list(range(min(i + 2, 4)))
    assert list(results) == []


def test_what_is_begun_comes_out_before_the_error_of_the_next_that_cannot_be():
    workers = Workers("cpu", 1)

    def each():
        yield doubled(workers, np.arange(3))
        yield doubled(workers, np.arange(2))
        raise OSError("no more sources")

    results = in_turn(each())
    assert [next(results), next(results)] == [[0, 2, 4], [0, 2]]
    with pytest.raises(OSError, match="no more sources"):
        next(results)


def test_results_before_a_failure_come_out():
    workers = Workers("cpu", 1)

    def fail(part):
        raise MemoryError("no more")

    def each():
        yield doubled(workers, np.arange(3))
        yield workers.begin(1, fail, list)
        yield doubled(workers, np.arange(3))

    results = in_turn(each())
    assert next(results) == [0, 2, 4]
    with pytest.raises(MemoryError, match="no more"):
        next(results)


def test_what_nobody_waits_for_is_not_done():
    workers, done, may_go_on = Workers("cpu", 1), [], threading.Event()

    def slow(part):
        done.append(part)
        may_go_on.wait(10)
        return np.zeros(1)

    first = doubled(workers, np.arange(1))
    results = in_turn([first, workers.begin(1, slow, list), workers.begin(400, slow, list)])
    assert next(results) == [0]
    results.close()
    may_go_on.set()
    workers._threads._executor().shutdown()
    assert len(done) <= 14


def test_what_was_begun_is_stopped_when_an_exception_leaves_the_block():
    workers, done, may_go_on = Workers("cpu", 1), [], threading.Event()

    def slow(part):
        done.append(part)
        may_go_on.wait(10)
        return np.zeros(1)

    def write(results):
        with stopped(results) as each:
            for _ in each:
                raise OSError("the disk is full")

    with pytest.raises(OSError, match="full") as caught:
        write(in_turn([doubled(workers, np.arange(1)), workers.begin(400, slow, list)]))
    may_go_on.set()
    workers._threads._executor().shutdown()
    assert caught.traceback
    assert len(done) <= 1
    with stopped([1, 2]) as numbers:
        assert list(numbers) == [1, 2]


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_fork_begins_again_what_its_parents_threads_are_at_work_on():
    if not hasattr(os, "fork"):
        pytest.skip("no fork here")
    workers, parent, may_go_on = Workers("cpu", 1), os.getpid(), threading.Event()

    def slow(part):
        if os.getpid() == parent:
            may_go_on.wait(60)
        return np.arange(3)[part]

    results = in_turn([doubled(workers, np.arange(1)), workers.begin(3, slow, list)])
    assert next(results) == [0]
    _SHARED[:] = [results]
    with multiprocessing.get_context("fork").Pool(1) as pool:
        assert pool.apply_async(_next_shared).get(timeout=20) == [0, 1, 2]
    may_go_on.set()
    assert list(results) == [[0, 1, 2]]


_SHARED = []


def _next_shared():
    return next(_SHARED[0])
