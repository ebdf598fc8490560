"""Reader and judge: what they see of an ECG, and of which records."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.torch

from ecgsdk.encoding import condition_width  # noqa: E402
from ecgsdk.leads import to_eight  # noqa: E402
from ecgsdk.readers import read_ptbxl  # noqa: E402
from ecgsdk.training.config import CONFIGS  # noqa: E402
from ecgsdk.training.judge import Judge  # noqa: E402
from ecgsdk.training.reader import FEATURES, Reader, readers_half  # noqa: E402

CONFIG = replace(CONFIGS["cpu"], statements=("NORM", "AFIB"))


@pytest.fixture(scope="module")
def recorded(ptbxl_folder):
    return torch.from_numpy(to_eight(next(read_ptbxl(ptbxl_folder).batches()).signals))


def moved(reader, signals, added):
    with torch.no_grad():
        before, after = reader.features(signals), reader.features(signals + added)
    return float((after - before).norm() / before.norm())


def test_a_reader_sees_waves_and_neither_baseline_nor_what_is_faint(recorded):
    torch.manual_seed(0)
    reader = Reader(1000, 2).eval()
    assert reader.features(recorded).shape == (len(recorded), FEATURES)
    seconds = torch.arange(1000) / 100
    slow, wave, fast = (0.05 * torch.cos(2 * np.pi * hertz * (seconds + 0.005)) for hertz in (0.2, 5.0, 45.0))
    assert moved(reader, recorded, slow) < 1e-3
    assert moved(reader, recorded, fast) < 0.05 * moved(reader, recorded, wave)


def test_the_judge_goes_by_signals_and_by_what_was_asked_for(recorded):
    torch.manual_seed(0)
    judge = Judge(CONFIG).eval()
    condition = torch.zeros(len(recorded), condition_width(CONFIG.statements))
    other = condition.clone()
    other[:, 1] = 1
    with torch.no_grad():
        plain = judge(recorded, condition)
        assert plain.shape == (len(recorded),)
        assert (judge(recorded, other) != plain).all()
        assert (judge(0.5 * recorded, condition) != plain).all()
        alone = torch.cat([judge(one[None], asked[None]) for one, asked in zip(recorded, condition)])
    assert torch.allclose(alone, plain, atol=1e-5)


def test_a_reader_learns_from_half_of_the_records_and_always_the_same():
    first, again = (readers_half(1000, torch.device("cpu")) for _ in range(2))
    assert torch.equal(first, again)
    assert 450 < int(first.sum()) < 550
