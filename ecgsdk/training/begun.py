"""Beginning with a model: its networks, read back from its graphs, as checkpoints of a new run.

What export folds into weights (`ecgsdk.training.fusing`) is undone: the networks give what the graphs give.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import torch

from ecgsdk.errors import TrainingError
from ecgsdk.models import find_model
from ecgsdk.training.config import TrainConfig
from ecgsdk.training.flow import build_flow
from ecgsdk.training.loop import save_average
from ecgsdk.training.networks import Attention, Decoder, Flow, FlowBlock, Rhythm
from ecgsdk.training.rhythm import build_rhythm
from ecgsdk.training.tuned import build_tuned

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from torch import Tensor, nn

    from ecgsdk.cards import Card

__all__ = ["begin_with", "begun_config", "begun_facts", "read_decoder", "read_flow", "read_rhythm", "stored_weights"]

_FACTS = "begun.json"
_LEVELS = ("down0", "down1", "middle", "up1", "up0")
# A weight that rhythm models have whose intervals are in units of the RR variation.
_RELATIVE = "unit"
_CONVOLUTIONS = {"half0": "halves.0", "half1": "halves.1", "twice1": "twices.0", "twice0": "twices.1"}


def begin_with(model: str, folder: Path, config: TrainConfig) -> None:
    """Writes checkpoints of flow, tuned networks and rhythm model into the folder of a new run.

    A run that was begun with the same model stays as it is. The encoder is in no model: stages that need it
    (adversarial, flow, distilled, tuned) cannot go on from here; ectopic, noise_floor, beat_flow and refined can. A
    rhythm model that draws intervals as an earlier ecgsdk did is left out: the stage rhythm learns it anew.

    Raises:
        ModelError: no such model.
        TrainingError: the model has other networks than the settings say, or the run has others.
    """
    found = find_model(model)
    known = begun_facts(folder)
    if known is not None and known["sha256"] == found.sha256:
        return
    taken = sorted(folder.glob("*.pt"))
    if taken:
        raise TrainingError(f"{taken[0]} belongs to another run; begin with {model} in a new folder")
    weights = {name: stored_weights(found.graph(name)) for name in ("flow", "distilled", "decoder", "rhythm")}
    try:
        tuned = build_tuned(config)
        read_flow(cast("Flow", tuned["distilled"]), weights["distilled"])
        read_decoder(cast("Decoder", tuned["decoder"]), weights["decoder"])
        tuned["cut"].load_state_dict({name: weights["decoder"][f"cut.{name}"] for name in ("first", "last")})
        networks: dict[str, nn.Module] = {
            "flow": read_flow(build_flow(config), weights["flow"]),
            "adversarial": tuned["decoder"],
            "distilled": tuned["distilled"],
            "tuned": tuned,
        }
        if _RELATIVE in weights["rhythm"]:
            networks["rhythm"] = read_rhythm(build_rhythm(config), weights["rhythm"])
    except (KeyError, RuntimeError) as error:
        why = str(error).partition("\n")[0]
        raise TrainingError(f"{model} does not have the networks that the settings say: {why}") from None
    folder.mkdir(parents=True, exist_ok=True)
    training = {name: value for name, value in found.card.training.items() if name != "upsampler"}
    done = training.get("steps_done", {})
    for stage, network in networks.items():
        save_average(network, folder, stage, config, int(done.get(stage, 0)))
    model_facts = {"name": found.card.name, "version": found.card.version, "sha256": found.sha256}
    figures = {stage: known for stage, known in found.card.metrics.get("fold_9", {}).items() if stage in done}
    facts = {**model_facts, "training": training, "figures": figures}
    part = folder / f"{_FACTS}.part"
    part.write_text(json.dumps(facts) + "\n", encoding="utf-8")
    part.replace(folder / _FACTS)


def begun_facts(folder: Path) -> dict[str, Any] | None:
    """What is known of the model that a run was begun with; None: a run from nothing.

    Returns:
        Name, version, SHA-256, training, and `figures` of its stages on held-out records.

    Raises:
        TrainingError: the file that tells it is damaged.
    """
    path = folder / _FACTS
    if not path.exists():
        return None
    try:
        facts: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return {name: facts[name] for name in ("name", "version", "sha256", "training", "figures")}
    except (OSError, ValueError, KeyError, TypeError):
        raise TrainingError(f"{path} is damaged; begin again in a new folder") from None


def begun_config(model: str, settings: Mapping[str, object]) -> TrainConfig:
    """The settings that a model was trained with, as far as they still are settings, and others in their place.

    A rhythm of an earlier form was learned with settings that do not fit what `begin_with` leaves to be learned anew.
    """
    found = find_model(model)
    card = cast("Card", found.card)
    known = TrainConfig().as_dict()
    if _RELATIVE not in stored_weights(found.graph("rhythm")):
        known = {name: value for name, value in known.items() if name not in ("rhythm_steps", "rhythm_rate")}
    stated = {name: value for name, value in card.training.get("config", {}).items() if name in known}
    return TrainConfig.from_dict({**stated, "statements": list(card.statements), **settings})


def stored_weights(graph: bytes) -> dict[str, Tensor]:
    """A graph's weights by name, float32; those of its LSTM as `lstm.0` to `lstm.2`: input, state, bias."""
    import onnx
    from onnx import numpy_helper

    loaded = onnx.load_from_string(graph).graph
    weights = {}
    for stored in loaded.initializer:
        value = numpy_helper.to_array(stored)
        weights[stored.name.removesuffix(".half")] = torch.from_numpy(np.array(value, dtype=np.float32))
    for node in loaded.node:
        if node.op_type == "LSTM":
            weights |= {f"lstm.{k}": weights[name] for k, name in enumerate(node.input[1:4])}
    return weights


def read_flow(flow: Flow, weights: Mapping[str, Tensor]) -> Flow:
    """A flow with the weights of its graph (`fusing.FusedFlow`)."""
    state: dict[str, Tensor] = {}
    for layer in ("time.0", "time.2", "condition.0", "condition.2", "stem"):
        _copy(state, layer, weights, layer)
    for layer, stored in _CONVOLUTIONS.items():
        _copy(state, layer, weights, stored)
    _copy(state, "head.2", weights, "head")
    state["head.0.weight"], state["head.0.bias"] = weights["head_norm.scale"][:, 0], weights["head_norm.offset"][:, 0]
    films = _Rows(weights["film.weight"]), _Rows(weights["film.bias"])
    for number, level in enumerate(_LEVELS):
        for position, block in enumerate(cast("Sequence[Any]", getattr(flow, level))):
            name, stored = f"{level}.{position}", f"levels.{number}.{position}"
            read = _read_block if isinstance(block, FlowBlock) else _read_attention
            state |= {f"{name}.{key}": value for key, value in read(block, stored, weights, films).items()}
    flow.load_state_dict(state)
    return flow


def read_decoder(decoder: Decoder, weights: Mapping[str, Tensor]) -> Decoder:
    """A decoder with the weights of its graph (`fusing.FusedDecoder`); batch normalisation does nothing in it."""
    state = dict(decoder.state_dict())

    def convolution(layer: str, stored: str) -> None:
        state[f"{layer}.weight"], state[f"{layer}.bias"] = (
            weights[f"{stored}.weight"][:, :, 0],
            weights[f"{stored}.bias"],
        )

    for name, module in decoder.named_modules():
        if isinstance(module, torch.nn.BatchNorm1d):
            state[f"{name}.running_var"] = torch.full_like(state[f"{name}.running_var"], 1 - module.eps)
            state[f"{name}.running_mean"] = torch.zeros_like(state[f"{name}.running_mean"])
            state[f"{name}.weight"] = torch.ones_like(state[f"{name}.weight"])
            state[f"{name}.bias"] = torch.zeros_like(state[f"{name}.bias"])
    convolution("coarse.0", "decoder.first")
    for part, first in (("coarse", 3), ("fine", 0)):
        layers = cast("torch.nn.Sequential", getattr(decoder, part))
        for number in range(len(layers) - first - 1):
            for place, half in ((0, "conv1"), (3, "conv2")):
                convolution(f"{part}.{first + number}.body.{place}", f"decoder.{part}.{number}.{half}")
        convolution(f"{part}.{len(layers) - 1}", f"decoder.{part}.{len(layers) - first - 1}")
    for layer in ("noise", "finest.0", "finest.2"):
        convolution(layer, f"decoder.{layer}")
    state |= {f"coarse.2.lstm.{key}": value for key, value in _read_lstm(weights).items()}
    decoder.load_state_dict(state)
    return decoder


def read_rhythm(rhythm: Rhythm, weights: Mapping[str, Tensor]) -> Rhythm:
    """A rhythm model with the weights of its graph (`rhythm_graph`), which adds up biases that are always added."""
    width = rhythm.width
    both = 2 * width
    reset_update, from_input, from_state = weights["fixed_bias"].split([both, width, width])
    recurrent = weights["recurrent"]
    rhythm.load_state_dict(
        {
            "condition.0.weight": weights["inner"].T,
            "condition.0.bias": weights["inner_bias"],
            "condition.2.weight": weights["outer"].T,
            "condition.2.bias": weights["outer_bias"],
            "cell.weight_ih": torch.cat([weights["fixed"][:, : 3 * width], recurrent[width:, : 3 * width]]).T,
            "cell.weight_hh": torch.cat([recurrent[:width, :both], recurrent[:width, both + width :]], dim=1).T,
            "cell.bias_ih": torch.cat([reset_update, from_input]),
            "cell.bias_hh": torch.cat([torch.zeros(both), from_state]),
            "out.weight": torch.cat([weights["out"], weights["out_fixed"]]).T,
            "out.bias": weights["out_bias"],
        }
    )
    return rhythm


class _Rows:
    """Rows of a joined layer, taken one part after another."""

    def __init__(self, weights: Tensor) -> None:
        self.left = weights

    def take(self, count: int) -> Tensor:
        taken, self.left = self.left[:count].clone(), self.left[count:]
        return taken


def _copy(state: dict[str, Tensor], layer: str, weights: Mapping[str, Tensor], stored: str) -> None:
    state[f"{layer}.weight"], state[f"{layer}.bias"] = weights[f"{stored}.weight"], weights[f"{stored}.bias"]


def _read_block(
    block: FlowBlock, stored: str, weights: Mapping[str, Tensor], films: tuple[_Rows, _Rows]
) -> dict[str, Tensor]:
    width = block.conv1.out_channels
    state = {
        "norm1.weight": weights[f"{stored}.norm1.scale"][:, 0],
        "norm1.bias": weights[f"{stored}.norm1.offset"][:, 0],
    }
    for layer in ("conv1", "conv2", *(["skip"] if isinstance(block.skip, torch.nn.Conv1d) else [])):
        _copy(state, layer, weights, f"{stored}.{layer}")
    bias = films[1].take(2 * width)
    bias[:width] -= 1  # the graph's FiLM gives the whole scale
    own = {"film.weight": films[0].take(2 * width), "film.bias": bias}
    return state | own | {"norm2.weight": torch.ones(width), "norm2.bias": torch.zeros(width)}


def _read_attention(
    attention: Attention, stored: str, weights: Mapping[str, Tensor], _: tuple[_Rows, _Rows]
) -> dict[str, Tensor]:
    width = attention.out.in_features
    scale = torch.ones(3 * width)
    scale[:width] = (width // attention.heads) ** 0.5  # the graph's queries are scaled
    return {
        "norm.weight": torch.ones(width),
        "norm.bias": torch.zeros(width),
        "qkv.weight": weights[f"{stored}.qkv.weight"][:, :, 0] * scale[:, None],
        "qkv.bias": weights[f"{stored}.qkv.bias"] * scale,
        "out.weight": weights[f"{stored}.out.weight"][:, :, 0],
        "out.bias": weights[f"{stored}.out.bias"],
    }


def _read_lstm(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """ONNX has the gates in the order input, output, forget, cell; PyTorch input, forget, cell, output."""
    state = {}
    for direction, suffix in enumerate(("", "_reverse")):
        biases = weights["lstm.2"][direction].chunk(2)
        for name, value in (
            ("weight_ih", weights["lstm.0"][direction]),
            ("weight_hh", weights["lstm.1"][direction]),
            ("bias_ih", biases[0]),
            ("bias_hh", biases[1]),
        ):
            i, o, f, c = value.chunk(4)
            state[f"{name}_l0{suffix}"] = torch.cat([i, f, c, o])
    return state
