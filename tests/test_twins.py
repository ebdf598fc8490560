"""Twins are made in shards: an interrupted generation goes on, and the shards together are the records asked for."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from ecgsdk.batch import ECGBatch, Provenance
from ecgsdk.conditions import Condition
from ecgsdk.leads import to_twelve
from ecgsdk.validation.cache import Cache
from ecgsdk.validation.progress import no_progress
from ecgsdk.validation.settings import Settings
from ecgsdk.validation.twins import SHARD, twins

ASKED = [Condition(("LVH",) if i % 3 else ("NORM",), None, 40.0 + i, "F") for i in range(10)]


class Numbered:
    """A generator whose record i is a line at i / 10 mV; it may be interrupted once, in the middle."""

    name = "numbered"
    statements = ("NORM", "LVH")
    sampling_rates = (100.0,)

    def __init__(self, interrupted_at=None):
        self.interrupted_at = interrupted_at
        self.made = []

    def provenance(self, *, seed, steps=None, guidance=None):
        return Provenance(self.name, "ab" * 32, "1", seed=seed, steps=steps or 4, guidance=1.0)

    def generate(self, cohort, n, *, seed=0, start=0, sampling_rate=None, steps=None, guidance=None, batch_size=64):
        for first in range(start, start + n, 2):
            rows = range(first, min(first + 2, start + n))
            if self.interrupted_at in rows:
                raise KeyboardInterrupt
            self.made += rows
            signals = to_twelve(np.zeros((len(rows), 8, 1000), dtype=np.float32))
            signals[:, 6:] += np.array(rows, dtype=np.float32)[:, None, None] / 10
            conditions = tuple(replace(cohort.condition(i), heart_rate=70.0) for i in rows)
            yield ECGBatch(signals, 100.0, conditions, tuple(map(str, rows)), self.provenance(seed=seed, steps=steps))


LARGEST = SHARD


@pytest.fixture(autouse=True)
def small_shards(monkeypatch):
    monkeypatch.setattr("ecgsdk.validation.twins.SHARD", 4)


@pytest.fixture
def settings():
    return Settings(real="ptb-xl", seed=3)


@pytest.fixture
def cache(tmp_path):
    return Cache(tmp_path / "cache")


def test_an_interruption_costs_few_records():
    assert LARGEST <= 250


def test_shards_together_hold_the_records_in_order(settings, cache):
    source = twins(Numbered(), ASKED, settings, cache, no_progress)
    assert source.name == "numbered"
    assert source.identifiers == tuple(map(str, range(10)))
    assert [c.statements for c in source.conditions] == [c.statements for c in ASKED]
    assert [c.age for c in source.conditions] == [c.age for c in ASKED]
    assert len(list(cache.folder.glob("synthetic-*.h5"))) == 3
    signals = source.read([9, 0, 4, 3])
    np.testing.assert_allclose(signals[:, 6, 0], [0.9, 0.0, 0.4, 0.3], atol=1e-3)
    np.testing.assert_allclose(
        np.concatenate([b.signals for b in source.batches(3)])[:, 6, 0], np.arange(10) / 10, atol=1e-3
    )
    assert source.select([7, 2]).read([1])[0, 6, 0] == pytest.approx(0.2, abs=1e-3)


def test_an_interrupted_generation_goes_on_where_it_was(settings, cache):
    with pytest.raises(KeyboardInterrupt):
        twins(Numbered(interrupted_at=7), ASKED, settings, cache, no_progress)
    assert len(list(cache.folder.iterdir())) == 1
    generator = Numbered()
    twins(generator, ASKED, settings, cache, no_progress)
    assert generator.made == list(range(4, 10))
    again = Numbered()
    twins(again, ASKED, settings, cache, no_progress)
    assert again.made == []


def test_a_damaged_shard_is_made_anew(settings, cache):
    twins(Numbered(), ASKED, settings, cache, no_progress)
    path = sorted(cache.folder.iterdir())[0]
    path.write_bytes(path.read_bytes()[:100])
    generator = Numbered()
    source = twins(generator, ASKED, settings, cache, no_progress)
    assert 2 <= len(generator.made) <= 4
    np.testing.assert_allclose(source.read(range(10))[:, 6, 0], np.arange(10) / 10, atol=1e-3)


def test_other_records_are_not_taken_from_the_cache(settings, cache):
    twins(Numbered(), ASKED, settings, cache, no_progress)
    for other in (replace(settings, seed=4), replace(settings, steps=9)):
        generator = Numbered()
        twins(generator, ASKED, other, cache, no_progress)
        assert len(generator.made) == 10
    generator = Numbered()
    twins(generator, [*ASKED[:5], *ASKED[4:8]], settings, cache, no_progress)
    assert generator.made == list(range(4, 9))


def test_the_bar_counts_what_the_cache_holds(settings, cache):
    counted = []

    class Bar:
        def __init__(self, what, total):
            counted.append(-total)

        def __enter__(self):
            return counted.append

        def __exit__(self, *error):
            return None

    for _ in range(2):
        twins(Numbered(), ASKED, settings, cache, Bar)
    assert sum(counted) == 0
