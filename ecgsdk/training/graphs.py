"""ONNX graphs that give what PyTorch gives, and the model folder that holds them."""

from __future__ import annotations

import hashlib
import io
import json
import warnings
from typing import TYPE_CHECKING

import numpy as np
import torch

from ecgsdk.errors import TrainingError, WriteError
from ecgsdk.runtime import open_session
from ecgsdk.writers.atomic import check_target, discard, publish, staging_path

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from torch import Tensor, nn

    from ecgsdk.cards import AnyCard

__all__ = [
    "BATCHES",
    "OPSET",
    "check_model_folder",
    "compare_graph",
    "export_graph",
    "graph_facts",
    "with_half_weights",
    "write_model_folder",
]

OPSET = 17

BATCHES = (2, 1, 3, 8)
"""Batch sizes at which a graph is written (the first) and compared (all)."""

_TOLERANCE = 1e-3
_FORM_TOLERANCE = 1e-4
_SMALLEST_HALF = 256


def export_graph(
    name: str,
    network: nn.Module,
    inputs: Sequence[dict[str, Tensor]],
    outputs: Sequence[str],
    *,
    form: nn.Module | None = None,
    dynamic: Mapping[str, str] | None = None,
    half_weights: bool = False,
    tolerance: float = _TOLERANCE,
) -> bytes:
    """The ONNX graph of a network, for any number of records.

    Args:
        name: of the graph, for messages.
        inputs: examples of the inputs by name; the first makes the graph, all are compared.
        form: the same function in cheaper operations (`ecgsdk.training.fusing`), exported in the network's place.
        dynamic: inputs whose third axis may be of any length, and that axis' name.
        half_weights: whether weights are stored in half precision; what is exported is rounded to it, here too.
        tolerance: in standard deviations of the output, greatest difference between graph and PyTorch.

    Raises:
        TrainingError: the form differs from the network by more than 1e-4 of the output's standard deviation, or the
            graph from what is exported by more than the tolerance.
    """
    if form is not None:
        _check_form(name, form, network, inputs[0])
    exported = network if form is None else form
    if half_weights:  # so that the comparison measures the graph and not the rounding
        exported.half().float()
    axes = {key: {0: "records"} for key in (*inputs[0], *outputs)}
    for key, axis in (dynamic or {}).items():
        axes[key][2] = axis
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        # The exporter without dynamo is deprecated, but writes a bidirectional LSTM as one node in 0.2 s and keeps the
        # time axis dynamic.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            exported,
            tuple(inputs[0].values()),
            buffer,  # type: ignore[arg-type]
            dynamo=False,
            opset_version=OPSET,
            input_names=list(inputs[0]),
            output_names=list(outputs),
            dynamic_axes=axes,
        )
    graph = with_half_weights(buffer.getvalue()) if half_weights else buffer.getvalue()
    for example in inputs:
        difference = compare_graph(graph, exported, example)
        if not difference < tolerance:
            n = len(next(iter(example.values())))
            raise TrainingError(
                f"the {name} graph differs from PyTorch by {difference:.1e} standard deviations at batch {n}"
            )
    return graph


def _check_form(name: str, form: nn.Module, network: nn.Module, inputs: dict[str, Tensor]) -> None:
    with torch.no_grad():
        expected, found = (module(*inputs.values()) for module in (network, form))
    difference = float((found - expected).abs().max() / expected.std())
    if not difference < _FORM_TOLERANCE:
        raise TrainingError(f"the {name} network's form for export differs by {difference:.1e} standard deviations")


def compare_graph(graph: bytes, network: nn.Module, inputs: dict[str, Tensor]) -> float:
    """Greatest difference between ONNX Runtime and PyTorch over the outputs, in their standard deviations.

    An output of one number is compared with its own size.
    """
    session = open_session(graph, device="cpu")
    with torch.no_grad():
        expected = network(*inputs.values())
    expected = expected if isinstance(expected, tuple) else (expected,)
    found = session.run(None, {name: value.numpy() for name, value in inputs.items()})
    sizes = [e.std() if e.numel() > 1 else e.abs().max() for e in expected]
    return max(float((torch.from_numpy(f) - e).abs().max() / size) for f, e, size in zip(found, expected, sizes))


def with_half_weights(graph: bytes, smallest: int = _SMALLEST_HALF) -> bytes:
    """The graph with its larger weights stored in half precision and cast back, so that it takes half the space.

    ONNX Runtime folds the casts while it loads the graph: it computes in single precision as before.

    Args:
        smallest: values of a weight below which it stays as it is.
    """
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    model = onnx.load_from_string(graph)
    casts = []
    for weight in model.graph.initializer:
        if weight.data_type != TensorProto.FLOAT or np.prod(weight.dims) < smallest:
            continue
        name = weight.name
        stored = f"{name}.half"
        weight.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(weight).astype(np.float16), stored))
        casts.append(helper.make_node("Cast", [stored], [name], to=TensorProto.FLOAT))
    for position, cast in enumerate(casts):
        model.graph.node.insert(position, cast)
    onnx.checker.check_model(model)
    return model.SerializeToString()


def graph_facts(graphs: Mapping[str, bytes]) -> dict[str, dict[str, str]]:
    """What a card says of each graph: its file and SHA-256."""
    return {
        name: {"file": f"{name}.onnx", "sha256": hashlib.sha256(graph).hexdigest()} for name, graph in graphs.items()
    }


def check_model_folder(target: Path, *, overwrite: bool) -> None:
    """Raises WriteError where `target` cannot become a model folder, before any work is done."""
    check_target(target, overwrite=overwrite, folder=True, ours=lambda f: f.name == "card.json" or f.suffix == ".onnx")


def write_model_folder(target: Path, graphs: Mapping[str, bytes], card: AnyCard) -> None:
    """Writes graphs and card.

    Raises:
        WriteError: the disk does not take them.
    """
    staged = staging_path(target)
    try:
        staged.mkdir(parents=True)
        for name, graph in graphs.items():
            (staged / f"{name}.onnx").write_bytes(graph)
        (staged / "card.json").write_text(
            json.dumps(card.as_dict(), indent=1, ensure_ascii=False) + "\n", encoding="utf-8"
        )
        publish(staged, target)
    except OSError as error:
        raise WriteError(f"cannot write {target}: {error.strerror}") from None
    finally:
        discard(staged)
