"""openecg (Apache-2.0, github.com/vitaldb/openecg) in ecgsdk's validation suite; `plugin` registers what there is."""

from __future__ import annotations

__all__ = ["__version__"]

__version__ = "0.1.0"
