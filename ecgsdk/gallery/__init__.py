"""Galleries: one page that shows samples of ECGs by group, with zoom and leads to choose, from disk and offline."""

from __future__ import annotations

from ecgsdk.gallery.write import write_gallery

__all__ = ["write_gallery"]
