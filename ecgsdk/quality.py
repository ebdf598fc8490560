"""Quality: how much work a generator puts into an ECG, by a name that needs no knowledge of its model."""

from __future__ import annotations

from inspect import signature
from typing import TYPE_CHECKING, Any

from ecgsdk.conditions import check_known
from ecgsdk.errors import ConditionError

if TYPE_CHECKING:
    from ecgsdk.hookspecs import ECGGenerator

__all__ = ["QUALITIES", "quality_options"]

QUALITIES = ("standard", "high")
"""What can be asked for: the model's own way, or its best."""


def quality_options(generator: ECGGenerator, quality: str | None, steps: int | None = None) -> dict[str, Any]:
    """The arguments of a generator's `generate` and `provenance` that a quality stands for; none leaves it to them.

    High quality is a choice among candidates, or in models that cannot choose more evaluations of the flow.

    Args:
        quality: one of `QUALITIES`, or None for the first.
        steps: flow evaluations asked for by number, which must be None where a quality is asked for.

    Raises:
        ConditionError: an unknown quality, both, or a plugin's generator asked for high quality.
    """
    if quality is None:
        return {"steps": steps}
    check_known("quality", (quality,), QUALITIES)
    if steps is not None:
        raise ConditionError("a quality and a number of steps cannot both be asked for; ask for one of them")
    if quality == "standard":
        return {"steps": None}
    card: Any = getattr(generator, "card", None)  # a plugin's card may be anything
    most = getattr(card, "high_quality_candidates", None)
    if most is None:
        raise ConditionError(f"{generator.name} is a plugin's generator and has one quality; leave it out")
    chooses = most > 1 and "candidates" in signature(generator.generate).parameters  # a plugin may hold our card
    return {"steps": None, "candidates": int(most)} if chooses else {"steps": int(card.most_steps)}
