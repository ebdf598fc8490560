"""Generator: conditions and a seed in, ECG batches out, in bounded memory."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from ecgsdk.accompanying import Accompaniment
from ecgsdk.batch import ECGBatch, Provenance
from ecgsdk.binding import run_into, run_kept
from ecgsdk.cards import MOST_CANDIDATES
from ecgsdk.drawing import RandomStreams, Stream, draw_condition, draw_rr_variation, lots, noise, offsets
from ecgsdk.encoding import encode_beats, encode_conditions, encode_variation
from ecgsdk.errors import ConditionError, ModelError, PluginError
from ecgsdk.flow import guided, integrate
from ecgsdk.leads import INDEPENDENT_LEADS, LEADS, to_twelve
from ecgsdk.models import find_model
from ecgsdk.rhythm import MOST_BEATS, draw_beats, open_rhythm
from ecgsdk.runtime import open_session, session_device
from ecgsdk.upsampling import Upsampling
from ecgsdk.usual_beats import TRAINS, beats_given
from ecgsdk.workers import Workers, in_parts, in_turn

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from ecgsdk.cards import Card
    from ecgsdk.cohort import Cohort
    from ecgsdk.conditions import Condition
    from ecgsdk.hookspecs import ECGGenerator
    from ecgsdk.models import Model
    from ecgsdk.plugins import Registration
    from ecgsdk.runtime import DeviceArray, Session
    from ecgsdk.workers import Begun

__all__ = ["MOST_RECORDS", "Generator", "load_generator"]

MOST_RECORDS = 10**9
"""Records that one call makes at most."""


def load_generator(
    model: str | Path | None = None, *, device: str = "auto", threads: int | None = None
) -> ECGGenerator:
    """The generator of an installed model, of a model folder or of a plugin, looked for in this order.

    Args:
        model: a name that `list_models` knows, a folder, or a name that a plugin registers; default: the shipped model.
        device: "auto", "cpu" or "cuda".
        threads: default: one for each core that the process may use.

    Returns:
        A `Generator`, or what the plugin makes.

    Raises:
        ModelError: unknown, damaged or foreign model.
        RuntimeSetupError: no ONNX Runtime, or the device is not there.
        PluginError: the plugin fails, or is told a device or threads, which it chooses itself.
    """
    try:
        found = find_model(model)
    except ModelError as error:
        if model is None or os.path.lexists(model):
            raise
        return _plugin_generator(str(model), error, told=device != "auto" or threads is not None)
    return Generator(found, device=device, threads=threads)


def _plugin_generator(name: str, unknown: ModelError, *, told: bool) -> ECGGenerator:
    from ecgsdk.plugins import installed_plugins

    plugins = installed_plugins()
    generators = plugins.generators()
    if name not in generators:
        others = f", nor a plugin's generator ({', '.join(generators)})" if generators else ""
        raise ModelError(f"{unknown}{others}") from None
    if told:
        raise PluginError(f"{name} is a plugin's generator and chooses device and threads itself; leave them out")
    return _PluginGenerator(generators[name], plugins.make(generators[name]))


class _PluginGenerator:
    """A plugin's generator as it is, but that failures to generate name the plugin."""

    def __init__(self, registration: Registration, made: ECGGenerator) -> None:
        self._registration = registration
        self._made = made
        self.name = made.name
        self.statements = made.statements
        self.sampling_rates = made.sampling_rates
        self.provenance = made.provenance

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        return getattr(self._made, name)

    def generate(self, cohort: Cohort, n: int, **options: Any) -> Iterator[ECGBatch]:
        with self._registration.blamed("cannot generate"):
            batches = iter(self._made.generate(cohort, n, **options))
        return self._each(batches)

    def _each(self, batches: Iterator[ECGBatch]) -> Iterator[ECGBatch]:
        with self._registration.blamed("cannot generate"):
            yield from batches


class Generator:
    """Makes ECGs with one model. Its sessions are opened once and serve all calls."""

    def __init__(self, model: Model, *, device: str = "auto", threads: int | None = None) -> None:
        self.model = model
        self._asked_device = device
        self._decoder = open_session(model.graph("decoder"), device=device)
        self._rhythm = open_rhythm(model)
        self.integrate = integrate
        self._workers = Workers(self.device, threads)

    @property
    def card(self) -> Card:
        """The model's card."""
        return self.model.card

    @property
    def name(self) -> str:
        """The model's name."""
        return self.card.name

    @property
    def statements(self) -> tuple[str, ...]:
        """SCP-ECG codes that can be asked for."""
        return self.card.statements

    @property
    def sampling_rates(self) -> tuple[float, ...]:
        """Hz, the default first."""
        return self.card.sampling_rates

    @cached_property
    def device(self) -> str:
        """Where the model really runs: "cpu" or "cuda"."""
        return session_device(self._decoder)

    @property
    def accompanies(self) -> bool:
        """Whether the model knows which statements occur together, so that `generate` takes `accompanied`."""
        return self.card.accompanying is not None

    @cached_property
    def _accompaniment(self) -> Accompaniment:
        return Accompaniment.from_table(self.card.statements, self.card.accompanying or {})

    @cached_property
    def _flow(self) -> Session:
        return open_session(self.model.graph("flow"), device=self._asked_device)

    @cached_property
    def _distilled(self) -> Session:
        return open_session(self.model.graph("distilled"), device=self._asked_device)

    @cached_property
    def _refiner(self) -> Session | None:
        """Changes beats, levels and baselines, in models that have one.

        Raises:
            ModelError: it takes other inputs than `beats_given` gives, as earlier exports did.
        """
        if "refiner" not in self.card.graphs:
            return None
        session = open_session(self.model.graph("refiner"), device=self._asked_device)
        shapes = {given.name: given.shape for given in session.get_inputs()}
        if "trains" not in shapes or shapes["trains"][1] != TRAINS:
            raise ModelError(
                f"{self.model.folder}: the refiner is of another version of ecgsdk; train and export it again"
            )
        return session

    @cached_property
    def _judge(self) -> Session:
        """Says how much likelier an ECG is recorded than made."""
        return open_session(self.model.graph("judge"), device=self._asked_device)

    @cached_property
    def _upsampling(self) -> Upsampling:
        graph = self.model.graph("upsampler")
        return Upsampling(graph, given_rate=self.card.decoder_rate, device=self._asked_device)

    def _flow_for(self, steps: int) -> Session:
        """The network that takes so many steps."""
        return self._distilled if steps == 1 and "distilled" in self.card.graphs else self._flow

    def provenance(
        self,
        *,
        seed: int,
        steps: int | None = None,
        guidance: float | None = None,
        accompanied: bool = False,
        candidates: int = 1,
    ) -> Provenance:
        """What is written beside the ECGs that `generate` makes with the same arguments."""
        from ecgsdk import __version__

        guidance = self.card.guidance if guidance is None else guidance
        return Provenance(
            model=self.card.name,
            model_sha256=self.model.sha256,
            version=__version__,
            seed=seed,
            steps=steps or (self.card.steps if guidance == self.card.guidance else self.card.most_steps),
            guidance=guidance,
            accompanied=accompanied,
            candidates=candidates if candidates > 1 else None,
        )

    def generate(
        self,
        cohort: Cohort,
        n: int,
        *,
        seed: int = 0,
        start: int = 0,
        sampling_rate: float | None = None,
        steps: int | None = None,
        guidance: float | None = None,
        accompanied: bool = False,
        candidates: int = 1,
        batch_size: int | None = None,
    ) -> Iterator[ECGBatch]:
        """ECGs of records `start` to `start + n − 1` of a cohort, in order.

        Record i is a function of model, seed, its condition, steps, guidance and candidates alone: not of n, start or
        batch size. The conditions of the batches, asked for without `accompanied`, give the same ECGs again.

        Args:
            cohort: what each record is asked to show.
            n: number of records.
            seed: 0 to 2⁶⁴ − 1.
            start: index of the first record.
            sampling_rate: Hz, one of the card's; default: its first.
            steps: flow evaluations; more follow the flow more exactly. One step is taken by the distilled flow, where
                the model has one.
            guidance: weight by which the condition is stressed; 1 is none and costs half as much as any other. The
                distilled flow knows none.
            accompanied: whether a record also carries further statements, drawn as often as they occur with those asked
                for in the training data; where none is asked for, statements are drawn in the mix of the training data.
            candidates: ECGs to make for each record, up to 16, of which one is drawn by how much likelier each is
                recorded than made; several with the card's own steps and guidance only.
            batch_size: records made at a time: a matter of memory and speed; default: what the device does best.

        Yields:
            Batches of up to `batch_size` records: float32 mV, conditions as drawn, provenance.

        Raises:
            ModelError: `accompanied`, and the model's card does not say which statements occur together; or several
                candidates, and the model has no judge.
            ConditionError: a condition or rate that the model has not learned, a number that makes no sense, or more
                records than the cohort has. Raised by the call, before the first batch.
        """
        batch_size = self._workers.batch if batch_size is None else batch_size
        _check_numbers(seed, start, n, batch_size, steps, guidance, candidates)
        cohort.count(start, n)
        for position, condition in enumerate(cohort.conditions):
            try:
                self.card.check(condition)
            except ConditionError as error:
                where = "" if len(cohort.conditions) == 1 else f"condition {position}, counted from 0: "
                raise ConditionError(f"{where}{error}") from None
        if sampling_rate is not None and sampling_rate not in self.card.sampling_rates:
            rates = ", ".join(f"{rate:g}" for rate in self.card.sampling_rates)
            raise ConditionError(f"{self.card.name} makes {rates} Hz, not {sampling_rate:g}; use one of its rates")
        if accompanied and not self.accompanies:
            raise ModelError(
                f"the card of {self.name} does not say which statements occur together; export the model again, or ask "
                "for statements alone"
            )
        provenance = self.provenance(
            seed=seed, steps=steps, guidance=guidance, accompanied=accompanied, candidates=candidates
        )
        if provenance.candidates and "judge" not in self.card.graphs:
            raise ModelError(f"{self.name} has no judge to choose among candidates; ask for one")
        if provenance.candidates and (provenance.steps, provenance.guidance) != (self.card.steps, self.card.guidance):
            raise ConditionError(
                f"the judge of {self.name} knows its own steps and guidance only; leave --steps and --guidance out, or "
                "the high quality"
            )
        if provenance.steps == 1 and provenance.guidance != 1 and "distilled" in self.card.graphs:
            raise ConditionError(
                f"one step of {self.card.name} knows no guidance; leave --steps out, or take {self.card.most_steps}"
            )
        rate = self.card.sampling_rates[0] if sampling_rate is None else float(sampling_rate)
        self._open_sessions(provenance, rate)
        return self._batches(cohort, range(start, start + n), provenance, rate, batch_size)

    def _open_sessions(self, provenance: Provenance, rate: float) -> None:
        """Opens what the call needs: once, not by each of the workers, and upsampler beside flow, which saves time."""
        steps = provenance.steps or 1
        _ = self._refiner, provenance.candidates and self._judge
        if rate == self.card.decoder_rate or "_upsampling" in vars(self):
            self._flow_for(steps)
            return
        with ThreadPoolExecutor(1) as beside:
            opening = beside.submit(lambda: self._upsampling)
            self._flow_for(steps)
            opening.result()

    def _batches(
        self, cohort: Cohort, records: range, provenance: Provenance, rate: float, batch_size: int
    ) -> Iterator[ECGBatch]:
        begun = (
            self._begin(cohort, records[first : first + batch_size], provenance, rate)
            for first in range(0, len(records), batch_size)
        )
        return in_turn(begun, ahead=self._workers.ahead)

    def _begin(self, cohort: Cohort, indices: range, provenance: Provenance, rate: float) -> Begun[ECGBatch]:
        """Draws the conditions of a batch and lets the workers make its signals."""
        conditions = self._conditions([cohort.condition(i) for i in indices], indices, provenance)

        def batch(signals: np.ndarray) -> ECGBatch:
            return ECGBatch(
                signals=signals,
                sampling_rate=rate,
                conditions=tuple(conditions),
                identifiers=tuple(str(i) for i in indices),
                provenance=provenance,
            )

        made = np.empty((len(indices), len(LEADS), round(self.card.seconds * rate)), dtype=np.float32)

        def share_of(share: slice) -> np.ndarray:
            return self._share_of(conditions[share], indices[share], provenance, rate, made[share])

        return self._workers.begin(len(indices), share_of, batch, into=made)

    def _conditions(self, asked: Sequence[Condition], indices: range, provenance: Provenance) -> list[Condition]:
        """What is asked for and what is drawn, record by record."""
        seed = provenance.seed
        if provenance.accompanied:
            streams = RandomStreams(seed, Stream.ACCOMPANYING)
            asked = self._accompaniment.draw(asked, map(streams.of, indices))
        limits = {"heart_rate": self.card.heart_rate, "age": self.card.age}
        streams = RandomStreams(seed, Stream.CONDITION)
        return [draw_condition(c, self.card.histograms, limits, streams.of(i)) for c, i in zip(asked, indices)]

    def _share_of(
        self, conditions: Sequence[Condition], indices: range, provenance: Provenance, rate: float, signals: np.ndarray
    ) -> np.ndarray:
        """Fills the signals of some records, in one thread, and gives them back."""
        candidates = [
            self._inputs(conditions, indices, provenance.seed, number) for number in range(provenance.candidates or 1)
        ]
        most = self._upsampling.most if rate != self.card.decoder_rate else None
        for block in self._workers.blocks(len(indices), most):
            with self._workers.turn:
                inputs = [[each[block] for each in candidate] for candidate in candidates]
                eight = self._eight(inputs, indices[block], provenance, rate)
            for part in in_parts(len(eight)):
                to_twelve(eight[part], out=signals[block][part])
        return signals

    def _inputs(
        self, conditions: Sequence[Condition], indices: range, seed: int, candidate: int
    ) -> Sequence[np.ndarray]:
        """What the networks are given for a candidate of some records."""
        drawn = [self._drawn(conditions[part], indices[part], seed, candidate) for part in in_parts(len(indices))]
        return drawn[0] if len(drawn) == 1 else [np.concatenate(each) for each in zip(*drawn)]

    def _drawn(
        self, conditions: Sequence[Condition], indices: range, seed: int, candidate: int
    ) -> Sequence[np.ndarray]:
        """The same for a part of them.

        Conditions, beats, the flow's and the decoder's noise, the sample from which each is cut, and for a refiner
        where beats are that change.
        """
        card = self.card
        condition = encode_conditions(conditions, card.statements)
        offset = offsets(seed, indices, *(card.cut_from or (0, 0)), candidate)
        beats = self._beats(conditions, condition, indices, seed, candidate)
        later = beats + offset[:, None] / card.decoder_rate
        channels = encode_beats(later, card.latent_shape[1], card.latent_seconds or card.seconds)
        start = noise(seed, indices, Stream.LATENT, card.latent_shape, candidate)
        grain = noise(seed, indices, Stream.DECODER, card.decoder_noise_shape, candidate)
        if self._refiner is None:
            return condition, channels, start, grain, offset
        given = beats_given(beats, condition, card.statements, round(card.seconds * card.decoder_rate))
        return condition, channels, start, grain, offset, *given

    def _eight(
        self, candidates: Sequence[Sequence[np.ndarray]], indices: range, provenance: Provenance, rate: float
    ) -> np.ndarray:
        """Leads I, II and V1–V6 of the records that a session runs at a time."""
        if rate == self.card.decoder_rate:
            return self._chosen(candidates, indices, provenance)
        if len(candidates) == 1:
            made: np.ndarray | DeviceArray = run_kept(*self._last(candidates[0], provenance))
        else:
            made = self._chosen(candidates, indices, provenance)
        return self._upsampling.upsampled(made, provenance.seed, indices, rate)

    def _chosen(self, candidates: Sequence[Sequence[np.ndarray]], indices: range, provenance: Provenance) -> np.ndarray:
        """At the decoder's rate, of each record one of its candidates, drawn by how much likelier it is recorded."""
        shape = len(indices), len(INDEPENDENT_LEADS), round(self.card.seconds * self.card.decoder_rate)
        chosen = run_into(*self._last(candidates[0], provenance), np.empty(shape, dtype=np.float32))
        if len(candidates) == 1:
            return chosen
        drawn = lots(provenance.seed, indices, len(candidates))
        greatest = drawn[:, 0] + self._likelihood(chosen, candidates[0][0])
        for number, inputs in enumerate(candidates[1:], start=1):
            made = run_into(*self._last(inputs, provenance), np.empty(shape, dtype=np.float32))
            value = drawn[:, number] + self._likelihood(made, inputs[0])
            better = value > greatest
            chosen[better], greatest[better] = made[better], value[better]
        return chosen

    def _likelihood(self, signals: np.ndarray, condition: np.ndarray) -> np.ndarray:
        """Logarithm of how much likelier each ECG is recorded than made, (n,)."""
        given = {"signals": signals, "condition": condition}
        return run_into(self._judge, given, np.empty(len(signals), dtype=np.float32))

    def _last(self, inputs: Sequence[np.ndarray], provenance: Provenance) -> tuple[Session, dict[str, Any]]:
        """The session that ends in ECGs at the decoder's rate, and what it is given, after all before it ran."""
        condition, beats, start, grain, offset, *refined = inputs
        steps, guidance = cast("int", provenance.steps), cast("float", provenance.guidance)
        latents = self.integrate(guided(self._flow_for(steps), condition, beats, guidance), start, steps)
        given: dict[str, Any] = {"latents": latents, "noise": grain}
        given |= {"offset": offset} if self.card.cut_from else {}
        if self._refiner is None:
            return self._decoder, given
        signals = run_kept(self._decoder, given)
        return self._refiner, {"signals": signals, "trains": refined[0], "taper": refined[1], "condition": condition}

    def _beats(
        self, conditions: Sequence[Condition], condition: np.ndarray, indices: range, seed: int, candidate: int
    ) -> np.ndarray:
        uniform, normal = np.empty((len(indices), MOST_BEATS + 2)), np.empty((len(indices), MOST_BEATS))
        streams = RandomStreams(seed, Stream.RHYTHM, candidate)
        for row, index in enumerate(indices):
            stream = streams.of(index)
            stream.random(out=uniform[row])
            stream.standard_normal(out=normal[row])
        variation = np.array(
            [draw_rr_variation(c, self.card.histograms, u) for c, u in zip(conditions, uniform[:, -1])]
        )
        inputs = np.concatenate([condition, encode_variation(variation)], axis=1)
        rates = np.array([c.heart_rate for c in conditions], dtype=float)
        return draw_beats(
            lambda feed: self._rhythm.run(None, feed),
            inputs,
            rates,
            variation,
            uniform[:, :-1],
            normal,
            self.card.seconds,
        )


def _check_numbers(
    seed: int,
    start: int,
    n: int,
    batch_size: int,
    steps: int | None,
    guidance: float | None,
    candidates: int,
) -> None:
    for name, value, low, high in (
        ("seed", seed, 0, 2**64 - 1),
        ("start", start, 0, 2**63 - 1),
        ("n", n, 1, MOST_RECORDS),
        ("batch_size", batch_size, 1, MOST_RECORDS),
        ("steps", 1 if steps is None else steps, 1, 10_000),
        ("guidance", 1.0 if guidance is None else guidance, 0, 100),
        ("candidates", candidates, 1, MOST_CANDIDATES),
    ):
        if not low <= value <= high:
            raise ConditionError(f"{name} {value} must lie between {low} and {high}")
