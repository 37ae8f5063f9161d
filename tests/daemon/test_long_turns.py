"""What one turn takes at most, in time of the processor, whatever a member recorded of one vehicle.

How it grows is shown by `test_effort.py`; here is that it does not begin too high.
"""

import gc
import time
from collections.abc import Iterable, Iterator

import orjson
import pytest

from tests.support.centrals import Driven
from tests.support.vehicles import DAY_S, T0_MS, Book
from zparkd.core import limits
from zparkd.core.central import FromBus, FromEdge
from zparkd.core.events.event import Event
from zparkd.core.replication.encoding import write_body, write_header
from zparkd.core.replication.wire import TOPIC_EVENTS, Live

MANY = 10_000
TURN_S = 0.05
LATER_S = 60 * DAY_S  # no clock before the release is believed
PING = FromEdge((b"",), orjson.dumps({"type": "PING", "edge_id": "edge-1"}))

pytestmark = pytest.mark.slow


def turn(driven: Driven, *batch: FromBus | FromEdge) -> float:
    """One turn, committed; the seconds of the processor that it took."""
    began = time.process_time()
    output = driven.step(*batch, PING)
    took = time.process_time() - began
    assert len(output.replies) == 1
    driven.wait(0.01)
    return took


def told(driven: Driven, events: Iterable[Event]) -> list[float]:
    """Let a peer publish events, and turn until all is as it should be; what each turn took."""
    events, took = list(events), []
    gc.collect()
    gc.freeze()  # what the test holds is none of the daemon's garbage
    for first in range(0, len(events), limits.EVENTS_PER_TURN):
        part = events[first : first + limits.EVENTS_PER_TURN]
        body = write_body((event.skeleton, event.personal_part) for event in part)
        header = write_header(part[0].position.origin, 0, Live("lot-a"))
        took.append(turn(driven, FromBus(part[0].position.origin, [TOPIC_EVENTS, header, body])))
    while driven.store.unsettled:
        took.append(turn(driven))
    assert all(driven.store.event(event.position) is not None for event in events)
    return took


@pytest.fixture
def driven() -> Iterator[Driven]:
    yield Driven("z", peers=["a", "b", "c"], wall_ms=T0_MS)
    gc.unfreeze()


def longest(took: list[float]) -> float:
    """The longest turn but for two, which something else on this machine may have made long."""
    return sorted(took)[-3]


def test_ten_thousand_late_events_of_one_vehicle_cost_no_long_turn(driven: Driven) -> None:
    book = Book()
    took = told(driven, [book.entry("a", 100 + n) for n in range(MANY)])
    for n in range(3):
        took += told(driven, [book.entry("b", n)])
    assert longest(took) < TURN_S


def test_disowning_who_let_in_what_ten_thousand_exits_name_costs_no_long_turn(
    driven: Driven,
) -> None:
    book = Book()
    entry = book.entry("c", 1)
    took = told(driven, [entry])
    took += told(driven, [book.exit("a", 10 + n, names=entry) for n in range(MANY)])
    driven.central.members.disown(driven.now, "c", since_ms=0)
    took += told(driven, [book.entry("b", 5)])
    assert [row["status"] for row in driven.history()] == ["IN"]
    driven.central.members.restore(driven.now, "c")
    took += told(driven, [book.entry("b", 6)])
    assert longest(took) < TURN_S


def test_disowning_who_recorded_ten_thousand_stays_costs_no_long_turn(driven: Driven) -> None:
    book = Book()
    took = told(driven, [book.entry("c", 10 * n) for n in range(MANY // 2)])
    entries = list(book.events)
    took += told(driven, [book.exit("c", 10 * n + 1, names=e) for n, e in enumerate(entries)])
    driven.central.members.disown(driven.now, "c", since_ms=0)
    took += told(driven, [book.entry("b", 5)])
    assert [row["source_central"] for row in driven.history()] == ["b"]
    assert longest(took) < TURN_S


def test_an_open_for_a_plate_whose_stamps_are_all_taken_costs_no_long_turn(driven: Driven) -> None:
    book = Book()
    told(driven, [book.entry("a", LATER_S + n / 1000) for n in range(2 * MANY)])
    driven.wall_ms = T0_MS + LATER_S * 1000
    began = time.process_time()
    assert driven.open(direction="EXIT")["success"]
    assert time.process_time() - began < TURN_S
    assert driven.last().timestamp == driven.wall_ms + 2 * MANY
