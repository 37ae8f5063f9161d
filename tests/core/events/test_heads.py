"""A vector of heads keeps its digest, whatever moved since it was last asked for."""

from hypothesis import given
from hypothesis import strategies as st

from zparkd.core.events.event import Stream
from zparkd.core.events.heads import HeadVector, digest

STREAMS = st.builds(Stream, st.sampled_from("ab"), st.integers(1, 2))
STEPS = st.lists(st.tuples(STREAMS, st.integers(1, 4), st.sampled_from(["set", "out", "ask"])))


@given(STEPS, STREAMS)
def test_its_digest_is_that_of_the_heads_it_has(
    steps: list[tuple[Stream, int, str]], other: Stream
) -> None:
    vector, plain = HeadVector(), dict[Stream, int]()
    for stream, head, what in steps:
        if what == "set":
            vector[stream] = plain[stream] = head
        elif what == "out":
            vector.discard(stream)
            plain.pop(stream, None)
        else:
            assert vector.digest() == digest(plain, ())
    assert dict(vector) == plain
    assert vector.digest() == digest(plain, ())
    left_out = [other] if other in plain else []
    assert vector.digest(left_out) == digest(plain, left_out)
    assert vector.digest(hidden=HeadVector(plain)) == digest({}, ())
