"""The ways in which something can be wrong, each with one meaning.

    Refusal         a "no" to an edge: a value in an answer, see `requests`
    ProtocolError   bytes of a peer that no honest peer sends: dropped and counted
    assert          our own invariant is broken: the batch is undone, its culprit set aside

Faults of configuration and of storage belong to the daemon.
"""


class ProtocolError(Exception):
    """What a peer sent can't be used. The text says what is wrong with it."""


class Forged(ProtocolError):
    """What a peer sent is not from whom it claims: it lies, was lied to, or has somebody's old key.

    Nobody makes that by accident on the way, so it stays in sight of the operator.
    """


class Misconfigured(ProtocolError):
    """Two centrals do not agree who belongs to which site, and where: a person has to mend it."""
