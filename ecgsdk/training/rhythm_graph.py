"""The rhythm model as one ONNX graph: a `Scan` that draws as many RR intervals as it is given random numbers for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from ecgsdk.encoding import VARIATION
from ecgsdk.errors import TrainingError
from ecgsdk.rhythm import EXTREME_LOG_RATIO, MOST_BEATS
from ecgsdk.training.graphs import BATCHES, OPSET, compare_graph, with_half_weights
from ecgsdk.training.networks import LOG_WIDTHS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import onnx

    from ecgsdk.training.networks import Rhythm

__all__ = ["DrawnIntervals", "export_rhythm"]

_TOLERANCE = 1e-3
# Greatest magnitude of what is drawn, in units of the RR variation.
_EXTREME = 8.0


class DrawnIntervals(nn.Module):
    """The rhythm model with the draws in it, step by step in PyTorch: what the graph must give.

    Takes condition vectors (n, columns), uniform and standard normal numbers (intervals, n), and gives
    log(RR / mean RR) of each interval, (intervals, n).
    """

    def __init__(self, rhythm: Rhythm) -> None:
        super().__init__()
        self.rhythm = rhythm

    def forward(self, condition: Tensor, uniform: Tensor, normal: Tensor) -> Tensor:
        state, variation = self.rhythm.start(condition), self.rhythm.variation(condition)
        previous, first = torch.zeros(len(condition), 1), torch.ones(len(condition), 1)
        drawn = []
        for u, z in zip(uniform[..., None], normal[..., None]):
            logits, means, log_widths, state = self.rhythm.step(condition, previous, first, state)
            below = (logits.softmax(dim=1).cumsum(dim=1) < u).sum(dim=1, keepdim=True)
            chosen = below.clamp(max=self.rhythm.mixtures - 1)
            value = means.gather(1, chosen) + log_widths.gather(1, chosen).exp() * z
            previous, first = value.clamp(-_EXTREME, _EXTREME), torch.zeros_like(first)
            drawn.append((previous * variation).clamp(-EXTREME_LOG_RATIO, EXTREME_LOG_RATIO)[:, 0])
        return torch.stack(drawn)


def export_rhythm(rhythm: Rhythm) -> bytes:
    """The graph of a rhythm model with inputs `condition`, `uniform` and `normal` and the output `log_ratios`.

    Shapes are those of `DrawnIntervals`, for any number of records and of intervals from 1 on.

    Raises:
        TrainingError: the graph differs from PyTorch by more than 1e-3 of the output's standard deviation.
    """
    _round(rhythm)  # so that the comparison measures the graph and not the rounding
    graph = with_half_weights(_model(rhythm).SerializeToString())
    columns = _columns(rhythm)
    for records in BATCHES:
        shape = (MOST_BEATS, records)
        example = {
            "condition": torch.randn(records, columns),
            "uniform": torch.rand(shape),
            "normal": torch.randn(shape),
        }
        difference = compare_graph(graph, DrawnIntervals(rhythm), example)
        if not difference < _TOLERANCE:
            raise TrainingError(f"the rhythm graph differs from PyTorch by {difference:.1e} at batch {records}")
    return graph


@torch.no_grad()
def _round(rhythm: Rhythm) -> None:
    """To half precision, and of biases that are always added up the sum: what a graph holds, read back, is the same."""
    rhythm.half().float()
    added, both = rhythm.cell.bias_hh, 2 * rhythm.width
    rhythm.cell.bias_ih[:both] += added[:both]
    added[:both] = 0
    rhythm.half().float()


def _model(rhythm: Rhythm) -> onnx.ModelProto:
    from onnx import checker, helper, numpy_helper

    rows = ["intervals", "records"]
    columns = _columns(rhythm)
    graph = helper.make_graph(
        [*_before(), _scan(rhythm.width), *_behind()],
        "rhythm",
        _floats({"condition": ["records", columns], "uniform": rows, "normal": rows}),
        _floats({"log_ratios": rows}),
        [numpy_helper.from_array(value, name) for name, value in _weights(rhythm).items()],
    )
    model = helper.make_model(graph, producer_name="ecgsdk", opset_imports=[helper.make_opsetid("", OPSET)])
    model.ir_version = 8  # that of the opset, which older runtimes read
    checker.check_model(model, full_check=True)
    return model


def _columns(rhythm: Rhythm) -> int:
    first: Any = rhythm.condition[0]
    return first.in_features


def _weights(rhythm: Rhythm) -> dict[str, np.ndarray]:
    """Weights as the graph has them.

    One product gives all the gates of the cell, four columns a unit: reset, update, and the new state's share from the
    input and from the state, which the reset gate keeps apart. Its rows are the state, the previous interval and
    whether this one is the first.
    """
    width, mixtures = rhythm.width, rhythm.mixtures
    cell, inner, outer, out = rhythm.cell, rhythm.condition[0], rhythm.condition[2], rhythm.out
    given, kept = (_array(w).T for w in (cell.weight_ih, cell.weight_hh))
    given_bias, kept_bias = _array(cell.bias_ih), _array(cell.bias_hh)
    both, new = 2 * width, slice(2 * width, None)
    recurrent = np.zeros((width + 2, 4 * width), np.float32)
    recurrent[:width, :both], recurrent[:width, both + width :] = kept[:, :both], kept[:, new]
    recurrent[width:, : 3 * width] = given[width:]
    fixed = np.zeros((width, 4 * width), np.float32)
    fixed[:, : 3 * width] = given[:width]
    bias = np.concatenate([given_bias[:both] + kept_bias[:both], given_bias[new], kept_bias[new]])
    return {
        "inner": _array(inner.weight).T,
        "inner_bias": _array(inner.bias),
        "outer": _array(outer.weight).T,
        "outer_bias": _array(outer.bias),
        "fixed": fixed,
        "fixed_bias": bias,
        "recurrent": recurrent,
        "out": _array(out.weight).T[:width],
        "out_fixed": _array(out.weight).T[width:],
        "out_bias": _array(out.bias),
        "cumulate": np.triu(np.ones((mixtures, mixtures), np.float32)),
        "last_component": np.array(mixtures - 1, np.int64),
        "narrowest": np.array(LOG_WIDTHS[0], np.float32),
        "widest": np.array(LOG_WIDTHS[1], np.float32),
        "shortest": np.array(-EXTREME_LOG_RATIO, np.float32),
        "longest": np.array(EXTREME_LOG_RATIO, np.float32),
        "lowest": np.array(-_EXTREME, np.float32),
        "highest": np.array(_EXTREME, np.float32),
        "unit": np.array(VARIATION, np.float32),
        "variation_column": np.array([_columns(rhythm) - 1], np.int64),
        "last": np.array([-1], np.int64),
        "columns": np.array([1], np.int64),
        "gate_sizes": np.array([both, width, width], np.int64),
        "pair_sizes": np.array([width, width], np.int64),
        "mixture_sizes": np.array([mixtures] * 3, np.int64),
        "first": np.array([[0, 1]], np.float32),
    }


def _before() -> list[onnx.NodeProto]:
    """What depends on the condition alone; the random numbers of an interval, one a row."""
    return _nodes(
        ("Gemm", "condition inner inner_bias", "hidden"),
        ("Sigmoid", "hidden", "gate"),
        ("Mul", "hidden gate", "active"),
        ("Gemm", "active outer outer_bias", "embedded"),
        ("Tanh", "embedded", "start"),
        ("Gemm", "embedded fixed fixed_bias", "from_condition"),
        ("Gemm", "embedded out_fixed out_bias", "out_from_condition"),
        ("ReduceSum", "embedded columns", "any"),
        ("Sub", "any any", "zero"),
        ("Add", "zero first", "no_interval"),
        ("Unsqueeze", "uniform last", "uniform_rows"),
        ("Unsqueeze", "normal last", "normal_rows"),
    )


def _behind() -> list[onnx.NodeProto]:
    """What was drawn, in units of the RR variation, as logarithms of ratios."""
    return _nodes(
        ("Squeeze", "drawn last", "deviations"),
        ("Gather", "condition variation_column", "encoded", {"axis": 1}),
        ("Squeeze", "encoded columns", "encoded_variation"),
        ("Exp", "encoded_variation", "relative_variation"),
        ("Mul", "relative_variation unit", "variation"),
        ("Mul", "deviations variation", "unheld"),
        ("Clip", "unheld shortest longest", "log_ratios"),
    )


def _scan(width: int) -> onnx.NodeProto:
    """The recurrence: state and previous interval are carried on, random numbers come in, intervals go out."""
    from onnx import TensorProto, helper

    step = _nodes(
        ("Concat", "state previous", "carried", {"axis": 1}),
        ("Gemm", "carried recurrent from_condition", "gates"),
        ("Split", "gates gate_sizes", "reset_update from_input from_state", {"axis": 1}),
        ("Sigmoid", "reset_update", "opened"),
        ("Split", "opened pair_sizes", "reset update", {"axis": 1}),
        ("Mul", "reset from_state", "remembered"),
        ("Add", "from_input remembered", "candidate"),
        ("Tanh", "candidate", "new"),
        ("Sub", "state new", "older"),
        ("Mul", "update older", "held"),
        ("Add", "new held", "next_state"),
        ("Gemm", "next_state out out_from_condition", "mixture"),
        ("Split", "mixture mixture_sizes", "logits means log_widths", {"axis": 1}),
        ("Softmax", "logits", "shares", {"axis": 1}),
        ("MatMul", "shares cumulate", "cumulated"),
        ("Less", "cumulated u", "below"),
        ("Cast", "below", "ones", {"to": TensorProto.INT64}),
        ("ReduceSum", "ones columns", "count"),
        ("Min", "count last_component", "chosen"),
        ("GatherElements", "means chosen", "mean", {"axis": 1}),
        ("GatherElements", "log_widths chosen", "log_width", {"axis": 1}),
        ("Clip", "log_width narrowest widest", "held_log_width"),
        ("Exp", "held_log_width", "spread"),
        ("Mul", "spread z", "deviation"),
        ("Add", "mean deviation", "free"),
        ("Clip", "free lowest highest", "interval"),
        ("Identity", "interval", "interval_out"),
        ("Concat", "interval zero", "next_previous", {"axis": 1}),
    )
    one = ("records", 1)
    takes = {"state": ("records", width), "previous": ("records", 2), "u": one, "z": one}
    gives = {"next_state": ("records", width), "next_previous": ("records", 2), "interval_out": one}
    body = helper.make_graph(step, "interval", _floats(takes), _floats(gives))
    return helper.make_node(
        "Scan",
        ["start", "no_interval", "uniform_rows", "normal_rows"],
        ["end", "end_interval", "drawn"],
        body=body,
        num_scan_inputs=2,
    )


def _floats(shapes: Mapping[str, Sequence[str | int]]) -> list[onnx.ValueInfoProto]:
    """Single-precision inputs or outputs by name."""
    from onnx import TensorProto, helper

    return [helper.make_tensor_value_info(name, TensorProto.FLOAT, [*shape]) for name, shape in shapes.items()]


def _nodes(*lines: tuple[str, str, str] | tuple[str, str, str, dict[str, int]]) -> list[onnx.NodeProto]:
    """Nodes from their operator, the names of inputs and outputs with blanks between, and attributes."""
    from onnx import helper

    return [
        helper.make_node(operator, inputs.split(), outputs.split(), **dict(*attributes))
        for operator, inputs, outputs, *attributes in lines
    ]


def _array(weights: Any) -> np.ndarray:
    return weights.detach().numpy()
