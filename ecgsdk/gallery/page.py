"""A gallery as one HTML page that needs no network: its ECGs, style and script are in it, and nothing else may load.

Without scripts the page shows every ECG on its paper, one below the other. With them the ECGs become cards, each of
which opens in a viewer with zoom and leads to choose.
"""

from __future__ import annotations

import base64
import hashlib
import json
from dataclasses import dataclass
from importlib import resources
from typing import TYPE_CHECKING, Any

import numpy as np

from ecgsdk.captions import maker, meanings, patient, rate_text, statement_codes
from ecgsdk.gallery.choosing import group_title
from ecgsdk.gallery.packing import microvolts, pack
from ecgsdk.leads import LEADS
from ecgsdk.resampling import resample
from ecgsdk.validation.report.markup import Markup, element, join
from ecgsdk.validation.report.strips import ecg_svg
from ecgsdk.validation.results import Sample

if TYPE_CHECKING:
    from ecgsdk.batch import ECGBatch
    from ecgsdk.gallery.choosing import Choice
    from ecgsdk.validation.results import Role

__all__ = ["render"]

# Rates that suffice for what is shown, Hz: a card is small, the viewer shows a sample each tenth of a millimetre.
_CARD_RATE, _CARD_RATE_LEFT_ALONE = 100.0, 128.0
_VIEWER_RATE = 250.0
_NO_SCRIPT = (
    "Your browser runs no scripts on this page: it shows each ECG below, and leaves out the viewer with zoom and "
    "single leads."
)
_FROM_A_MODEL = "Every synthetic ECG on this page comes from a model and from no patient."
_FROM_A_RECORD = "Every synthetic ECG on this page was made from one real ECG and resembles it."
_USE = "For research, teaching and testing; not for diagnosis."


@dataclass(frozen=True)
class _Entry:
    """One ECG of the page: its number, the batch that holds it, and what is said of it."""

    number: int
    group: str
    record: ECGBatch

    @property
    def mark(self) -> str:
        return "SYNTHETIC" if self.record.synthetic else "REAL"

    @property
    def codes(self) -> str:
        return statement_codes(self.record.conditions[0])

    @property
    def facts(self) -> str:
        return " · ".join([rate_text(self.record), *patient(self.record.conditions[0])])

    @property
    def name(self) -> str:
        return f"record {self.record.identifiers[0]}"

    @property
    def spoken(self) -> str:
        """What a screen reader says of it."""
        told = [f"{self.mark.capitalize()} ECG", self.codes, meanings(self.record.conditions[0]), self.facts, self.name]
        return ", ".join(part for part in told if part)


def render(choice: Choice, *, per_group: int, seed: int, title: str | None) -> str:
    """The page in UTF-8. What the source says is text, whatever it holds, and is escaped."""
    entries = _entries(choice)
    heading = title or f"{_kinds(entries)} ECGs by group"
    sections = [_section(group, choice, [e for e in entries if e.group == group]) for group in choice.shown]
    script = _resource("script.js")
    body = element(
        "body",
        element("a", "Skip to the ECGs", href=f"#group-{next(iter(choice.shown))}", class_="skip"),
        _header(choice, entries, heading, per_group, seed),
        _contents(choice),
        element("noscript", element("p", _NO_SCRIPT, class_="notice")),
        element("main", *sections),
        _viewer(),
        element("script", _data(entries), type="application/json", id="ecgs"),
        element("script", Markup(script)),
    )
    return f"<!DOCTYPE html>\n{element('html', _head(heading, script), body, lang='en')}\n"


def _entries(choice: Choice) -> list[_Entry]:
    grouped = [(group, record) for group, records in choice.shown.items() for record in records]
    return [_Entry(number, group, record) for number, (group, record) in enumerate(grouped)]


def _kinds(entries: list[_Entry]) -> str:
    kinds = sorted({entry.mark for entry in entries}, reverse=True)
    return " and ".join(kinds).capitalize()


def _resource(name: str) -> str:
    return resources.files("ecgsdk.gallery").joinpath(name).read_text(encoding="utf-8")


def _head(heading: str, script: str) -> Markup:
    from ecgsdk import __version__

    style = _resource("style.css")
    policy = f"default-src 'none'; style-src {_hash(style)}; script-src {_hash(script)}; img-src data:"
    return element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", http_equiv="Content-Security-Policy", content=f"{policy}; base-uri 'none'; form-action 'none'"),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", name="color-scheme", content="light dark"),
        element("meta", name="generator", content=f"ecgsdk {__version__}"),
        element("title", heading),
        element("link", rel="icon", href="data:,"),
        element("style", Markup(style)),
    )


def _hash(text: str) -> Markup:
    return Markup(f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'")


def _header(choice: Choice, entries: list[_Entry], heading: str, per_group: int, seed: int) -> Markup:
    marks = sorted({entry.mark for entry in entries}, reverse=True)
    shown = f"{len(entries):,} of {sum(choice.counts.values()):,}, up to {per_group} a group, drawn with seed {seed}"
    facts = [
        ("Source", choice.name),
        ("Made by", _makers(entries)),
        ("Shown", shown),
        ("Signals", _signals(entries)),
        ("Paper", "25 mm/s, 10 mm/mV: a small square is 0.04 s × 0.1 mV, a large one 0.2 s × 0.5 mV"),
    ]
    pairs = [element("div", element("dt", name), element("dd", value)) for name, value in facts if value]
    return element(
        "header",
        element("p", *(element("span", mark, class_=f"badge {mark.lower()}") for mark in marks)),
        element("h1", heading),
        element("p", f"{_origin(entries)} {_USE}", class_="notice") if "SYNTHETIC" in marks else None,
        element("dl", *pairs),
    )


def _origin(entries: list[_Entry]) -> str:
    made = [entry.record.provenance for entry in entries if entry.record.provenance is not None]
    return _FROM_A_MODEL if all(one.strength is None for one in made) else _FROM_A_RECORD


def _makers(entries: list[_Entry]) -> str:
    made = [entry.record.provenance for entry in entries if entry.record.provenance is not None]
    texts = [f"model {maker(one)}" for one in made]
    return "; ".join(dict.fromkeys(texts))


def _signals(entries: list[_Entry]) -> str:
    kinds = [(e.record.signals.shape[-1] / e.record.sampling_rate, e.record.sampling_rate) for e in entries]
    return "; ".join(f"{seconds:g} s at {rate:g} Hz" for seconds, rate in dict.fromkeys(kinds))


def _contents(choice: Choice) -> Markup:
    links = [element("li", element("a", group_title(group), href=f"#group-{group}")) for group in choice.shown]
    return element("nav", element("ul", *links, role="list"), aria_label="Groups")


def _section(group: str, choice: Choice, entries: list[_Entry]) -> Markup:
    count = element("span", f"{len(entries)} of {choice.counts[group]:,}", class_="count")
    return element(
        "section",
        element("h2", group_title(group), " ", count, id=f"group-{group}"),
        element("ul", *map(_card, entries), class_="cards", role="list"),
        aria_labelledby=f"group-{group}",
    )


def _card(entry: _Entry) -> Markup:
    anchor = f"ecg-{entry.number}"
    paper = ecg_svg(_sample(entry), f"paper-{entry.number}")
    words = meanings(entry.record.conditions[0])
    return element(
        "li",
        element("a", paper, href=f"#{anchor}", id=anchor, class_="open", aria_label=entry.spoken),
        element("p", element("b", entry.codes), " ", element("span", entry.name, class_="name"), class_="codes"),
        element("p", words, class_="meaning") if words else None,
        element("p", entry.facts, class_="facts"),
        class_="card",
    )


def _sample(entry: _Entry) -> Sample:
    record = entry.record
    rate = record.sampling_rate
    signals, rate = _at_most(record, rate if rate <= _CARD_RATE_LEFT_ALONE else _CARD_RATE)
    rows = microvolts(signals).tolist()
    role: Role = "synthetic" if record.synthetic else "real"
    return Sample(f"{entry.codes}, {entry.name}", role, entry.group, rate, LEADS, tuple(map(tuple, rows)))


def _at_most(record: ECGBatch, rate: float) -> tuple[np.ndarray, float]:
    """The signals, shape (12, samples), and their rate, which is lowered where it is above `rate`.

    A sample that is missing stays missing, at the lower rate where it is the nearest.
    """
    signals = record.signals[0]
    if record.sampling_rate <= rate:
        return signals, record.sampling_rate
    missing = ~np.isfinite(signals)
    # Filled on the baseline: a step to zero would ring.
    baseline = [np.median(row[~gap]) if not gap.all() else 0.0 for row, gap in zip(signals, missing)]
    lowered = resample(np.where(missing, np.array(baseline)[:, None], signals), record.sampling_rate, rate)
    nearest = np.rint(np.arange(lowered.shape[1]) * record.sampling_rate / rate).astype(int)
    return np.where(missing[:, np.minimum(nearest, signals.shape[1] - 1)], np.nan, lowered), rate


def _data(entries: list[_Entry]) -> Markup:
    """What the script draws; "<" is escaped, so that no text ends the element."""
    told = json.dumps({"leads": LEADS, "ecgs": [_described(entry) for entry in entries]}, separators=(",", ":"))
    return Markup(told.replace("<", "\\u003c"))


def _described(entry: _Entry) -> dict[str, Any]:
    signals, rate = _at_most(entry.record, _VIEWER_RATE)
    return {
        "mark": entry.mark,
        "codes": entry.codes,
        "meaning": meanings(entry.record.conditions[0]),
        "facts": " · ".join([entry.facts, entry.name]),
        "group": group_title(entry.group),
        "rate": rate,
        "samples": signals.shape[-1],
        "signals": pack(microvolts(signals)),
    }


def _viewer() -> Markup:
    """The dialog that the script fills."""
    leads = [_button(lead, aria_pressed="false", data_lead=lead) for lead in LEADS]
    return element(
        "dialog",
        element(
            "div",
            element("span", "", id="mark", class_="badge"),
            element("h2", "", id="viewer-title", tabindex="-1"),
            element("p", "", id="viewer-meaning"),
            element("p", "", id="viewer-facts"),
            class_="told",
        ),
        element(
            "div",
            _button("←", id="previous", aria_label="Previous ECG", title="Previous ECG: arrow left"),
            element("span", "", id="place", aria_live="polite"),
            _button("→", id="next", aria_label="Next ECG", title="Next ECG: arrow right"),
            _button("Close", id="close", title="Close: Escape"),
            class_="walk",
        ),
        element(
            "div",
            _group(
                "Leads",
                _button("3 × 4 page", id="page", aria_pressed="true"),
                _button("All twelve in full", id="all", aria_pressed="false"),
                element("span", *leads, class_="leads"),
            ),
            _group(
                "Size",
                _button("−", id="smaller", aria_label="Smaller", title="Smaller: −"),
                element("output", "", id="size", aria_live="polite"),
                _button("+", id="larger", aria_label="Larger", title="Larger: +"),
                _button("Fit", id="fit", title="Fit to the window: 0"),
            ),
            class_="tools",
        ),
        element("div", "", id="paper", tabindex="0", role="region", aria_label="ECG paper"),
        element("p", join(_keys(), between=" · "), class_="keys"),
        id="viewer",
        aria_labelledby="viewer-title",
    )


def _keys() -> list[Markup]:
    """The viewer's keys, for people; the script obeys them."""
    keys = (("← →", "other ECGs"), ("+ −", "size"), ("0", "fit"), ("P", "page"), ("A", "all twelve"), ("Esc", "close"))
    return [join([element("kbd", key), f" {meaning}"]) for key, meaning in keys]


def _group(name: str, *parts: Markup) -> Markup:
    return element("div", *parts, role="group", aria_label=name)


def _button(shown: str, /, **attributes: str) -> Markup:
    return element("button", shown, type="button", **attributes)
