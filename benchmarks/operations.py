"""Floating-point operations of a model's graphs, and how many a second this machine's matrix product reaches.

Example (Python):

    from operations import matrix_product_peak, record_operations
    print(record_operations(find_model(), steps=1, sampling_rate=100.0) / matrix_product_peak())

counts with onnx (`pip install onnx`): a multiplication and an addition are two operations, of convolutions, matrix
products and LSTMs; all else is left out, as it is under 3 % of them.
"""

from __future__ import annotations

import math
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import click
import numpy as np

from ecgsdk.runtime import open_session

if TYPE_CHECKING:
    from ecgsdk.cards import Card
    from ecgsdk.models import Model

__all__ = ["graph_operations", "matrix_product_peak", "record_operations"]

_INTERVALS = 20
"""RR intervals drawn for a usual record: 1.25 times as many as ten seconds at 72 bpm hold, and two."""
_PEAK = """
import time
import numpy as np
a, b = (np.random.default_rng(i).random((1024, 1024), dtype=np.float32) for i in (0, 1))
times = []
for _ in range(20):
    began = time.process_time()
    a @ b
    times.append(time.process_time() - began)
print(2 * 1024**3 / min(times))
"""
_SINGLE = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


def matrix_product_peak() -> float:
    """Operations a second of NumPy's product of 1024 × 1024 matrices in single precision, on one thread."""
    environment = os.environ | dict.fromkeys(_SINGLE, "1")
    done = subprocess.run([sys.executable, "-c", _PEAK], env=environment, capture_output=True, text=True, check=True)
    return float(done.stdout)


def record_operations(model: Model[Card], *, steps: int, guidance: float, sampling_rate: float) -> float:
    """Operations that one record takes; raises ClickException where onnx is not installed."""
    card = model.card
    flow = "distilled" if steps == 1 and "distilled" in card.graphs else "flow"
    runs = {"rhythm": 1, flow: steps * (1 if guidance == 1 else 2), "decoder": 1}
    runs |= {"refiner": 1} if "refiner" in card.graphs else {}
    if sampling_rate != min(card.sampling_rates):
        runs["upsampler"] = 1
    return sum(times * graph_operations(model.graph(name)) for name, times in runs.items())


def graph_operations(graph: bytes) -> float:
    """Operations of a graph for one record."""
    try:
        import onnx
    except ImportError:
        raise click.ClickException("counting operations needs onnx; run `pip install onnx`") from None
    model = onnx.load_from_string(graph)
    for value in model.graph.input:
        for axis in value.type.tensor_type.shape.dim:
            if axis.dim_param:
                axis.dim_value = _INTERVALS if axis.dim_param == "intervals" else 1
    inferred = onnx.shape_inference.infer_shapes(model, data_prop=True).graph
    return _operations(inferred, _shapes(inferred) | _shapes_found(model))


def _shapes_found(model: Any) -> dict[str, list[int]]:
    """Shapes of all that the nodes of a graph give for one record, some of which only a run can tell."""
    import onnx

    known = {value.name for value in model.graph.output}
    names = [name for node in model.graph.node for name in node.output if name not in known]
    model.graph.output.extend([onnx.helper.make_empty_tensor_value_info(name) for name in names])
    session = open_session(model.SerializeToString(), device="cpu")
    kinds = {"tensor(int64)": np.int64, "tensor(float)": np.float32}
    feed = {given.name: np.zeros(given.shape, kinds[given.type]) for given in session.get_inputs()}
    values = session.run(None, feed)
    return {output.name: list(value.shape) for output, value in zip(session.get_outputs(), values)}


def _shapes(graph: Any) -> dict[str, list[int]]:
    values = [*graph.input, *graph.value_info, *graph.output]
    shapes = {value.name: [axis.dim_value for axis in value.type.tensor_type.shape.dim] for value in values}
    return shapes | {weight.name: list(weight.dims) for weight in graph.initializer}


def _operations(graph: Any, shapes: dict[str, list[int]]) -> float:
    return sum(_node_operations(node, shapes) for node in graph.node)


def _node_operations(node: Any, shapes: dict[str, list[int]]) -> float:
    if node.op_type == "Scan":
        body = next(attribute.g for attribute in node.attribute if attribute.name == "body")
        # Names of the outer graph are seen inside; those of the body have one record, too.
        inner = {name: [size or 1 for size in shape] for name, shape in (shapes | _shapes(body)).items()}
        return _INTERVALS * _operations(body, inner)
    if node.op_type in ("Conv", "ConvTranspose"):
        weight, made = shapes[node.input[1]], shapes[node.output[0]]
        steps = made[2:] if node.op_type == "Conv" else shapes[node.input[0]][2:]
        return 2.0 * math.prod(weight) * math.prod(steps)
    if node.op_type in ("MatMul", "Gemm"):
        given, weight = shapes[node.input[0]], shapes[node.input[1]]
        transposed = any(attribute.name == "transB" and attribute.i for attribute in node.attribute)
        return 2.0 * math.prod(given) * weight[-2 if transposed else -1]
    if node.op_type == "LSTM":
        steps, kept = shapes[node.input[0]][0], shapes[node.input[2]]
        return 2.0 * steps * (math.prod(shapes[node.input[1]]) + math.prod(kept))
    return 0.0
