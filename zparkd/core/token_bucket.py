"""How often something may happen: a bucket of tokens that fills with time, one taken each time.

No clock is known here: the time comes in, in ms of a clock that only runs.
"""

from dataclasses import dataclass


@dataclass(slots=True)
class TokenBucket:
    """The tokens that were there at `at_ms`; below 0 where more was taken than there was."""

    tokens: float
    at_ms: int

    def fill(self, at_ms: int, per_s: float, most: float) -> float:
        """The tokens that are there now: `per_s` more a second, up to `most`."""
        earned = per_s * (at_ms - self.at_ms) / 1000
        self.tokens = min(most, self.tokens + earned)
        self.at_ms = at_ms
        return self.tokens

    def take(self, tokens: float = 1.0) -> None:
        """Take out as many; fewer than 0 puts back."""
        self.tokens -= tokens
