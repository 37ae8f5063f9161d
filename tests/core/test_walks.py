"""How many files a stranger opens to follow one request of an edge, or one page of a peer.

What is traced is a turn of a real central over a real store, from `Central.step` to the commit. The
rule that it is held to:

- A file is **crossed** where a function of it is called from another file. A method of a value (a
  named tuple, a frozen struct or dataclass, a vector of heads) is no call into a file: whoever
  holds the value reads it.
- **Aside** are the loop, which puts the steps in order and which all return to (`central`,
  `ingress`, `exchange`; outside, `reactor` and `transactions`), and what the rules are given to ask
  and to remember in: the log (all of `storage/`, behind `core/log.py`), the clock, and the state of
  edges. What these call in turn is their own.
- What an empty turn calls too is of the turn, and of no message in it.
- At most 12 files are crossed.
- A file is called by one other file alone: nobody comes to it later from elsewhere.
- What the loop calls, it calls in one go: once the next step has begun, none before it is called
  again.
"""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from types import FrameType
from unittest.mock import patch

import msgspec
import orjson
import pytest

import zparkd
from tests.support.centrals import Driven, meet, success
from zparkd.core.replication import limits
from zparkd.core.turn import FromBus, FromEdge, Incoming, Output, SyncAnswer, SyncRequest

ROOT = Path(zparkd.__file__).parent
MOST_FILES = 12
LOOP = {"core/central.py", "core/gate/ingress.py", "core/replication/exchange.py"}
GIVEN = {"core/clock.py", "core/gate/edge_state.py"}
ONE, TWO = "central-1", "central-2"

Place = tuple[str, str]  # a file, and a function of it


@dataclass(frozen=True)
class Call:
    """A call out of one file into another, and by what chain of such calls it came about."""

    chain: tuple[Place, ...]

    @property
    def caller(self) -> str:
        return self.chain[-2][0]

    @property
    def callee(self) -> str:
        return self.chain[-1][0]


def is_value(owner: object) -> bool:
    """Whether what is read is a value, wherever it was made."""
    if isinstance(owner, msgspec.Struct):
        return bool(type(owner).__struct_config__.frozen)
    params = getattr(owner, "__dataclass_params__", None)
    return isinstance(owner, tuple | dict | Exception) or (params is not None and params.frozen)


def file_of(frame: FrameType) -> str | None:
    """The file of the product that a frame is in, None where it is none."""
    path = Path(frame.f_code.co_filename)
    return path.relative_to(ROOT).as_posix() if path.is_relative_to(ROOT) else None


def is_of_a_value(frame: FrameType) -> bool:
    """Whether a frame is a method of a value, wherever that was made."""
    return "self" in frame.f_code.co_varnames[:1] and is_value(frame.f_locals.get("self"))


class Tracer:
    """Notes all calls from file to file while it is the profile function."""

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self._chain: list[Place] = []
        self._frames: list[bool] = []  # of each frame on the stack, whether it is in the chain
        self._in_value = 0  # how many frames deep

    def __call__(self, frame: FrameType, event: str, _: object) -> None:
        if event == "call":
            self._enter(frame)
        elif event == "return" and self._in_value:
            self._in_value -= 1
        elif event == "return" and self._frames and self._frames.pop():
            self._chain.pop()

    def _enter(self, frame: FrameType) -> None:
        file = file_of(frame)
        if self._in_value or (file is not None and is_of_a_value(frame)):
            self._in_value += 1
            return
        enters = file is not None and (not self._chain or self._chain[-1][0] != file)
        self._frames.append(enters)
        if enters:
            assert file is not None
            self._chain.append((file, frame.f_code.co_name))
            if len(self._chain) > 1:
                self.calls.append(Call(tuple(self._chain)))


@contextmanager
def traced() -> Iterator[list[Call]]:
    """All calls from file to file while it lasts."""
    tracer, before = Tracer(), sys.getprofile()
    sys.setprofile(tracer)
    try:
        yield tracer.calls
    finally:
        sys.setprofile(before)


def is_aside(file: str) -> bool:
    return file in GIVEN or file.startswith("storage/")


def walk_of(driven: Driven, message: Incoming) -> tuple[list[Call], Output]:
    """The calls that a message causes in its turn, and what comes of it."""

    def turn(*batch: Incoming) -> Output:
        output = driven.central.step(driven.now, batch)
        driven.store.commit()
        return output

    with traced() as idle:
        turn()
    with traced() as calls:
        output = turn(message)
    every_turn = {call.chain for call in idle}
    walk = [
        call
        for call in calls
        if call.chain not in every_turn and not any(is_aside(file) for file, _ in call.chain)
    ]
    return walk, output


def files(walk: list[Call]) -> list[str]:
    """The files that are crossed, in the order in which they are come to."""
    return list(dict.fromkeys(call.callee for call in walk if call.callee not in LOOP))


def comes_back(walk: list[Call]) -> list[str]:
    """What is called from elsewhere too, or again after the step that it belongs to."""
    found = []
    for file in files(walk):
        callers = {call.caller for call in walk if call.callee == file}
        if len(callers) > 1:
            found.append(f"{file} is called by {', '.join(sorted(callers))}")
    steps = [call.callee for call in walk if call.caller in LOOP and call.callee not in LOOP]
    stays = [step for step, _ in groupby(steps)]
    return found + [f"{step} is gone back to" for step in set(stays) if stays.count(step) > 1]


def check(walk: list[Call], *on_the_way: str) -> None:
    crossed = files(walk)
    assert comes_back(walk) == []
    assert len(crossed) <= MOST_FILES, crossed
    assert [file for file in crossed if file in on_the_way] == list(on_the_way)


def pair(keyed: bool) -> tuple[Driven, Driven]:
    one, two = (
        Driven(id, peers=[other], key=id if keyed else None)
        for id, other in ((ONE, TWO), (TWO, ONE))
    )
    success(one.open(plate_id="29A00001"))
    meet(one, two)
    return one, two


@pytest.mark.parametrize("keyed", [False, True])
@pytest.mark.parametrize(("plate", "action"), [("29A00002", "ENTRY"), ("29A00001", "EXIT")])
def test_a_request_crosses_few_files_and_goes_back_to_none(
    keyed: bool, plate: str, action: str
) -> None:
    _, two = pair(keyed)
    request = {"type": "BARRIER_OPEN", "edge_id": "edge-1", "plate_id": plate, "request_id": "r"}
    walk, output = walk_of(two, FromEdge((b"",), orjson.dumps(request)))
    ((_, answer),) = output.replies
    assert orjson.loads(answer)["action"] == action
    assert len(output.published) == 1
    gate = [f"core/gate/{name}.py" for name in ("requests", "resolve", "gate", "recording")]
    check(walk, *gate, "core/replication/own_stream.py", "core/gate/responses.py")


@pytest.mark.parametrize("keyed", [False, True])
@pytest.mark.parametrize("more", [False, True])
def test_a_page_crosses_few_files_and_goes_back_to_none(keyed: bool, more: bool) -> None:
    one, two = pair(keyed)
    for number in range(4):
        success(one.open(plate_id=f"51A0000{number}"))
    with patch.object(limits, "PAGE_EVENTS", 3 if more else limits.PAGE_EVENTS):
        page = lost_and_asked_for(one, two)
    walk, output = walk_of(two, page)
    steps = ["wire", "ingest", "peers", "asking", *(["encoding"] if more else [])]
    check(walk, *(f"core/replication/{name}.py" for name in steps))
    assert (two.store.heads == one.store.heads) is not more
    assert [peer_id for peer_id, _ in output.asks] == ([ONE] if more else [])


def lost_and_asked_for(one: Driven, two: Driven) -> SyncAnswer:
    """The page with what one central published and the other one never got."""
    for driven in (one, two):
        driven.wait(2)
    published = [FromBus(ONE, frames) for frames in one.step().published]
    asks = dict(two.step(*published).asks)
    page = one.central.serve(one.now, SyncRequest((b"",), asks[ONE]))
    assert page is not None
    two.wait(0.05)
    return SyncAnswer(ONE, page)


# --- that the check would find it -----------------------------------------------------------------


def call(*chain: str) -> Call:
    return Call(tuple((file, "") for file in chain))


CENTRAL = "core/central.py"


@pytest.mark.parametrize(
    "walk",
    [
        [call(CENTRAL, "a"), call(CENTRAL, "b"), call(CENTRAL, "a")],
        [call(CENTRAL, "a"), call(CENTRAL, "a", "c"), call(CENTRAL, "b"), call(CENTRAL, "b", "c")],
        [call(CENTRAL, "a"), call(CENTRAL, "b"), call(CENTRAL, "b", "a")],
    ],
)
def test_a_file_that_is_gone_back_to_is_found(walk: list[Call]) -> None:
    assert comes_back(walk)


def test_a_step_may_look_into_what_it_uses_again_and_again() -> None:
    walk = [call(CENTRAL, "a"), *(call(CENTRAL, "a", "c"), call(CENTRAL, "a", "d")) * 2]
    assert comes_back(walk) == []


def test_what_a_value_says_is_no_call_and_what_its_module_does_is_one() -> None:
    one, _ = pair(keyed=False)

    def crossed(work: Callable[[], object]) -> list[Call]:
        with traced() as calls:
            one.ask("PING")
            work()
        return [call for call in calls if call.callee == "core/events/heads.py"]

    vector = one.store.heads
    assert crossed(vector.newest) == []
    assert crossed(lambda: one.central.peers.only_here(vector)) != []
