"""What is exported gives what the networks give: the fused forms, and the rhythm model's one graph."""

from __future__ import annotations

import copy
import math

import numpy as np
import pytest

from ecgsdk.errors import TrainingError
from ecgsdk.runtime import open_session

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.torch
torch.set_num_threads(1)  # the networks here are tiny: threads would only wait for each other

from ecgsdk.training.cut import Cut, CutDecoder  # noqa: E402
from ecgsdk.training.fusing import fused  # noqa: E402
from ecgsdk.training.graphs import export_graph  # noqa: E402
from ecgsdk.training.networks import TOKEN, Decoder, Encoder, Flow, Rhythm  # noqa: E402
from ecgsdk.training.noise_floor import NoiseFloor  # noqa: E402
from ecgsdk.training.rhythm import negative_log_likelihood  # noqa: E402
from ecgsdk.training.rhythm_graph import DrawnIntervals, export_rhythm  # noqa: E402


def trained(network):
    """The network with all its weights and running statistics at random, none of them zero or one."""
    with torch.no_grad():
        for name, values in [*network.named_parameters(), *network.named_buffers()]:
            if values.is_floating_point():
                values.copy_(torch.rand_like(values) + 0.5 if "var" in name else 0.3 * torch.randn_like(values))
    return network.eval()


def standard_deviations(found, expected):
    return float((found - expected).abs().max() / expected.std())


@pytest.mark.parametrize(
    ("widths", "tokens", "depth"), [((16, 16, 16), 125, 2), ((16, 32, 48), 33, 1), ((8, 24, 40), 4, 3)]
)
def test_the_fused_flow_is_the_flow(widths, tokens, depth):
    torch.manual_seed(1)
    flow = trained(Flow(widths, latent_channels=4, condition=7, beat_channels=2, dropout=0.1, depth=depth))
    inputs = torch.randn(3, 4, tokens), torch.rand(3), torch.randn(3, 7), torch.randn(3, 2, tokens)
    with torch.no_grad():
        assert standard_deviations(fused(flow, tokens)(*inputs), flow(*inputs)) < 1e-4


@pytest.mark.parametrize("blocks", [1, 2])
def test_the_fused_decoder_is_the_decoder(blocks):
    torch.manual_seed(2)
    decoder = trained(Decoder((8, 16), latent_channels=4, blocks=blocks, noise_channels=3))
    inputs = torch.randn(3, 4, 25), torch.randn(3, 3, 50)
    with torch.no_grad():
        assert standard_deviations(fused(decoder, 25)(*inputs), decoder(*inputs)) < 1e-5


def test_the_fused_decoder_is_changed_and_cut_as_the_decoder_is():
    torch.manual_seed(2)
    decoder = CutDecoder(
        trained(Decoder((8, 16), latent_channels=4, blocks=1, noise_channels=3)),
        trained(Cut(24 * TOKEN)),
        NoiseFloor(24 * TOKEN),
    )
    decoder.floor.recorded += 0.5
    inputs = torch.randn(3, 4, 25), torch.randn(3, 3, 50), torch.tensor([0, 3, 7])
    with torch.no_grad():
        assert standard_deviations(fused(decoder, 25)(*inputs), decoder(*inputs)) < 1e-5


def test_a_cut_begins_where_it_is_told_and_changes_the_ends_alone():
    signals = torch.arange(1008.0).repeat(2, 8, 1)
    cut = Cut(1000)
    assert cut(signals, torch.tensor([0, 7]))[:, 3, [0, 999]].tolist() == [[0, 999], [7, 1006]]
    changed = trained(cut)(signals, torch.tensor([0, 7]))
    kept = slice(Cut.ENDS, 1000 - Cut.ENDS)
    assert changed[1, 0, kept].tolist() == signals[0, 0, 7:][kept].tolist()
    assert (changed[..., : Cut.ENDS] != signals[..., : Cut.ENDS]).any()


def test_other_networks_have_no_fused_form():
    assert fused(Encoder((8, 16), 4), 25) is None


def test_a_form_that_differs_is_refused():
    network, other = torch.nn.Linear(3, 2), torch.nn.Linear(3, 2)
    with pytest.raises(TrainingError, match="the flow network's form for export differs by"):
        export_graph("flow", network, [{"x": torch.randn(4, 3)}], ["y"], form=other)


@pytest.fixture(scope="module")
def rhythm():
    torch.manual_seed(3)
    return trained(Rhythm(condition=6, width=8, mixtures=3))


def drawn(records, intervals):
    random = np.random.default_rng(records)
    return {
        "condition": random.standard_normal((records, 6)).astype(np.float32),
        "uniform": random.random((intervals, records)).astype(np.float32),
        "normal": random.standard_normal((intervals, records)).astype(np.float32),
    }


def test_the_rhythm_graph_draws_what_pytorch_draws_step_by_step(rhythm):
    session = open_session(export_rhythm(rhythm), device="cpu")
    for records, intervals in ((1, 1), (1, 20), (5, 48), (64, 9)):
        feed = drawn(records, intervals)
        with torch.no_grad():
            expected = DrawnIntervals(rhythm)(*map(torch.from_numpy, feed.values())).numpy()
        found = session.run(None, feed)[0]
        assert found.shape == (intervals, records)
        np.testing.assert_allclose(found, expected, atol=2e-5)


def test_intervals_are_drawn_in_units_of_the_variation_that_is_asked_for(rhythm):
    network = copy.deepcopy(rhythm).requires_grad_(False)
    network.condition[0].weight[:, -1] = 0  # so that the variation is a unit and nothing else
    feed = [torch.from_numpy(values) for values in drawn(50, 20).values()]
    feed[0][:, -1] = -1.5
    wider = [feed[0].clone(), *feed[1:]]
    wider[0][:, -1] += math.log(2)
    small, large = DrawnIntervals(network)(*feed), DrawnIntervals(network)(*wider)
    inside = large.abs() < 1.19
    assert inside.float().mean() > 0.9
    assert torch.allclose(large[inside], 2 * small[inside], atol=1e-5)
    values = small.T.clone()
    values[0, 7:] = torch.nan
    likelihoods = [negative_log_likelihood(network, *given) for given in ((feed[0], values), (wider[0], 2 * values))]
    assert float(likelihoods[1] - likelihoods[0]) == pytest.approx(math.log(2), abs=1e-4)


def test_a_record_is_drawn_alike_whatever_stands_beside_it(rhythm):
    session = open_session(export_rhythm(rhythm), device="cpu")
    feed = drawn(9, 30)
    together = session.run(None, feed)[0]
    numbers = {name: feed[name][:12, 4:5] for name in ("uniform", "normal")}
    alone = session.run(None, {"condition": feed["condition"][4:5], **numbers})[0]
    np.testing.assert_allclose(alone[:, 0], together[:12, 4], atol=1e-6)


def test_the_last_component_is_drawn_by_a_number_that_rounds_to_one(rhythm):
    session = open_session(export_rhythm(rhythm), device="cpu")
    feed = drawn(4, 3) | {"uniform": np.ones((3, 4), np.float32)}
    assert np.isfinite(session.run(None, feed)[0]).all()
