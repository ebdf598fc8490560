"""report.html: a Report as one page that needs no network, no script and no fonts but the system's.

The page forbids by its own content security policy whatever it does not hold: style by its hash, scripts and requests
altogether.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from importlib import resources
from typing import TYPE_CHECKING

from ecgsdk.validation.report.blocks import Budget, interval_text, measure_texts, section_block
from ecgsdk.validation.report.markup import Markup, element, join, prose
from ecgsdk.validation.report.rounding import DASH, cell_text, finite

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from ecgsdk.validation.results import Finding, Measure, Report

__all__ = ["MOST_BYTES", "render"]

MOST_BYTES = 3_000_000
"""Size that a page stays under, unless its tables alone are larger."""

_DRAWINGS = 2_200_000
_LEVELS = {"good": "Good", "fair": "Fair", "poor": "Poor", "unknown": "Not known"}
_COUNTED = {"good": "good", "fair": "fair", "poor": "poor", "unknown": "not known"}


@dataclass(frozen=True)
class _Headline:
    """A measure of the scoreboard: its name, a title for everybody, how to read it, and the ends of its scale."""

    measure: str
    title: str
    reading: str
    scale: tuple[float, float] | None = None


_HEADLINES = (
    _Headline("tstr_ratio", "Worth for training", "100 %: as good to train on as real ECGs.", (50, 100)),
    _Headline(
        "two_sample_auc",
        "Told from real ECGs",
        "AUC of a classifier. 0.5: it cannot tell them; 1: it always can.",
        (0.5, 1),
    ),
    _Headline(
        "frechet_distance", "Distance to real ECGs", "Fréchet distance; the closer to that among real ECGs, the better."
    ),
    _Headline(
        "coverage", "Variety of real ECGs", "Share of real ECGs with a synthetic one in their neighbourhood.", (0, 1)
    ),
    _Headline(
        "heart_rate_within_5_bpm", "Heart rate as asked for", "Share of synthetic ECGs within 5 bpm of it.", (0, 100)
    ),
    _Headline(
        "interval_medians_within_bounds",
        "Intervals and amplitudes",
        "Share of groups’ medians that agree with real ECGs.",
        (0, 100),
    ),
    _Headline(
        "membership_auc",
        "Training records told",
        "AUC of the best attack. 0.5: it is guessing; 1: it knows each one.",
        (0.5, 1),
    ),
    _Headline(
        "membership_tpr_1", "Training records found", "At 1 % false alarms, by the best attack; guessing finds 1 %."
    ),
)


def render(report: Report) -> str:
    """The page, UTF-8, at most `MOST_BYTES` whatever the number of drawings.

    What a report holds is text, wherever it came from, and is escaped.
    """
    budget = Budget(_DRAWINGS)
    named = [(f"section-{i}", section) for i, section in enumerate(report.sections)]
    blocks = [section_block(section, identifier, budget) for identifier, section in named]
    links = [("verdict", "Verdict"), ("figures", "Key figures")]
    links += [(identifier, section.title) for identifier, section in named] + [("making", "How it was made")]
    scores = _scoreboard(report)
    if scores is None:
        links.remove(("figures", "Key figures"))
    places = {section.name: (identifier, section.title) for identifier, section in named}
    main = element("main", _verdict(report.findings, places), scores, *blocks, _making(report), id="main")
    skip = element("a", "Skip to the verdict", href="#verdict", class_="skip")
    page = element("div", _contents(links), main, class_="page")
    body = element("body", skip, _header(report), page, _footer(report))
    return f"<!DOCTYPE html>\n{element('html', _head(report), body, lang='en')}\n"


def _head(report: Report) -> Markup:
    style = resources.files("ecgsdk.validation.report").joinpath("style.css").read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'sha256-{digest}'; img-src data:; base-uri 'none'; form-action 'none'"
    return element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", http_equiv="Content-Security-Policy", content=policy),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", name="color-scheme", content="light dark"),
        element("meta", name="generator", content=f"ecgsdk {report.ecgsdk_version}"),
        element("title", f"Validation report: {_name(report.synthetic)} beside {_name(report.real)}"),
        element("link", rel="icon", href="data:,"),
        element("style", Markup(style)),
    )


def _header(report: Report) -> Markup:
    facts = (
        ("Synthetic ECGs", _name(report.synthetic)),
        ("Real ECGs", _name(report.real)),
        ("Made", f"{_date(report.created)} by ecgsdk {report.ecgsdk_version}"),
    )
    pairs = [element("div", element("dt", name), element("dd", value)) for name, value in facts]
    return element(
        "header",
        element("p", "Validation report", class_="eyebrow"),
        element("h1", "Synthetic ECGs beside real ones"),
        element("dl", *pairs, class_="facts"),
    )


def _contents(links: Sequence[tuple[str, str]]) -> Markup:
    items = [element("li", element("a", title, href=f"#{identifier}")) for identifier, title in links]
    return element("nav", element("ol", *items), aria_label="Contents")


def _verdict(findings: Sequence[Finding], places: Mapping[str, tuple[str, str]]) -> Markup:
    counts = [(level, sum(finding.level == level for finding in findings)) for level in _LEVELS]
    summary = ", ".join(f"{count} {_COUNTED[level]}" for level, count in counts if count)
    sections = tuple(dict.fromkeys(finding.section for finding in findings))
    groups = [_findings([f for f in findings if f.section == name], *places.get(name, ("", name))) for name in sections]
    return element(
        "section",
        element("h2", "Verdict", id="verdict-heading"),
        element(
            "p", f"Of {len(findings)} findings: {summary}." if findings else "There are no findings.", class_="about"
        ),
        *groups,
        id="verdict",
        aria_labelledby="verdict-heading",
    )


def _findings(findings: Sequence[Finding], identifier: str, title: str) -> Markup:
    """The findings of one section, beside its name."""
    heading = element("h3", element("a", title, href=f"#{identifier}") if identifier else title)
    items = [
        element(
            "li", element("span", _LEVELS[one.level], class_="badge"), element("p", prose(one.text)), class_=one.level
        )
        for one in findings
    ]
    return element("div", heading, element("ul", *items, role="list"), class_="findings")


def _scoreboard(report: Report) -> Markup | None:
    measures = report.measures()
    cards = [_card(measures[line.measure], line) for line in _HEADLINES if line.measure in measures]
    if not cards:
        return None
    return element(
        "section",
        element("h2", "Key figures", id="figures-heading"),
        element("div", *cards, class_="cards"),
        id="figures",
        aria_labelledby="figures-heading",
    )


def _card(measure: Measure, headline: _Headline) -> Markup:
    value, floor = measure_texts(measure)
    among = element("span", "Among real ECGs ", element("b", floor)) if floor != DASH else None
    ends = interval_text(measure)
    interval = element("span", "95 % interval ", element("b", ends)) if ends != DASH else None
    return element(
        "article",
        element("h3", headline.title),
        element("p", value if value != DASH else "not measured", class_="value"),
        _gauge(measure, headline.scale) if headline.scale else None,
        element("p", among, interval, class_="beside") if among or interval else None,
        element("p", headline.reading, class_="reading"),
        class_="card",
    )


def _gauge(measure: Measure, ends: tuple[float, float]) -> Markup | None:
    """Value (dot), interval (bar) and floor (stroke) on their scale; the card says the same in words."""
    value, floor, low, high = (_gauge_place(x, ends) for x in (measure.value, measure.floor, measure.low, measure.high))
    if value is None:
        return None
    interval = None if low is None or high is None else element("path", d=f"M{low} 11H{high}", class_="interval")
    named = ((ends[0], "1", "start"), (ends[1], "239", "end"))
    return element(
        "svg",
        element("path", d="M6 11H234", class_="track"),
        interval,
        element("path", d=f"M{floor} 3V19", class_="floor") if floor is not None else None,
        element("circle", cx=value, cy="11", r="5", class_="dot"),
        *(element("text", f"{end:g}", x=x, y="32", text_anchor=anchor) for end, x, anchor in named),
        class_="gauge",
        viewBox="0 0 240 36",
        aria_hidden="true",
    )


def _gauge_place(value: float | None, ends: tuple[float, float]) -> float | None:
    """What lies beyond an end of the scale is put there."""
    value = finite(value)
    share = None if value is None else (value - ends[0]) / (ends[1] - ends[0])
    return None if share is None else round(6 + 228 * min(max(share, 0.0), 1.0), 1)


def _making(report: Report) -> Markup:
    parts = (("Synthetic ECGs", report.synthetic), ("Real ECGs", report.real), ("Settings", report.settings))
    times = {section.title: f"{section.seconds:,.0f} s" for section in report.sections if section.seconds}
    facts = [_facts(title, values) for title, values in (*parts, ("Time taken", times)) if values]
    return element(
        "section",
        element("h2", "How it was made", id="making-heading"),
        element("div", *facts, class_="makings"),
        _plugins(report.plugins),
        id="making",
        aria_labelledby="making-heading",
    )


def _facts(title: str, values: Mapping[str, Any]) -> Markup:
    pairs = [join([element("dt", _words(name)), element("dd", _shown(value))]) for name, value in values.items()]
    return element("div", element("h3", title), element("dl", *pairs))


def _plugins(plugins: Sequence[Mapping[str, str]]) -> Markup | None:
    if not plugins:
        return None
    columns = tuple(dict.fromkeys(key for plugin in plugins for key in plugin))
    head = element("tr", *(element("th", _words(column), scope="col") for column in columns))
    rows = [element("tr", *(element("td", plugin.get(column, DASH)) for column in columns)) for plugin in plugins]
    table = element("table", element("caption", "Plugins"), element("thead", head), element("tbody", *rows))
    return element("div", table, class_="scroll", tabindex="0", role="region", aria_label="Plugins")


def _footer(report: Report) -> Markup:
    told = f"Made by ecgsdk {report.ecgsdk_version}. The same figures, unrounded, are in report.json, version "
    return element("footer", element("p", f"{told}{report.schema_version} of its layout."))


def _name(described: Mapping[str, Any]) -> str:
    return str(described.get("name") or "unnamed")


def _words(name: object) -> str:
    return str(name).replace("_", " ")


def _shown(value: Any) -> Markup | str:
    """A value of a free-form description: nested ones as lists."""
    if isinstance(value, Mapping):
        items = [element("li", f"{_words(name)}: ", _shown(item)) for name, item in value.items()]
        return element("ul", *items) if items else DASH
    if isinstance(value, (list, tuple)):
        return join((_shown(item) for item in value), between=", ") if value else DASH
    # A seed or a version is no quantity: neither separators nor rounding.
    return cell_text(value) if value is None or isinstance(value, bool) else str(value)


def _date(created: str) -> str:
    """ISO 8601 as people write it; anything else as it is."""
    try:
        time = datetime.fromisoformat(created.replace("Z", "+00:00"))
    except ValueError:
        return created
    return f"{time.day} {time:%B %Y, %H:%M} {time.tzname() or ''}".strip()
