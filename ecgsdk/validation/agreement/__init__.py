"""Agreement: what finished diagnostic models say of synthetic ECGs."""

from __future__ import annotations

__all__: list[str] = []
