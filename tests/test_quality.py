"""What `--quality` asks of a generator, be it ours or a plugin's."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from ecgsdk.errors import ConditionError
from ecgsdk.quality import quality_options


def generate(*, steps=None, candidates=1): ...


CARD = SimpleNamespace(most_steps=6, high_quality_candidates=8)
OURS = SimpleNamespace(name="ours", card=CARD, generate=generate)
WITHOUT_JUDGE = SimpleNamespace(
    name="earlier", card=SimpleNamespace(most_steps=6, high_quality_candidates=1), generate=generate
)


def test_a_quality_is_a_number_of_candidates_or_else_of_steps():
    for generator in (OURS, WITHOUT_JUDGE):
        assert [quality_options(generator, quality) for quality in (None, "standard")] == [{"steps": None}] * 2
        assert quality_options(generator, None, 3) == {"steps": 3}
    assert quality_options(OURS, "high") == {"steps": None, "candidates": 8}
    assert quality_options(WITHOUT_JUDGE, "high") == {"steps": 6}
    with_our_card = SimpleNamespace(name="theirs", card=CARD, generate=lambda steps=None: None)
    assert quality_options(with_our_card, "high") == {"steps": 6}
    with pytest.raises(ConditionError, match="ask for one of them"):
        quality_options(OURS, "high", 3)
    with pytest.raises(ConditionError, match="did you mean high"):
        quality_options(OURS, "hihg")


@pytest.mark.parametrize("facts", [{}, {"card": {"made by": "a plugin"}}])
def test_a_plugins_generator_has_one_quality(facts):
    theirs = SimpleNamespace(name="theirs", **facts)
    assert quality_options(theirs, "standard") == {"steps": None}
    with pytest.raises(ConditionError, match="theirs is a plugin's generator"):
        quality_options(theirs, "high")
