"""The models that ship with ecgsdk: one folder a model, with its ONNX graphs and `card.json`.

Installed as the package `ecgsdk_models`; `ecgsdk.models` finds, verifies and reads what is here.
"""

from __future__ import annotations

__all__: list[str] = []
