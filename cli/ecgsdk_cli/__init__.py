"""The command `ecgsdk`: one module a command, each parses, makes one library call and prints."""

from __future__ import annotations

__all__: list[str] = []
