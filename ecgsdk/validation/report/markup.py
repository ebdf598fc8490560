"""HTML and SVG elements as strings, escaped unless they were made here, so that no name in a report becomes markup."""

from __future__ import annotations

import html
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["Markup", "element", "join", "prose", "text"]

# What neither HTML nor XML may hold: control characters, halves of surrogate pairs (of undecodable file names), U+FFFE.
_FORBIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")

_CODE = re.compile("`([^`]+)`")

_EMPTY = frozenset({"circle", "link", "meta", "path", "rect"})


class Markup(str):
    """Text that is markup already and must not be escaped."""

    __slots__ = ()


def text(value: object) -> Markup:
    """Any value as text: escaped, and without characters that a page cannot hold. `Markup` is left as it is."""
    if isinstance(value, Markup):
        return value
    return Markup(html.escape(_FORBIDDEN.sub("\N{REPLACEMENT CHARACTER}", str(value))))


def join(parts: Iterable[object], between: str = "") -> Markup:
    """Parts one after another; None is left out, all but `Markup` is escaped."""
    return Markup(text(between).join(text(part) for part in parts if part is not None))


def prose(sentence: str) -> Markup:
    """A sentence in which what stands between backticks is code.

    >>> prose("run `pip install x`")
    'run <code>pip install x</code>'
    """
    plain, *rest = _CODE.split(text(sentence))
    return Markup(plain + "".join(f"<code>{code}</code>{after}" for code, after in zip(rest[::2], rest[1::2])))


def element(tag: str, /, *children: object, **attributes: str | float | bool | None) -> Markup:
    """An element, well-formed in HTML and XML.

    Args:
        tag: name of the element.
        children: markup or text; None is left out.
        attributes: `_` in a name stands for "-", a trailing one is dropped (`class_`); None and False are left out.

    >>> element("p", "a < b", class_="note")
    '<p class="note">a &lt; b</p>'
    """
    opening = tag + "".join(_attribute(key, value) for key, value in attributes.items())
    if tag in _EMPTY and not children:
        return Markup(f"<{opening}/>")
    return Markup(f"<{opening}>{join(children)}</{tag}>")


def _attribute(key: str, value: str | float | bool | None) -> str:
    if value is None or value is False:
        return ""
    shown = key if value is True else f"{value:g}" if isinstance(value, float) else value
    return f' {key.rstrip("_").replace("_", "-")}="{text(shown)}"'
