"""The flow: from noise to latents along a velocity that a network gives."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ecgsdk.binding import run_into

if TYPE_CHECKING:
    from collections.abc import Callable

    from ecgsdk.runtime import Session

    Velocity = Callable[[np.ndarray, float], np.ndarray]

__all__ = ["guided", "integrate"]

_TIME_POWER = 1.5


def integrate(velocity: Velocity, start: np.ndarray, steps: int) -> np.ndarray:
    """Follows a velocity field from time 0 to 1 by the two-step Adams–Bashforth method with variable steps.

    The first step is Euler's; the method takes one evaluation a step like Euler's, with an error of second order
    (Hairer, Nørsett, Wanner 1993, Solving Ordinary Differential Equations I, III.5). Times are (k / steps) ** 1.5:
    the field bends most near the noise. With even steps the slow parts of an ECG come out too small, its baseline
    wander by half.

    Args:
        velocity: (state, time) → velocity; state float32 of any shape, time a float.
        start: the state at time 0.
        steps: number of evaluations, at least 1.
    """
    times = (np.arange(steps + 1) / steps) ** _TIME_POWER
    state, before = start, None
    for k, step in enumerate(np.diff(times)):
        now = velocity(state, float(times[k]))
        slope = now if before is None else now + np.float32(0.5 * step / (times[k] - times[k - 1])) * (now - before)
        state = state + np.float32(step) * slope
        before = now
    return state


def guided(session: Session, condition: np.ndarray, beats: np.ndarray, guidance: float) -> Velocity:
    """Velocity under classifier-free guidance (Ho and Salimans 2022, arXiv 2207.12598).

    Args:
        session: the flow's graph: latents, time, condition, beats → velocity.
        condition: condition vectors, shape (n, columns).
        beats: channels of `ecgsdk.encoding.encode_beats`, shape (n, 4, tokens).
        guidance: weight of the condition; 1 is none. Without condition means without statements, heart rate, age, sex
            and beat times, as in training.
    """
    nothing = np.zeros_like(condition), np.zeros_like(beats)

    def run(state: np.ndarray, time: float, condition: np.ndarray, beats: np.ndarray) -> np.ndarray:
        times = np.full(len(state), time, dtype=np.float32)
        given = {"latents": state, "time": times, "condition": condition, "beats": beats}
        return run_into(session, given, np.empty_like(state))

    def velocity(state: np.ndarray, time: float) -> np.ndarray:
        conditional = run(state, time, condition, beats)
        if guidance == 1:
            return conditional
        free = run(state, time, *nothing)
        return free + np.float32(guidance) * (conditional - free)

    return velocity
