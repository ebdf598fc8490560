"""Cards: what a model is, takes and gives, was trained on, and reached; stored as card.json beside its graphs."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ecgsdk.conditions import STATEMENTS, check_known
from ecgsdk.errors import ConditionError
from ecgsdk.leads import INDEPENDENT_LEADS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from ecgsdk.conditions import Condition, Span

__all__ = [
    "CARD_FORMAT",
    "MOST_CANDIDATES",
    "AnyCard",
    "Card",
    "EncoderCard",
    "SynthesiserCard",
    "kind_of",
    "read_card",
]

CARD_FORMAT = 1

MOST_CANDIDATES = 16
"""ECGs at most of which one is chosen."""

_STRONGEST = 100


@dataclass(frozen=True, kw_only=True)
class _Facts:
    """What all cards hold.

    Attributes:
        name, version, description: of the model.
        card_format: version of this card's layout.
        ecgsdk_version: that exported it.
        leads, units: of its signals.
        data: source, folds and number of records; licence and credit of the data.
        training: command, settings, seed, device and steps done of each stage.
        metrics: figures on held-out records, with what they are.
        graphs: for each graph its file and SHA-256.
    """

    name: str
    version: str
    description: str
    ecgsdk_version: str
    leads: tuple[str, ...]
    units: str
    data: Mapping[str, Any]
    training: Mapping[str, Any]
    metrics: Mapping[str, Any]
    graphs: Mapping[str, Mapping[str, str]]
    licence: str = "Apache-2.0"
    card_format: int = field(default=CARD_FORMAT)

    def as_dict(self) -> dict[str, object]:
        """The card as JSON-ready values."""
        return dataclasses.asdict(self)


@dataclass(frozen=True, kw_only=True)
class Card(_Facts):
    """What a generator is, can be asked for, was trained on, and reached; stored as card.json beside its graphs.

    Attributes:
        statements: SCP-ECG codes that can be asked for, in the order of the condition vector.
        groups: standard groups and their statements.
        seconds: of the signals made.
        sampling_rates: Hz, the default first.
        steps, guidance: defaults of the flow. One step is taken by the distilled flow, where there is one.
        high_quality_steps: of `--quality high` where there is no judge; None: as many as by default.
        high_quality_candidates: ECGs that `--quality high` makes for each record; with the judge, one is chosen.
        latent_shape: channels and time steps of a latent signal.
        decoder_noise_shape: channels and time steps of the decoder's noise.
        latent_seconds: what the latent signal stands for; None: `seconds`.
        cut_from: the least and the greatest sample at the decoder's rate from which a record is cut out of it, drawn at
            random; None: the decoder gives the record.
        heart_rate, age: spans that can be asked for, bpm and years.
        histograms: for "all" and for each statement, counts of training records by heart rate, RR variation, age and
            sex, cells under five records emptied; what is not asked for is drawn from those of the most telling
            statement, the first in `telling`.
        accompanying: which statements occur together, for `ecgsdk.accompanying`: `bias` of each statement, `coupling`
            of each pair; None in cards written before there was such a table.
    """

    statements: tuple[str, ...]
    groups: Mapping[str, list[str]]
    seconds: float
    sampling_rates: tuple[float, ...]
    steps: int
    guidance: float
    latent_shape: tuple[int, int]
    decoder_noise_shape: tuple[int, int]
    heart_rate: Span
    age: Span
    histograms: Mapping[str, Any]
    high_quality_steps: int | None = None
    accompanying: Mapping[str, list[float]] | None = None
    latent_seconds: float | None = None
    cut_from: tuple[int, int] | None = None
    high_quality_candidates: int = 1

    @property
    def decoder_rate(self) -> float:
        """Hz of what the decoder makes, the lowest rate; higher ones are the upsampler's."""
        return min(self.sampling_rates)

    @property
    def most_steps(self) -> int:
        """Flow evaluations where the distilled flow will not do."""
        return self.high_quality_steps or self.steps

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


@dataclass(frozen=True, kw_only=True)
class EncoderCard(_Facts):
    """What an encoder of the validation suite is, takes, was trained on, and reached; stored as card.json likewise.

    Attributes:
        kind: "encoder"; cards of generators have no kind.
        sampling_rate: Hz, of the signals that it takes, of any length.
        features: numbers that it gives for each record.
        statements, measured: what the features were trained to tell.
    """

    sampling_rate: float
    features: int
    statements: tuple[str, ...]
    measured: tuple[str, ...]
    kind: str = "encoder"


@dataclass(frozen=True, kw_only=True)
class SynthesiserCard(_Facts):
    """What a synthesiser, which makes one synthetic ECG of one real, takes, was trained on, and reached.

    Attributes:
        kind: "synthesiser"; cards of generators have no kind.
        seconds: of the signals taken and made.
        sampling_rates: Hz, the default first.
        latent_shape: channels and time steps of the latent signal, each channel with a standard deviation of 1.
        noise_level: standard deviation of the noise that is added to the latent signal at strength 1.
        strength: the least and the greatest that can be asked for.
    """

    seconds: float
    sampling_rates: tuple[float, ...]
    latent_shape: tuple[int, int]
    noise_level: float
    strength: tuple[float, float]
    kind: str = "synthesiser"


AnyCard = Card | EncoderCard | SynthesiserCard


def kind_of(card: AnyCard) -> str:
    """ "generator", "encoder" or "synthesiser"."""
    return getattr(card, "kind", "generator")


def read_card(values: dict[str, Any]) -> AnyCard:
    """A card from the values of its file.

    Raises:
        ValueError, TypeError, KeyError, AttributeError, IndexError: it is none, or holds what would fail later.
    """
    facts: dict[str, Any] = {key: tuple(v) if isinstance(v, list) else v for key, v in values.items()}
    if "kind" not in values:
        _check_generator(values)
        return Card(**facts)
    if values["kind"] == "encoder":
        _check_encoder(values)
        return EncoderCard(**facts)
    if values["kind"] == "synthesiser":
        _check_synthesiser(values)
        return SynthesiserCard(**facts)
    raise ValueError(f"kind {values['kind']!r} is unknown to this version")


def _check_encoder(values: dict[str, Any]) -> None:
    """Raises one of the errors of a wrong type or value where encoding would end in one later."""
    if values["leads"] != list(INDEPENDENT_LEADS) or values["units"] != "mV":
        raise ValueError(f"leads are {values['leads']!r} in {values['units']!r}, not {INDEPENDENT_LEADS} in mV")
    for name in ("features", "sampling_rate"):
        if not isinstance(values[name], (int, float)) or not values[name] > 0:
            raise ValueError(f"{name} is {values[name]!r}, not a positive number")
    _check_text(values, ("encoder",))


def _check_synthesiser(values: dict[str, Any]) -> None:
    """Raises one of the errors of a wrong type or value where a synthesis would end in one later."""
    _check_numbers(values, {"seconds": 1, "sampling_rates": 1, "noise_level": 1, "latent_shape": 2})
    if not 0 <= values["strength"][0] < values["strength"][1]:
        raise ValueError(f"strength is {values['strength']!r}, not a span")
    _check_text(values | {"statements": []}, ("synthesiser",))


def _check_text(values: dict[str, Any], graphs: Iterable[str]) -> None:
    if values["name"] != str(values["name"]) or not all(isinstance(code, str) for code in values["statements"]):
        raise ValueError("name or statements are no text")
    for name in graphs:
        if not all(isinstance(values["graphs"][name][key], str) for key in ("file", "sha256")):
            raise ValueError(f"graph {name} has no file and sha256")


def _check_generator(values: dict[str, Any]) -> None:
    """Raises one of the errors of a wrong type or value where generation would end in one later."""
    single = dict.fromkeys(("steps", "guidance", "seconds"), 1)
    _check_rates(values)
    double = dict.fromkeys(("latent_shape", "decoder_noise_shape", "heart_rate", "age"), 2)
    _check_numbers(values, single | double)
    for name in ("high_quality_steps", "latent_seconds"):
        if values.get(name) is not None:
            _check_numbers(values, {name: 1})
    candidates = values.get("high_quality_candidates", 1)
    if type(candidates) is not int or not 1 <= candidates <= MOST_CANDIDATES:
        raise ValueError(f"high_quality_candidates is {candidates!r}, no number of ECGs")
    if candidates > 1 and "judge" not in values["graphs"]:
        raise ValueError(f"high_quality_candidates is {candidates!r}, and there is no judge to choose")
    if values.get("cut_from") is not None:
        _check_cut(values)
    optional = {"distilled", "refiner", "judge", "upsampler"} & set(values["graphs"])
    _check_text(values, ("rhythm", "flow", "decoder", *optional))
    histograms = values["histograms"]
    cells = {name: len(edges) - 1 for name, edges in histograms["edges"].items()} | {"sex": 2}
    if any(set(histograms["telling"][name]) != set(values["statements"]) for name in cells):
        raise ValueError("the histograms do not say which statements are the most telling")
    for code in ("all", *values["statements"]):
        for name, count in cells.items():
            if len(histograms[code][name]) != count or min(histograms[code][name]) < 0:
                raise ValueError(f"the histogram of {name} for {code} is not {count} counts")
    if values.get("accompanying") is not None:
        _check_accompanying(values["accompanying"], len(values["statements"]))


def _check_cut(values: dict[str, Any]) -> None:
    """A record must lie in what it is cut from."""
    least, greatest = values["cut_from"]
    samples = round((values["latent_seconds"] - values["seconds"]) * min(values["sampling_rates"]))
    if not (isinstance(least, int) and isinstance(greatest, int) and 0 <= least <= greatest <= samples):
        raise ValueError(
            f"cut_from is {values['cut_from']!r}, which leaves no record of {values['latent_seconds']!r} s"
        )


def _check_rates(values: dict[str, Any]) -> None:
    """One rate, or several with an upsampler."""
    rates = values["sampling_rates"]
    if not isinstance(rates, list):
        raise TypeError(f"sampling_rates is {rates!r}, no list")
    _check_numbers(values, {"sampling_rates": max(1, len(rates))})
    if len(rates) > 1 and ("upsampler" not in values["graphs"] or len(set(rates)) < len(rates)):
        raise ValueError(f"sampling_rates is {rates!r}, of which all but one need an upsampler, none twice")


def _check_accompanying(table: dict[str, list[float]], statements: int) -> None:
    for name, count in (("bias", statements), ("coupling", statements * (statements - 1) // 2)):
        if len(table[name]) != count or not all(abs(value) <= _STRONGEST for value in table[name]):
            raise ValueError(f"{name} of accompanying statements is not {count} numbers up to {_STRONGEST}")


def _check_numbers(values: dict[str, Any], counts: dict[str, int]) -> None:
    for name, count in counts.items():
        given = values[name] if isinstance(values[name], list) else [values[name]]
        if len(given) != count or not all(isinstance(v, (int, float)) and v > 0 for v in given):
            raise ValueError(f"{name} is {values[name]!r}, not {count} positive number{'s' * (count > 1)}")
