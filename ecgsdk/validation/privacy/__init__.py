"""Privacy: whether synthetic ECGs give away which real ones a generator was trained on."""

from __future__ import annotations

__all__: list[str] = []
