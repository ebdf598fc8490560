"""Graphs alone on a device: which nodes run where, records a second, options of the provider, kernels, operations.

Example (Python):

    from gpu_graphs import alone
    print(alone("decoder", find_model().graph("decoder"), "cuda", [64, 1024]))
"""

from __future__ import annotations

import contextlib
import os
import time
from functools import partial
from typing import TYPE_CHECKING, Any
from unittest import mock

import numpy as np
from operations import graph_operations

from ecgsdk import runtime
from ecgsdk.binding import run_into, run_kept

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from ecgsdk.models import Model

__all__ = ["GRAPHS", "alone", "kernels", "operations", "placed", "variants"]

GRAPHS = ("rhythm", "distilled", "decoder", "refiner", "upsampler")
_INTERVALS = 24
_UPSAMPLED_AT_MOST = 256  # its inner signals are long, and many
_KINDS = {"tensor(int64)": np.int64, "tensor(float)": np.float32}
_VARIANTS: dict[str, dict[str, Any]] = {
    "heuristic": {"use_tf32": 0, "cudnn_conv_algo_search": "HEURISTIC"},
    "default_algorithm": {"use_tf32": 0, "cudnn_conv_algo_search": "DEFAULT"},
    "padded_to_nc1d": {"use_tf32": 0, "cudnn_conv1d_pad_to_nc1d": "1"},
    "channels_last": {"use_tf32": 0, "prefer_nhwc": "1"},
    "tf32": {"use_tf32": 1},
}


def placed(graph: bytes, device: str, log: Path) -> dict[str, int]:
    """How many nodes of a graph run where; the log names them."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 0
    providers = runtime._OPTIONS["cuda"], runtime._OPTIONS["cpu"]
    with _native_log(log) as began:
        onnxruntime.InferenceSession(graph, options, providers=providers[device == "cpu" :])
    counts: dict[str, int] = {}
    for line in log.read_text(errors="replace")[began:].splitlines():
        # "… placed on [CUDAExecutionProvider]. Number of nodes: 93"
        provider, _, rest = line.partition(" placed on [")[2].partition("]")
        if provider and "Number of nodes:" in rest:
            counts[provider] = counts.get(provider, 0) + int(rest.rpartition(":")[2])
    return counts


@contextlib.contextmanager
def _native_log(log: Path) -> Iterator[int]:
    """Sends what native code says on standard error to the log; gives the length of the log before."""
    before, kept = len(log.read_text(errors="replace")), os.dup(2)
    with log.open("ab") as file:
        os.dup2(file.fileno(), 2)
    try:
        yield before
    finally:
        os.dup2(kept, 2)
        os.close(kept)


def inputs(session: Any, n: int) -> dict[str, np.ndarray]:
    """Numbers of no meaning for a graph, for `n` records."""
    draw, sizes = np.random.default_rng(0), {"records": n, "intervals": _INTERVALS}
    shapes = {given.name: [sizes.get(axis, axis) for axis in given.shape] for given in session.get_inputs()}
    kinds = {given.name: _KINDS[given.type] for given in session.get_inputs()}
    return {name: draw.random(shape).astype(kinds[name]) for name, shape in shapes.items()}


def alone(name: str, graph: bytes, device: str, sizes: list[int]) -> dict[str, dict[str, float]]:
    """Records a second of one graph, for each size and way; and the first run, which looks for algorithms."""
    session = runtime.open_session(graph, device=device)
    return {str(n): _alone(session, n) for n in dict.fromkeys(_fitting(name, size) for size in sizes)}


def _fitting(name: str, n: int) -> int:
    return min(n, _UPSAMPLED_AT_MOST) if name == "upsampler" else n


def _alone(session: Any, n: int) -> dict[str, float]:
    given, output = inputs(session, n), session.get_outputs()[0].name
    began = time.perf_counter()
    made = np.asarray(session.run([output], given)[0])
    first = time.perf_counter() - began
    kept = on_device(session, given)
    return {
        "first_run_s": first,
        "kept_per_s": n / per_call(lambda: run_kept(session, kept)),
        "bound_per_s": n / per_call(lambda: run_into(session, given, made)),
        "plain_per_s": n / per_call(lambda: session.run([output], given)),
    }


def on_device(session: Any, given: dict[str, np.ndarray]) -> dict[str, Any]:
    """Arrays as values on the session's device."""
    import onnxruntime

    device = runtime.session_device(session)
    return {name: onnxruntime.OrtValue.ortvalue_from_numpy(value, device, 0) for name, value in given.items()}


def per_call(call: Callable[[], object], seconds: float = 0.4) -> float:
    """Seconds of a call, the best of several within so long a time; the first does not count."""
    call()
    times: list[float] = []
    while len(times) < 2 or (sum(times) < seconds and len(times) < 50):
        began = time.perf_counter()
        call()
        times.append(time.perf_counter() - began)
    return min(times)


def variants(name: str, graph: bytes, n: int) -> dict[str, float | str]:
    """Records a second of a graph kept on the device under other options of the CUDA provider."""
    n = _fitting(name, n)
    found: dict[str, float | str] = {}
    for variant, options in _VARIANTS.items():
        asked = {"cuda": (runtime._PROVIDERS["cuda"], options), "cpu": runtime._OPTIONS["cpu"]}
        try:
            with mock.patch.object(runtime, "_OPTIONS", asked):
                session = runtime.open_session(graph, device="cuda")
            kept = on_device(session, inputs(session, n))
            found[variant] = n / per_call(partial(run_kept, session, kept), 0.2)
        except Exception as error:  # an option that this ONNX Runtime does not know, or that breaks the graph
            found[variant] = " ".join(str(error).split())
    return found


def kernels(name: str, graph: bytes, n: int, most: int = 12) -> dict[str, float]:
    """Microseconds of one run that each kernel of the GPU takes, the longest first, as PyTorch's profiler sees them."""
    from torch.profiler import ProfilerActivity, profile

    session = runtime.open_session(graph, device="cuda")
    kept = on_device(session, inputs(session, _fitting(name, n)))
    for _ in range(2):
        run_kept(session, kept)
    with profile(activities=[ProfilerActivity.CUDA]) as seen:
        run_kept(session, kept)
    spent = sorted(
        ((event.self_device_time_total, event.count, event.key) for event in seen.key_averages()), reverse=True
    )
    return {f"{key[:70]} × {count}": time for time, count, key in spent[:most]}


def operations(model: Model, device: str) -> dict[str, float]:
    """Million operations a record of each graph; operations a second of the device's product of float32 matrices."""
    import onnx

    found = {f"{name}_millions": graph_operations(model.graph(name)) / 1e6 for name in GRAPHS}
    size = 8192 if device == "cuda" else 512
    value = partial(onnx.helper.make_tensor_value_info, elem_type=onnx.TensorProto.FLOAT, shape=[size, size])
    node = onnx.helper.make_node("MatMul", ["a", "b"], ["c"])
    graph = onnx.helper.make_graph([node], "product", [value("a"), value("b")], [value("c")])
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=8)
    session = runtime.open_session(model.SerializeToString(), device=device)
    kept = on_device(session, inputs(session, 1))
    return found | {"product_peak_per_s": 2 * size**3 / per_call(lambda: run_kept(session, kept))}
