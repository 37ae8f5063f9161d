"""One share of the inputs for one decoder, fed in a process of its own."""

import random
import resource
import traceback

from tests.fuzz.decoders import DECODERS

GROWTH_MB = 100  # of a process that fed a share of the inputs


def feed_share(name: str, seed: int, inputs: int) -> tuple[str, int, str | None]:
    """Feed one decoder from one seed: its name, how many inputs, and what went wrong."""
    make, each, _ = DECODERS[name]
    chance = random.Random(f"{name} {seed}")
    fed = 0
    try:
        feed = make()
        feed(chance)
        fed += each
        before_mb = _most_mb()
        while fed < inputs:
            feed(chance)
            fed += each
        grown = _most_mb() - before_mb
        assert grown < GROWTH_MB, f"memory grew by {grown:.0f} MB"
    except Exception:
        return name, fed, f"seed {seed}, after {fed} inputs:\n{traceback.format_exc()}"
    return name, fed, None


def _most_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000


def shares(names: list[str], inputs: int, seed: int) -> list[tuple[str, int, int]]:
    """Which decoder gets how many inputs from which seed, in pieces for the cores."""
    weights = {name: DECODERS[name][1] * DECODERS[name][2] for name in names}
    pieces = max(1, min(8, inputs // 5_000))
    return [
        (name, seed * 1_000 + piece, max(1, inputs * weight // sum(weights.values()) // pieces))
        for piece in range(pieces)
        for name, weight in weights.items()
    ]
