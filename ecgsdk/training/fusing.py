"""The networks in the form in which they are exported: the same functions in fewer and faster operations.

Lengths are fixed numbers, so that a graph holds no arithmetic on shapes; what can be folded into weights is:

- normalisation's scale and offset into the linear layer behind it: FiLM's, or attention's queries, keys and values;
- attention's 1 / √width of a head (Vaswani et al. 2017, arXiv 1706.03762) into the queries;
- batch normalisation into the convolution before it.

All FiLM layers are one matrix product. Attention keeps channels before time, which saves its transpositions. The
decoder's convolutions have a second axis of length 1: ONNX Runtime has its blocked layout, in which sums and
convolutions are one operation, for images only.
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.fusion import fuse_conv_bn_eval

from ecgsdk.training.cut import CutDecoder
from ecgsdk.training.frames import filtered, framed, unframed
from ecgsdk.training.judge import Judge
from ecgsdk.training.networks import Attention, Decoder, Flow, FlowBlock, fourier_features

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["FusedDecoder", "FusedFlow", "fused"]


def fused(network: nn.Module, tokens: int) -> nn.Module | None:
    """The form of a flow or a decoder for latents of so many time steps, or of a judge; none for other networks."""
    if isinstance(network, Flow):
        return FusedFlow(network, tokens).eval()
    if isinstance(network, Judge):
        return _without_normalisation(network)
    if isinstance(network, CutDecoder):
        return CutDecoder(FusedDecoder(cast("Decoder", network.decoder), tokens), network.cut, network.floor).eval()
    return FusedDecoder(network, tokens).eval() if isinstance(network, Decoder) else None


class FusedFlow(nn.Module):
    """A flow for latents of a fixed number of time steps."""

    def __init__(self, flow: Flow, tokens: int) -> None:
        super().__init__()
        self.time, self.condition, self.stem = flow.time, flow.condition, flow.stem
        self.halves = nn.ModuleList([flow.half0, flow.half1])
        self.twices = nn.ModuleList([flow.twice1, flow.twice0])
        norm: Any = flow.head[0]
        self.head_norm, self.head = _Norm(norm), flow.head[2]
        self.lengths = (tokens, -(-tokens // 2), -(-tokens // 4))
        levels = (flow.down0, flow.down1, flow.middle, flow.up1, flow.up0)
        lengths = (*self.lengths, *self.lengths[1::-1])
        fused_levels = [_level(blocks, length) for blocks, length in zip(levels, lengths)]
        self.levels: Any = nn.ModuleList(fused_levels)
        films = [block for level in fused_levels for block in level if isinstance(block, _FusedBlock)]
        self.film = _joined([block.film for block in films])
        self.widths = [width for block in films for width in (block.width, block.width)]

    def forward(self, latents: Tensor, time: Tensor, condition: Tensor, beats: Tensor) -> Tensor:
        c = F.silu(self.time(fourier_features(time)) + self.condition(condition))
        film = iter(self.film(c)[:, :, None].split(self.widths, dim=1))
        down0, down1, middle, up1, up0 = self.levels
        x0 = _run(down0, self.stem(torch.cat([latents, beats], dim=1)), film)
        x1 = _run(down1, self.halves[0](x0), film)
        x2 = _run(middle, self.halves[1](x1), film)
        up = _unfolded(self.twices[0](x2), 2, self.lengths[2])[:, :, : self.lengths[1]]
        up = _run(up1, torch.cat([up, x1], dim=1), film)
        up = _unfolded(self.twices[1](up), 2, self.lengths[1])[:, :, : self.lengths[0]]
        x = _run(up0, torch.cat([up, x0], dim=1), film)
        return self.head(F.silu(self.head_norm(x, self.lengths[0])))


class _Norm(nn.Module):
    """Group normalisation; with `affine` off, its scale and offset are left to the layer behind it."""

    ones: Tensor
    zeros: Tensor

    def __init__(self, norm: nn.GroupNorm, *, affine: bool = True) -> None:
        super().__init__()
        self.groups, self.channels, self.epsilon = norm.num_groups, norm.num_channels, norm.eps
        self.affine = affine
        # The exporter does without them only where it knows the number of groups.
        self.register_buffer("ones", torch.ones(self.groups))
        self.register_buffer("zeros", torch.zeros(self.groups))
        if affine:
            self.scale = nn.Parameter(norm.weight.detach()[:, None].clone())
            self.offset = nn.Parameter(norm.bias.detach()[:, None].clone())

    def forward(self, x: Tensor, time: int) -> Tensor:
        groups = x.reshape(-1, self.groups, self.channels // self.groups * time)
        x = F.instance_norm(groups, weight=self.ones, bias=self.zeros, eps=self.epsilon)
        x = x.reshape(-1, self.channels, time)
        return x * self.scale + self.offset if self.affine else x


class _FusedBlock(nn.Module):
    """A `FlowBlock`; `film` gives the whole scale and shift of what is normalised."""

    def __init__(self, block: FlowBlock, time: int) -> None:
        super().__init__()
        self.time, self.width = time, block.conv1.out_channels
        self.norm1, self.norm2 = _Norm(block.norm1), _Norm(block.norm2, affine=False)
        self.conv1, self.conv2, self.skip = block.conv1, block.conv2, block.skip
        self.film = _with_affine(block.film, block.norm2)

    def forward(self, x: Tensor, scale: Tensor, shift: Tensor) -> Tensor:
        h = self.conv1(F.silu(self.norm1(x, self.time)))
        h = F.silu(self.norm2(h, self.time) * scale + shift)
        return self.skip(x) + self.conv2(h)


class _FusedAttention(nn.Module):
    """An `Attention`: (channels × time) throughout, linear layers as convolutions of one step."""

    def __init__(self, attention: Attention, time: int) -> None:
        super().__init__()
        self.time, self.heads = time, attention.heads
        self.width = attention.out.in_features
        self.norm = _Norm(attention.norm, affine=False)
        self.qkv = _queries_keys_values(attention)
        self.out = _pointwise(attention.out.weight, attention.out.bias)

    def forward(self, x: Tensor) -> Tensor:
        shape = (-1, self.heads, self.width // self.heads, self.time)
        q, k, v = (part.reshape(shape) for part in self.qkv(self.norm(x, self.time)).split(self.width, dim=1))
        weights = (q.transpose(2, 3) @ k).softmax(dim=-1)
        mixed = (v @ weights.transpose(2, 3)).reshape(-1, self.width, self.time)
        return x + self.out(mixed)


class FusedDecoder(nn.Module):
    """A decoder for latents of a fixed number of time steps."""

    last: Tensor

    def __init__(self, decoder: Decoder, tokens: int) -> None:
        super().__init__()
        self.tokens = tokens
        blocks: list[Any]
        first: Any
        last: Any
        first, activation, lstm, *blocks, last = decoder.coarse
        self.first, self.activation, self.lstm = _image(first), activation, lstm
        self.coarse = nn.Sequential(*map(_FusedConvBlock, blocks), _image(last))
        self.noise = _image(decoder.noise)
        *blocks, last = decoder.fine
        self.fine = nn.Sequential(*map(_FusedConvBlock, blocks), _image(last))
        self.finest = nn.Sequential(
            *[_image(layer) if isinstance(layer, nn.Conv1d) else layer for layer in decoder.finest]
        )
        self.register_buffer("last", framed(cast("Any", decoder.last).taps[0]))

    def forward(self, latents: Tensor, noise: Tensor) -> Tensor:
        x = self.activation(self.first(latents[:, :, None])).squeeze(2)
        x = self.coarse(self.lstm(x)[:, :, None])
        x = _unfolded(x, 2, self.tokens)[:, :, None] + self.noise(noise[:, :, None])
        x = self.finest(_unfolded(self.fine(x), 4, 2 * self.tokens)[:, :, None]).squeeze(2)
        return unframed(filtered(x, self.last))


class _FusedConvBlock(nn.Module):
    """A `ConvBlock` of images one step high."""

    def __init__(self, block: Any) -> None:
        super().__init__()
        conv1, norm1, _, conv2, norm2 = block.body
        self.conv1 = _image(fuse_conv_bn_eval(conv1, norm1))
        self.conv2 = _image(fuse_conv_bn_eval(conv2, norm2))

    def forward(self, x: Tensor) -> Tensor:
        return F.silu(x + self.conv2(F.silu(self.conv1(x))))


def _without_normalisation(judge: Judge) -> nn.Module:
    """A copy in which the blocks' convolutions hold the normalisation behind them."""
    judge = copy.deepcopy(judge).eval()
    for level in judge.reader.levels:
        body = cast("Any", level)[2].body
        for place in (0, 3):
            body[place], body[place + 1] = fuse_conv_bn_eval(body[place], body[place + 1]), nn.Identity()
    return judge


def _level(blocks: Any, time: int) -> nn.ModuleList:
    return nn.ModuleList(
        [_FusedBlock(b, time) if isinstance(b, FlowBlock) else _FusedAttention(b, time) for b in blocks]
    )


def _run(blocks: nn.ModuleList, x: Tensor, film: Iterator[Tensor]) -> Tensor:
    for block in blocks:
        x = block(x, next(film), next(film)) if isinstance(block, _FusedBlock) else block(x)
    return x


def _unfolded(x: Tensor, factor: int, time: int) -> Tensor:
    """`networks.unfold_time` for signals of `time` steps, with or without an axis of length 1 before time."""
    channels = x.shape[1]
    return (
        x.reshape(-1, channels // factor, factor, time).transpose(2, 3).reshape(-1, channels // factor, time * factor)
    )


def _with_affine(film: nn.Linear, norm: nn.GroupNorm) -> nn.Linear:
    """The layer that gives scale and shift s', t' with (x · g + b)(1 + s) + t = x · s' + t'."""
    scale, shift = film.weight.detach().chunk(2)
    scale_bias, shift_bias = film.bias.detach().chunk(2)
    g, b = norm.weight.detach(), norm.bias.detach()
    weight = torch.cat([g[:, None] * scale, b[:, None] * scale + shift])
    return _linear(weight, torch.cat([g * (1 + scale_bias), b * (1 + scale_bias) + shift_bias]))


def _queries_keys_values(attention: Attention) -> nn.Conv1d:
    """The layer behind the normalisation, which takes over its scale and offset; queries are scaled."""
    weight, bias = attention.qkv.weight.detach(), attention.qkv.bias.detach()
    width = attention.out.in_features
    scale = torch.ones(3 * width)
    scale[:width] = (width // attention.heads) ** -0.5
    norm = attention.norm
    bias = (bias + weight @ norm.bias.detach()) * scale
    return _pointwise(weight * norm.weight.detach() * scale[:, None], bias)


def _joined(layers: Sequence[nn.Linear]) -> nn.Linear:
    """One layer whose outputs are those of all, one after another."""
    return _linear(
        torch.cat([layer.weight.detach() for layer in layers]), torch.cat([layer.bias.detach() for layer in layers])
    )


def _linear(weight: Tensor, bias: Tensor) -> nn.Linear:
    layer = nn.Linear(weight.shape[1], weight.shape[0])
    layer.weight, layer.bias = nn.Parameter(weight), nn.Parameter(bias)
    return layer


def _pointwise(weight: Tensor, bias: Tensor) -> nn.Conv1d:
    layer = nn.Conv1d(weight.shape[1], weight.shape[0], 1)
    layer.weight, layer.bias = nn.Parameter(weight.detach()[:, :, None]), nn.Parameter(bias.detach())
    return layer


def _image(conv: nn.Conv1d) -> nn.Conv2d:
    """The same convolution of images one step high."""
    (kernel,), padding = conv.kernel_size, int(conv.padding[0])
    layer = nn.Conv2d(conv.in_channels, conv.out_channels, (1, kernel), padding=(0, padding))
    layer.weight = nn.Parameter(conv.weight.detach()[:, :, None])
    layer.bias = None if conv.bias is None else nn.Parameter(conv.bias.detach())
    return layer
