"""Fixtures that many tests use: the shipped PTB-XL records, the shared data sets, and small batches."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ecgsdk.batch import ECGBatch, Provenance
from ecgsdk.conditions import Condition
from ecgsdk.leads import to_twelve
from ecgsdk.readers import read_ptbxl

HERE = Path(__file__).resolve().parent


@pytest.fixture(scope="session")
def ptbxl_folder() -> Path:
    """Six PTB-XL records at 100 and 500 Hz, as PhysioNet publishes them."""
    return HERE / "data" / "ptb-xl"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The data sets that lie beside a developer's checkout; tests that need them are skipped elsewhere."""
    folder = HERE.parents[1] / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("the shared data sets are not here")
    return folder


@pytest.fixture
def real_batch(ptbxl_folder: Path) -> ECGBatch:
    """The six shipped records at 100 Hz."""
    return next(read_ptbxl(ptbxl_folder).batches())


@pytest.fixture
def provenance() -> Provenance:
    """The origin of `synthetic_batch`."""
    return Provenance("tiny", "ab" * 32, "0.1.0", seed=7, steps=4, guidance=1.5)


@pytest.fixture
def synthetic_batch(provenance: Provenance) -> ECGBatch:
    """Five records of noise, 3 s at 100 Hz, whose lead equations hold, with all kinds of conditions."""
    eight = np.random.default_rng(0).normal(scale=0.7, size=(5, 8, 300)).astype(np.float32)
    conditions = (
        Condition(),
        Condition(("NORM",), 72.5, 44.0, "F"),
        Condition(("AFIB", "LVH"), 110.0, 81.0, "M"),
        Condition(("LAO/LAE", "1AVB"), None, 60.0, None),
        Condition(("PVC",), 66.0, None, "F"),
    )
    return ECGBatch(to_twelve(eight), 100.0, conditions, tuple("01234"), provenance)
