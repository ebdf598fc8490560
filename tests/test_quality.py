"""What `--quality` asks of a generator, be it ours or a plugin's."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from ecgsdk.errors import ConditionError
from ecgsdk.quality import quality_steps

OURS = SimpleNamespace(name="ours", card=SimpleNamespace(most_steps=6))


def test_a_quality_is_a_number_of_steps():
    assert [quality_steps(OURS, quality) for quality in (None, "standard", "high")] == [None, None, 6]
    assert quality_steps(OURS, None, 3) == 3
    with pytest.raises(ConditionError, match="ask for one of them"):
        quality_steps(OURS, "high", 3)
    with pytest.raises(ConditionError, match="did you mean high"):
        quality_steps(OURS, "hihg")


@pytest.mark.parametrize("facts", [{}, {"card": {"made by": "a plugin"}}])
def test_a_plugins_generator_has_one_quality(facts):
    theirs = SimpleNamespace(name="theirs", **facts)
    assert quality_steps(theirs, "standard") is None
    with pytest.raises(ConditionError, match="theirs is a plugin's generator"):
        quality_steps(theirs, "high")
