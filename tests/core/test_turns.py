"""What a turn leaves to the next, so that no edge waits for what peers sent."""

import orjson

from tests.support.centrals import Driven
from tests.support.vehicles import Book
from zparkd.core import limits
from zparkd.core.events.event import Event
from zparkd.core.events.heads import HeadVector
from zparkd.core.replication.encoding import beat_heads, write_body
from zparkd.core.replication.encoding import write_header as header
from zparkd.core.replication.limits import PAGE_EVENTS
from zparkd.core.replication.wire import TOPIC_EVENTS, TOPIC_HEARTBEAT, Beat, Live
from zparkd.core.turn import FromBus, FromEdge


def published(by: str, events: list[Event]) -> FromBus:
    body = write_body((event.skeleton, event.personal_part) for event in events)
    return FromBus(by, [TOPIC_EVENTS, header(by, 0, Live("lot-a")), body])


def beat(by: str) -> FromBus:
    heads, older = beat_heads(HeadVector())
    data = Beat("lot-a", "Asia/Ho_Chi_Minh", "0", 0, ["z"], heads, older)
    return FromBus(by, [TOPIC_HEARTBEAT, header(by, 0, data)])


def test_a_turn_takes_so_many_events_and_leaves_the_rest_to_the_next() -> None:
    driven, book = Driven("z", peers=["a", "b"]), Book()
    events = [book.entry("a", n) for n in range(3 * limits.EVENTS_PER_TURN)]
    size = limits.EVENTS_PER_TURN // 2
    batch = [published("a", events[n : n + size]) for n in range(0, len(events), size)]
    ping = FromEdge((b"",), orjson.dumps({"type": "PING", "edge_id": "edge-1"}))
    output = driven.step(*batch, beat("b"), ping)
    assert len(output.replies) == 1
    assert output.left == batch[2:]
    assert driven.central.peers.hears(driven.mono_ms) == ["b"], "one waits behind another's"
    turns = 1
    while output.left:
        output = driven.step(*output.left)
        turns += 1
    assert turns == 3
    assert sum(driven.store.heads.values()) == len(events)


def test_of_a_longer_message_than_any_page_the_rest_is_not_read() -> None:
    driven, book = Driven("z", peers=["a"]), Book()
    events = [book.entry("a", n) for n in range(PAGE_EVENTS + 7)]
    driven.step(published("a", events))
    assert sum(driven.store.heads.values()) == PAGE_EVENTS
