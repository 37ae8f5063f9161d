"""The line of an invitation: what goes in comes out, and nothing else does."""

import string

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from zparkd.core.members.roster_words import Role
from zparkd.core.members.token import BadToken, Token, decode, encode
from zparkd.core.site import CENTRAL_ID, EDGE_ID

CENTRALS = st.from_regex(CENTRAL_ID, fullmatch=True)
EDGES = st.from_regex(EDGE_ID, fullmatch=True)
HOSTS = st.ip_addresses().map(str) | st.just("central-1.lot-a.example")
KEYS = st.binary(min_size=32, max_size=32)


def tokens() -> st.SearchStrategy[Token]:
    def of(role: Role) -> st.SearchStrategy[Token]:
        return st.builds(
            Token,
            role=st.just(role),
            member=CENTRALS if role is Role.CENTRAL else EDGES,
            number=st.integers(1, 2**53 - 1),
            site=st.text(string.ascii_lowercase + "-", min_size=1, max_size=32),
            inviter=CENTRALS,
            addresses=st.lists(HOSTS, min_size=1, max_size=8).map(tuple),
            port=st.integers(1, 65535),
            inviter_key=KEYS,
            secret=KEYS,
        )

    return st.sampled_from(Role).flatmap(of)


TOKEN = Token(
    Role.CENTRAL, "central-2", 1, "lot-a", "central-1", ("10.0.0.1",), 9001, bytes(32), b"s" * 32
)


@given(token=tokens())
def test_what_is_written_is_read_again(token: Token) -> None:
    line = encode(token)
    assert decode(line) == token
    assert decode(f"  {line}\n") == token
    assert not set(line) - set(string.ascii_letters + string.digits + "-_.")


@given(token=tokens(), at=st.integers(0, 5_000), char=st.sampled_from(string.printable))
def test_a_line_with_one_other_character_is_no_token(token: Token, at: int, char: str) -> None:
    line = encode(token)
    at %= len(line)
    altered = line[:at] + char + line[at + 1 :]
    if altered.strip() == line:
        return
    with pytest.raises(BadToken):
        decode(altered)


@given(token=tokens(), cut=st.integers(1, 5_000))
def test_a_line_that_was_cut_short_is_no_token(token: Token, cut: int) -> None:
    line = encode(token)
    with pytest.raises(BadToken):
        decode(line[: len(line) - 1 - cut % (len(line) - 1)])


@given(text=st.text() | st.text(string.ascii_letters + "-_").map("zparkd1.".__add__))
@example("zparkd1.")
@example("zparkd1." + "A" * 3_000)
def test_any_other_text_is_no_token(text: str) -> None:
    with pytest.raises(BadToken):
        decode(text)


def test_the_one_time_secret_is_in_no_print_of_a_token() -> None:
    assert "ssss" not in f"{TOKEN} {TOKEN!r}"
