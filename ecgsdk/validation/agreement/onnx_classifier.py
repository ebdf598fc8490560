"""A diagnostic model that is an ONNX file with a small JSON file beside it: a fixed classifier without any code.

`ecgsdk.validation.agreement.onnx_description` tells what model.json, beside model.onnx, may hold.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ecgsdk.conditions import check_known
from ecgsdk.errors import ConditionError, ModelError
from ecgsdk.runtime import open_session
from ecgsdk.validation.agreement.onnx_description import OnnxDescription

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from ecgsdk.runtime import Session

__all__ = ["OnnxClassifier", "load_onnx_classifier"]

_BATCH_SIZE = 64
_DTYPES = {"tensor(float)": np.float32, "tensor(double)": np.float64, "tensor(float16)": np.float16}


def load_onnx_classifier(path: str | Path, *, device: str = "auto") -> OnnxClassifier:
    """The classifier of an ONNX file and the JSON file of the same name beside it.

    Args:
        path: of the ONNX file, which holds its weights (no external data).
        device: "cpu", "cuda" or "auto", as `ecgsdk.runtime.open_session` takes it.

    Raises:
        ModelError: one of the files is missing or damaged, or they do not go together.
        RuntimeSetupError: no ONNX Runtime is installed, or CUDA is asked for and not there.
    """
    path = Path(path)
    beside = path.with_suffix(".json")
    try:
        graph = path.read_bytes()
    except OSError as error:
        what = f"name an ONNX file that has its description, {beside.name}, beside it"
        raise ModelError(f"cannot read {path}: {error.strerror}; {what}") from None
    description = OnnxDescription.from_json(beside)
    try:
        session = open_session(graph, device=device)
    except ModelError as error:
        raise ModelError(f"{path}: {error}") from None
    return OnnxClassifier(str(path), description, session)


class OnnxClassifier:
    """Runs a graph as its description says. A record's probabilities do not depend on those given beside it, as far as
    the graph's own arithmetic keeps records apart (one quantised dynamically does not: give it a `batch_size` of 1).

    Attributes:
        name: of the file.
        description: what its JSON file says.
        labels, statements, sampling_rate, leads, units, seconds, thresholds, most_records: as `ecgsdk.classifiers` and
            `ecgsdk.validation.agreement.fixed` explain them.
    """

    def __init__(self, name: str, description: OnnxDescription, session: Session) -> None:
        self.name = name
        self.description = description
        self.labels = description.labels
        self.statements = description.statements
        self.sampling_rate = description.sampling_rate
        self.leads = description.leads
        self.units = description.units
        self.thresholds = description.thresholds
        self.most_records = description.most_records
        self._session = session
        self._input = _graph_input(name, session.get_inputs(), description)
        self._transposed = description.layout == "samples-first"
        shape = self._input.shape
        records, leads, samples = (shape[0], shape[2], shape[1]) if self._transposed else shape
        _agreed(name, "leads", leads, len(self.leads))
        self._output = _graph_output(name, session.get_outputs(), description)
        self._batch_size = _agreed(name, "batch_size", records, description.batch_size)
        asked = None if description.seconds is None else round(description.seconds * self.sampling_rate)
        length = _agreed(name, "seconds · sampling_rate", samples, asked)
        self.seconds = None if length is None else length / self.sampling_rate

    def predict_proba(self, signals: np.ndarray) -> np.ndarray:
        """Probability of each label in each record.

        Args:
            signals: shape (n, leads, samples); rate, leads and units as the attributes say.

        Returns:
            Shape (n, labels).

        Raises:
            ModelError: the graph fails, or gives something else than a row for each record.
        """
        mean, std = (np.array(values)[:, None] for values in (self.description.mean, self.description.std))
        given = (signals - mean) / std
        if self._transposed:
            given = given.transpose(0, 2, 1)
        size = self._batch_size or _BATCH_SIZE
        parts = [self._run(given[first : first + size]) for first in range(0, len(given), size)]
        return _PROBABILITIES[self.description.output](np.concatenate([np.empty((0, len(self.labels))), *parts]))

    def _run(self, part: np.ndarray) -> np.ndarray:
        n = len(part)
        if self._batch_size is not None and n < self._batch_size:
            part = np.concatenate([part, np.repeat(part[-1:], self._batch_size - n, axis=0)])
        given = np.ascontiguousarray(part, dtype=_DTYPES[self._input.type])
        try:
            (output,) = self._session.run([self._output.name], {self._input.name: given})
        except Exception as error:  # onnxruntime raises a dozen kinds, none of them public
            raise ModelError(f"{self.name}: the graph fails: {' '.join(str(error).split()) or error!r}") from None
        if output.shape != (len(part), len(self.labels)):
            expected = f"{len(part)} records and {len(self.labels)} labels"
            raise ModelError(f"{self.name}: output {self._output.name!r} has shape {output.shape} for {expected}")
        return output[:n].astype(np.float64)


def _sigmoid(values: np.ndarray) -> np.ndarray:
    return 0.5 * (1 + np.tanh(values / 2))


def _softmax(values: np.ndarray) -> np.ndarray:
    powers = np.exp(values - values.max(axis=-1, keepdims=True))
    return powers / powers.sum(axis=-1, keepdims=True)


def _unchanged(values: np.ndarray) -> np.ndarray:
    return values


_PROBABILITIES: Mapping[str, Callable[[np.ndarray], np.ndarray]] = {
    "probabilities": _unchanged,
    "logits": _sigmoid,
    "softmax logits": _softmax,
}


def _graph_input(name: str, inputs: Sequence[Any], description: OnnxDescription) -> Any:
    if len(inputs) != 1:
        raise ModelError(f"{name} has {len(inputs)} inputs ({_listed(inputs)}); only graphs with one can be used")
    found = _named(name, "input_name", inputs, description.input_name)
    if len(found.shape) != 3:
        raise ModelError(f"{name}: input {found.name!r} has {len(found.shape)} axes; it needs records, leads, samples")
    if found.type not in _DTYPES:
        raise ModelError(f"{name}: input {found.name!r} is {found.type}; only {', '.join(_DTYPES)} can be given")
    return found


def _graph_output(name: str, outputs: Sequence[Any], description: OnnxDescription) -> Any:
    if len(outputs) != 1 and description.output_name is None:
        raise ModelError(f"{name} has {len(outputs)} outputs ({_listed(outputs)}); name one in output_name")
    found = _named(name, "output_name", outputs, description.output_name)
    if found.shape and len(found.shape) != 2:
        raise ModelError(f"{name}: output {found.name!r} has {len(found.shape)} axes; it needs records and labels")
    if found.shape:
        _agreed(name, "labels", found.shape[1], len(description.labels))
    return found


def _named(name: str, key: str, nodes: Sequence[Any], wanted: str | None) -> Any:
    by_name = {node.name: node for node in nodes}
    try:
        check_known(key, [] if wanted is None else [wanted], by_name)
    except ConditionError as error:
        raise ModelError(f"{name}: {error}") from None
    return nodes[0] if wanted is None else by_name[wanted]


def _agreed(name: str, what: str, of_graph: int | str | None, of_description: int | None) -> int | None:
    """The length of an axis, of which the graph, the description, or both may leave it open."""
    fixed = of_graph if isinstance(of_graph, int) else None
    if fixed is not None and of_description is not None and fixed != of_description:
        raise ModelError(f"{name}: the graph has {fixed} for {what}, its JSON file {of_description}; mend the latter")
    return of_description if fixed is None else fixed


def _listed(nodes: Sequence[Any]) -> str:
    return ", ".join(node.name for node in nodes)
