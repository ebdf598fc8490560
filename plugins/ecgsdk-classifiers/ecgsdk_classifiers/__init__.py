"""Five reference classifiers of different families for ecgsdk's validation suite; `plugin` registers them."""

from __future__ import annotations

__all__ = ["__version__"]

__version__ = "0.1.0"
