"""Model folders: finding a model by name, and making sure that its graphs are the card's."""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar, overload

from ecgsdk.cards import CARD_FORMAT, AnyCard, Card, EncoderCard, SynthesiserCard, kind_of, read_card
from ecgsdk.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["DEFAULT_ENCODER", "DEFAULT_MODEL", "DEFAULT_SYNTHESISER", "Model", "find_model", "list_models"]

DEFAULT_MODEL = "ptbxl-flow"
DEFAULT_ENCODER = "ptbxl-encoder"
DEFAULT_SYNTHESISER = "yoo2023"

_DEFAULTS = {"generator": DEFAULT_MODEL, "encoder": DEFAULT_ENCODER, "synthesiser": DEFAULT_SYNTHESISER}

SomeCard = TypeVar("SomeCard", bound=AnyCard, covariant=True)


@dataclass(frozen=True)
class Model(Generic[SomeCard]):
    """A model folder with its card; graphs are checked against the card when they are read."""

    folder: Path
    card: SomeCard
    sha256: str

    def graph(self, name: str) -> bytes:
        """Bytes of a graph; raises ModelError when the file is missing or is not the one that the card names."""
        facts = self.card.graphs.get(name)
        if facts is None:
            raise ModelError(f"{self.folder}: card.json names no {name} graph; export the model again")
        path = self.folder / facts["file"]
        try:
            content = path.read_bytes()
        except OSError as error:
            raise ModelError(f"cannot read {path}: {error.strerror}; install or export the model again") from None
        found = hashlib.sha256(content).hexdigest()
        if found != facts["sha256"]:
            raise ModelError(
                f"{path} is damaged or foreign: its SHA-256 is {found[:12]}…, the card says {facts['sha256'][:12]}…; "
                "install or export the model again"
            )
        return content


def list_models() -> tuple[AnyCard, ...]:
    """Cards of the installed models, of all kinds, by name."""
    return tuple(_open(folder).card for folder in _installed())


@overload
def find_model(name: str | Path | None = None, *, kind: Literal["generator"] = "generator") -> Model[Card]: ...
@overload
def find_model(name: str | Path | None = None, *, kind: Literal["encoder"]) -> Model[EncoderCard]: ...
@overload
def find_model(name: str | Path | None = None, *, kind: Literal["synthesiser"]) -> Model[SynthesiserCard]: ...
@overload
def find_model(name: str | Path | None = None, *, kind: None) -> Model[AnyCard]: ...
def find_model(
    name: str | Path | None = None, *, kind: Literal["generator", "encoder", "synthesiser"] | None = "generator"
) -> Model[Any]:
    """A model by its installed name or, if there is none of that name, its folder; without either, the default one.

    Args:
        kind: what the model must be; None for any.

    Raises:
        ModelError: no such model, it is of another kind, or its card cannot be used.
    """
    installed = {model.card.name: model for model in map(_open, _installed())}
    wanted = _DEFAULTS[kind or "generator"] if name is None else str(name)
    if wanted in installed:
        return _of_kind(installed[wanted], kind, wanted)
    if name is not None and (os.path.isfile(os.path.join(wanted, "card.json"))):
        return _of_kind(_open(Path(wanted)), kind, wanted)
    if name is not None and os.path.isdir(wanted):
        raise ModelError(f"{wanted} has no card.json; give a folder that `ecgsdk export` wrote")
    known = ", ".join(model.card.name for model in installed.values() if kind in (None, kind_of(model.card)))
    raise ModelError(
        f"unknown model {wanted!r}: neither an installed one ({known or 'none is installed'}) nor a model folder"
    )


def _of_kind(model: Model[AnyCard], kind: str | None, wanted: str) -> Model[AnyCard]:
    found = kind_of(model.card)
    if kind not in (None, found):
        raise ModelError(f"{wanted} is a model of the kind {found}; name one of the kind {kind}")
    return model


def _installed() -> list[Path]:
    import ecgsdk_models

    roots: Iterable[str] = ecgsdk_models.__path__
    return sorted(card.parent for root in roots for card in Path(root).glob("*/card.json"))


def _open(folder: Path) -> Model[AnyCard]:
    path = folder / "card.json"
    try:
        content = path.read_bytes()
        values = json.loads(content)
        if values.get("card_format") != CARD_FORMAT:
            raise ModelError(f"{path} has card format {values.get('card_format')}, this ecgsdk reads {CARD_FORMAT}")
        card = read_card(values)
    except OSError as error:
        raise ModelError(f"cannot read {path}: {error.strerror}") from None
    except (ValueError, TypeError, AttributeError, KeyError, IndexError) as error:
        raise ModelError(f"{path} is no model card ({error!s}); install or export the model again") from None
    return Model(folder, card, _identity(values))


def _identity(values: dict[str, Any]) -> str:
    """SHA-256 of the card but for its metrics: what is measured later leaves a model what it is."""
    facts = {name: value for name, value in values.items() if name != "metrics"}
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()
