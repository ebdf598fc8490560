"""Model folders: the card, its facts, finding a model by name, and making sure that its graphs are the card's."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar, overload

from ecgsdk.conditions import STATEMENTS, check_known
from ecgsdk.errors import ConditionError, ModelError
from ecgsdk.leads import INDEPENDENT_LEADS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from ecgsdk.conditions import Condition, Span

__all__ = [
    "CARD_FORMAT",
    "DEFAULT_ENCODER",
    "DEFAULT_MODEL",
    "AnyCard",
    "Card",
    "EncoderCard",
    "Model",
    "find_model",
    "list_models",
]

CARD_FORMAT = 1
DEFAULT_MODEL = "ptbxl-flow"
DEFAULT_ENCODER = "ptbxl-encoder"


@dataclass(frozen=True)
class Card:
    """What a generator is, can be asked for, was trained on, and reached; stored as card.json beside its graphs.

    Attributes:
        name, version, description: of the model.
        card_format: version of this card's layout.
        ecgsdk_version: that exported it.
        statements: SCP-ECG codes that can be asked for, in the order of the condition vector.
        groups: standard groups and their statements.
        leads, units, seconds: of the signals made.
        sampling_rates: Hz, the default first.
        steps, guidance: defaults of the flow.
        latent_shape: channels and time steps of a latent signal.
        decoder_noise_shape: channels and time steps of the decoder's noise.
        heart_rate, age: spans that can be asked for, bpm and years.
        histograms: for "all" and for each statement, counts of training records by heart rate, RR variation, age and
            sex, cells under five records emptied; what is not asked for is drawn from those of the most telling
            statement, the first in `telling`.
        data: source, folds and number of records; licence and credit of the data.
        training: command, settings, seed, device and steps done of each stage.
        metrics: figures on held-out records, with what they are.
        graphs: for each graph its file and SHA-256.
    """

    name: str
    version: str
    description: str
    ecgsdk_version: str
    statements: tuple[str, ...]
    groups: Mapping[str, list[str]]
    leads: tuple[str, ...]
    units: str
    seconds: float
    sampling_rates: tuple[float, ...]
    steps: int
    guidance: float
    latent_shape: tuple[int, int]
    decoder_noise_shape: tuple[int, int]
    heart_rate: Span
    age: Span
    histograms: Mapping[str, Any]
    data: Mapping[str, Any]
    training: Mapping[str, Any]
    metrics: Mapping[str, Any]
    graphs: Mapping[str, Mapping[str, str]]
    licence: str = "Apache-2.0"
    card_format: int = field(default=CARD_FORMAT)

    def as_dict(self) -> dict[str, object]:
        """The card as JSON-ready values."""
        return dataclasses.asdict(self)

    def check(self, condition: Condition) -> None:
        """Raises ConditionError when the model cannot be asked for this condition."""
        for code in condition.statements:
            if code in STATEMENTS and code not in self.statements:
                raise ConditionError(f"{self.name} has not learned {code}; `ecgsdk models show` lists what it knows")
        check_known("statement", condition.statements, self.statements)
        for name, value, (low, high) in (
            ("heart rate", condition.heart_rate, self.heart_rate),
            ("age", condition.age, self.age),
        ):
            for number in value if isinstance(value, tuple) else (value,):
                if number is not None and not low <= number <= high:
                    raise ConditionError(f"{name} {number:g} is outside what {self.name} learned: {low:g} to {high:g}")


@dataclass(frozen=True)
class EncoderCard:
    """What an encoder of the validation suite is, takes, was trained on, and reached; stored as card.json likewise.

    Attributes:
        name, version, description: of the encoder.
        card_format: version of this card's layout.
        kind: "encoder"; cards of generators have no kind.
        ecgsdk_version: that exported it.
        leads, units, sampling_rate: of the signals that it takes, of any length.
        features: numbers that it gives for each record.
        statements, measured: what the features were trained to tell.
        data: source, folds and number of records; licence and credit of the data.
        training: command, settings, seed, device and losses by epoch.
        metrics: figures on held-out records, with what they are.
        graphs: for each graph its file and SHA-256.
    """

    name: str
    version: str
    description: str
    ecgsdk_version: str
    leads: tuple[str, ...]
    units: str
    sampling_rate: float
    features: int
    statements: tuple[str, ...]
    measured: tuple[str, ...]
    data: Mapping[str, Any]
    training: Mapping[str, Any]
    metrics: Mapping[str, Any]
    graphs: Mapping[str, Mapping[str, str]]
    kind: str = "encoder"
    licence: str = "Apache-2.0"
    card_format: int = field(default=CARD_FORMAT)

    def as_dict(self) -> dict[str, object]:
        """The card as JSON-ready values."""
        return dataclasses.asdict(self)


AnyCard = Card | EncoderCard
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
    """Cards of the installed models, generators and encoders, by name."""
    return tuple(_open(folder).card for folder in _installed())


@overload
def find_model(name: str | Path | None = None, *, kind: Literal["generator"] = "generator") -> Model[Card]: ...
@overload
def find_model(name: str | Path | None = None, *, kind: Literal["encoder"]) -> Model[EncoderCard]: ...
@overload
def find_model(name: str | Path | None = None, *, kind: None) -> Model[AnyCard]: ...
def find_model(
    name: str | Path | None = None, *, kind: Literal["generator", "encoder"] | None = "generator"
) -> Model[Any]:
    """A model by its installed name or, if there is none of that name, its folder; without either, the default one.

    Args:
        kind: what the model must be; None for either.

    Raises:
        ModelError: no such model, it is of the other kind, or its card cannot be used.
    """
    installed = {model.card.name: model for model in map(_open, _installed())}
    wanted = (DEFAULT_ENCODER if kind == "encoder" else DEFAULT_MODEL) if name is None else str(name)
    if wanted in installed:
        return _of_kind(installed[wanted], kind, wanted)
    if name is not None and (os.path.isfile(os.path.join(wanted, "card.json"))):
        return _of_kind(_open(Path(wanted)), kind, wanted)
    if name is not None and os.path.isdir(wanted):
        raise ModelError(f"{wanted} has no card.json; give a folder that `ecgsdk export` wrote")
    known = ", ".join(model.card.name for model in installed.values() if kind in (None, _kind(model)))
    raise ModelError(
        f"unknown model {wanted!r}: neither an installed one ({known or 'none is installed'}) nor a model folder"
    )


def _kind(model: Model[AnyCard]) -> str:
    return "encoder" if isinstance(model.card, EncoderCard) else "generator"


def _of_kind(model: Model[AnyCard], kind: str | None, wanted: str) -> Model[AnyCard]:
    if kind not in (None, _kind(model)):
        raise ModelError(f"{wanted} is a model of the kind {_kind(model)}; name one of the kind {kind}")
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
        card = _card(values)
    except OSError as error:
        raise ModelError(f"cannot read {path}: {error.strerror}") from None
    except (ValueError, TypeError, AttributeError, KeyError, IndexError) as error:
        raise ModelError(f"{path} is no model card ({error!s}); install or export the model again") from None
    return Model(folder, card, _identity(values))


def _identity(values: dict[str, Any]) -> str:
    """SHA-256 of the card but for its metrics: what is measured later leaves a model what it is."""
    facts = {name: value for name, value in values.items() if name != "metrics"}
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


def _card(values: dict[str, Any]) -> AnyCard:
    facts: dict[str, Any] = {key: tuple(v) if isinstance(v, list) else v for key, v in values.items()}
    if "kind" not in values:
        _check_facts(values)
        return Card(**facts)
    if values["kind"] != "encoder":
        raise ValueError(f"kind {values['kind']!r} is unknown to this version")
    _check_encoder(values)
    return EncoderCard(**facts)


def _check_encoder(values: dict[str, Any]) -> None:
    """Raises one of the errors of a wrong type or value where encoding would end in one later."""
    if values["leads"] != list(INDEPENDENT_LEADS) or values["units"] != "mV":
        raise ValueError(f"leads are {values['leads']!r} in {values['units']!r}, not {INDEPENDENT_LEADS} in mV")
    for name in ("features", "sampling_rate"):
        if not isinstance(values[name], (int, float)) or not values[name] > 0:
            raise ValueError(f"{name} is {values[name]!r}, not a positive number")
    _check_text(values, ("encoder",))


def _check_text(values: dict[str, Any], graphs: Iterable[str]) -> None:
    if values["name"] != str(values["name"]) or not all(isinstance(code, str) for code in values["statements"]):
        raise ValueError("name or statements are no text")
    for name in graphs:
        if not all(isinstance(values["graphs"][name][key], str) for key in ("file", "sha256")):
            raise ValueError(f"graph {name} has no file and sha256")


def _check_facts(values: dict[str, Any]) -> None:
    """Raises one of the errors of a wrong type or value where generation would end in one later."""
    single = dict.fromkeys(("steps", "guidance", "seconds", "sampling_rates"), 1)
    double = dict.fromkeys(("latent_shape", "decoder_noise_shape", "heart_rate", "age"), 2)
    for name, count in (single | double).items():
        given = values[name] if isinstance(values[name], list) else [values[name]]
        if len(given) != count or not all(isinstance(v, (int, float)) and v > 0 for v in given):
            raise ValueError(f"{name} is {values[name]!r}, not {count} positive number{'s' * (count > 1)}")
    _check_text(values, ("rhythm", "flow", "decoder"))
    histograms = values["histograms"]
    cells = {name: len(edges) - 1 for name, edges in histograms["edges"].items()} | {"sex": 2}
    if any(set(histograms["telling"][name]) != set(values["statements"]) for name in cells):
        raise ValueError("the histograms do not say which statements are the most telling")
    for code in ("all", *values["statements"]):
        for name, count in cells.items():
            if len(histograms[code][name]) != count or min(histograms[code][name]) < 0:
                raise ValueError(f"the histogram of {name} for {code} is not {count} counts")
