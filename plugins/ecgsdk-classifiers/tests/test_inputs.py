"""What is refused before anything is learned, and rates that are never 0 or 1."""

from __future__ import annotations

import numpy as np
import pytest
from ecgsdk_classifiers.inputs import base_rates, checked_labels, checked_signals


@pytest.mark.parametrize("shape", [(12, 1000), (2, 8, 1000), (0, 12, 1000)])
def test_signals_of_another_shape_are_refused(shape) -> None:
    with pytest.raises(ValueError, match="shape"):
        checked_signals(np.zeros(shape, dtype=np.float32))


@pytest.mark.parametrize("shape", [(4,), (3, 2), (4, 0)])
def test_labels_of_another_shape_are_refused(shape) -> None:
    with pytest.raises(ValueError, match="shape"):
        checked_labels(np.zeros(shape, dtype=bool), 4)


def test_base_rates_are_never_certain() -> None:
    labels = np.array([[True, False, True], [True, False, False], [True, False, False]])
    np.testing.assert_allclose(base_rates(labels), [3.5 / 4, 0.5 / 4, 1.5 / 4])
