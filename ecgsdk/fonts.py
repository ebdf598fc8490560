"""Letters that the page's font lacks: which installed fonts have them, and which letters none has."""

from __future__ import annotations

import unicodedata
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from matplotlib.font_manager import FontEntry

__all__ = ["PLACEHOLDER", "beyond", "families", "scripts", "without_font"]

PLACEHOLDER = "\N{REPLACEMENT CHARACTER}"
"""Stands in a picture for a letter that no installed font has."""

_NO_LETTERS = ("last resort", "lastresort", "blank", "fallback")
"""Parts of the names of fonts that have a box, or nothing, for every letter."""


def beyond(text: str) -> str:
    """The letters of a text that the page's own font lacks, each once, in order."""
    return "" if text.isascii() else "".join(letter for letter in dict.fromkeys(text) if not _has(_own_font(), letter))


def families(text: str) -> list[str]:
    """The page's own font family, and those of installed fonts that have what it lacks of a text; few, the plainest."""
    from matplotlib import rcParams

    others: dict[str, str] = {}
    for letter in beyond(text):
        entry = _font_with(letter)
        if entry is not None:
            others[entry.name] = letter
    return [*rcParams["font.family"], *others]


def without_font(text: str) -> str:
    """The letters of a text that no installed font has, each once, in order."""
    return "".join(letter for letter in beyond(text) if _font_with(letter) is None)


def scripts(letters: Iterable[str]) -> list[str]:
    """The scripts of these letters, as Unicode's names of letters begin: CJK, Hangul, Thai."""
    words = (unicodedata.name(letter, f"U+{ord(letter):04X}").split(" ")[0] for letter in letters)
    return list(dict.fromkeys(word if len(word) <= 3 or "+" in word else word.capitalize() for word in words))


@cache
def _font_with(letter: str) -> FontEntry | None:
    """The plainest installed font that has a letter."""
    return next((entry for entry in _installed() if _has(entry.fname, letter)), None)


@cache
def _installed() -> tuple[FontEntry, ...]:
    """Installed fonts, upright sans-serif ones of usual weight and width first."""
    from matplotlib.font_manager import fontManager

    fonts = [entry for entry in fontManager.ttflist if not any(part in entry.name.lower() for part in _NO_LETTERS)]
    return tuple(sorted(fonts, key=_distance_from_plain))


def _distance_from_plain(entry: FontEntry) -> tuple[object, ...]:
    name = entry.name.lower()
    plain = entry.style == "normal" and entry.stretch in ("normal", 500)
    odd = any(part in name for part in ("mono", "serif", "slab")) and "sans" not in name
    return not plain, abs(_weight(entry.weight) - 400), odd or "mono" in name, "sans" not in name, name, entry.fname


def _weight(weight: object) -> int:
    from matplotlib.font_manager import weight_dict

    return weight if isinstance(weight, int) else weight_dict.get(str(weight), 400)


@cache
def _has(file: str, letter: str) -> bool:
    from matplotlib.font_manager import get_font

    try:
        return bool(get_font(file).get_char_index(ord(letter)))
    except (OSError, RuntimeError):  # a damaged font file, and one that FreeType does not know
        return False


def _own_font() -> str:
    from matplotlib.font_manager import FontProperties, findfont

    return str(findfont(FontProperties()))
