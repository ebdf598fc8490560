"""The licence of a data set, and whom its users must credit: what follows from the model's training data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ecgsdk.dataset.pages import page

if TYPE_CHECKING:
    from ecgsdk.dataset.contents import Dataset

__all__ = ["Terms", "licence_text", "terms_of"]


@dataclass(frozen=True)
class Terms:
    """Under which terms a data set may be passed on.

    Attributes:
        name: short name of the licence.
        url: of its text; None where it is not one that ecgsdk knows.
        credit: what must be named.
        reason: why this licence.
    """

    name: str
    url: str | None
    credit: str
    reason: str


_KNOWN = {"CC BY 4.0": "https://creativecommons.org/licenses/by/4.0/"}


def terms_of(dataset: Dataset) -> Terms:
    """The licence of the model's training data, which is the safe one for what the model makes.

    A synthesiser's ECG is an adaptation of a real one, so the terms of the real one follow it. Whether a generator's
    ECG is one too is not settled law; the same terms cover both answers.
    """
    data = dataset.card.data
    source, name = str(data.get("source", "unknown data")), str(data.get("licence", "unknown licence"))
    if dataset.resynthesised:
        reason = f"Each ECG is an adaptation of one ECG of {source}, so the licence of that data follows it."
    else:
        reason = (
            f"The model learned from {source}. Whether what it makes is an adaptation of that data is not settled in "
            "law; this licence holds in either case."
        )
    return Terms(name, _KNOWN.get(name), str(data.get("credit", source)), reason)


def licence_text(dataset: Dataset) -> str:
    """The file LICENSE: which licence, where its text is, what to credit, what was changed."""
    terms = terms_of(dataset)
    source = str(dataset.card.data.get("source", "the training data"))
    if terms.url is None:
        which = (
            f"The model's training data, {source}, are under this licence: {terms.name}. Find out what it says of what "
            "is made from them before you pass this data set on."
        )
    else:
        which = f"This data set is licensed under {terms.name}: {terms.url} (legal code: {terms.url}legalcode)."
    changed = f"adapted by the model {dataset.card.name}" if dataset.resynthesised else "used to train the model"
    credit = f"{terms.credit} ({terms.name}; {changed})"
    paragraphs = [
        f"{dataset.name}: synthetic 12-lead ECGs made with ecgsdk {dataset.provenance.version}",
        which,
        terms.reason,
        f"Who passes it on, whole, in part or changed, credits: {credit}. And this data set, as README.md cites it.",
        f"The authors of {source} have not endorsed this data set. It comes as it is, without warranty of any kind.",
        f"The model itself is under {dataset.card.licence}.",
    ]
    return page(paragraphs)
