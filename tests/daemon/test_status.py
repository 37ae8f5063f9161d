"""What `status` is told of peers."""

import sqlite3
from datetime import UTC, datetime
from typing import Any

import click
import hypothesis
import orjson
from hypothesis import strategies as st

from tests.support.centrals import SITE_TIME, T0_MS, Driven, meet, pair
from tests.support.examples import examples
from zparkd import __version__
from zparkd.cli.commands.look.status import screen
from zparkd.core.events.heads import digest
from zparkd.core.replication import peer_notes
from zparkd.core.replication.encoding import write_header
from zparkd.core.replication.wire import TOPIC_HEARTBEAT, Ask, Beat, Page, read_message
from zparkd.core.site import Lane
from zparkd.core.turn import FromBus, SyncAnswer, WriteNotes
from zparkd.daemon.problems import Faults
from zparkd.daemon.status import status
from zparkd.storage import edges_seen


def peer_of(central: Driven, catching_up: dict[str, int]) -> dict[str, object]:
    told = status(
        central.view,
        central.store,
        central.now,
        Faults(),
        catching_up=catching_up,
    )
    peer: dict[str, object] = told["peers"][0]
    return peer


def state_of_peer(central: Driven) -> tuple[str, bool]:
    told = status(central.view, central.store, central.now, Faults())
    return told["peers"][0]["state"], told["peers"][0]["connected"]


def beat(central: Driven, *hears: str, held: int = 0) -> None:
    heads = [("central-2", 1, held)] if held else []
    older = digest({}, ())
    said = Beat(
        "lot-a", "Asia/Ho_Chi_Minh", __version__, central.wall_ms, list(hears), heads, older
    )
    header = write_header("central-2", central.wall_ms, said)
    central.step(FromBus("central-2", [TOPIC_HEARTBEAT, header]))


def test_how_it_is_with_a_peer_is_told_in_words() -> None:
    central = Driven("central-1", peers=["central-2"])
    assert state_of_peer(central) == ("never heard", False)
    beat(central)
    assert state_of_peer(central) == ("does not hear us", False)
    beat(central, "central-1")
    assert state_of_peer(central) == ("connected", True)
    central.wait(5)
    assert state_of_peer(central) == ("not heard", False)


def test_how_far_catching_up_has_come_is_told_while_events_are_missing() -> None:
    central = Driven("central-1", peers=["central-2"])
    beat(central, "central-1", held=60)
    peer = peer_of(central, {"central-2": 80})
    assert peer["behind"] == 60
    assert peer["catching_up"] == {"missing": 60, "of": 80}
    assert peer["state"] == "catching up, 25 %"
    assert peer_of(central, {})["catching_up"] is None
    central.wait(5)
    lost = peer_of(central, {"central-2": 80})
    assert (lost["catching_up"], lost["state"]) == (None, "not heard")


def told(central: Driven) -> dict[str, Any]:
    return status(central.view, central.store, central.now, Faults())


def test_of_a_peer_that_is_cut_off_nothing_is_said_to_be_known() -> None:
    central = Driven("central-1", peers=["central-2"])
    beat(central, "central-1", held=60)
    central.open()
    peer = told(central)["peers"][0]
    assert (peer["behind"], peer["lag"]) == (60, 1)
    central.wait(5)
    peer = told(central)["peers"][0]
    assert (peer["behind"], peer["lag"], peer["clock_offset_ms"]) == (None, None, None)
    assert (peer["behind_when_heard"], peer["lag_when_heard"]) == (60, 1)
    (problem,) = told(central)["problems"]
    assert problem["code"] == "PEER_DOWN"
    assert f"is not heard since {SITE_TIME}" in problem["message"]


def test_when_a_peer_was_heard_is_told_by_the_clock_as_it_is_now() -> None:
    central = Driven("central-1", peers=["central-2"], wall_ms=T0_MS + 3_600_000)
    beat(central, "central-1")
    central.wait(60)
    central.wall_ms -= 3_600_000  # it was an hour ahead
    assert told(central)["peers"][0]["last_ping_time"] == "2025-12-02T10:30:00.000+07:00"


def test_a_peer_that_was_heard_in_an_earlier_run_was_not_never_heard() -> None:
    central = Driven("central-1", peers=["central-2"])
    beat(central, "central-1", held=60)
    central.step(WriteNotes(at_end=True))
    central.start()
    peer_notes.restore(central.central.peers.states, central.store.peer_notes())
    assert state_of_peer(central) == ("not heard yet", False)
    peer = told(central)["peers"][0]
    assert (peer["last_ping_time"], peer["behind"], peer["behind_when_heard"]) == (None, None, 60)


def test_a_configured_edge_that_never_called_is_listed_as_such() -> None:
    central = Driven(lanes=[Lane("gate-1"), Lane("gate-2")])
    central.open("gate-2")
    central.detect("hand-held")
    heard = "2025-12-02T10:30:00.000+07:00"
    assert told(central)["edges"] == [
        {"edge_id": "gate-1", "last_seen": None, "configured": True, "lane": None},
        {"edge_id": "gate-2", "last_seen": heard, "configured": True, "lane": None},
        {"edge_id": "hand-held", "last_seen": heard, "configured": False, "lane": None},
    ]


def test_when_an_edge_was_heard_is_known_after_a_restart() -> None:
    central = Driven(lanes=[Lane("gate-1")])
    central.ask("PING", "gate-1")
    central.ask("PING", "hand-held")
    central.wait(5)
    central.central.step(central.now, [WriteNotes()])
    central.store.commit()
    before = told(central)["edges"]
    central.start()
    central.central.edges.restore(edges_seen.read(central.store.connection, []))
    assert told(central)["edges"] == before
    assert before[0]["last_seen"] == "2025-12-02T10:30:00.000+07:00"
    central.wait(31 * 24 * 3600)
    assert [edge["edge_id"] for edge in told(central)["edges"]] == ["gate-1"]


def test_an_edge_that_opened_before_a_crash_was_not_never_heard() -> None:
    central = Driven(lanes=[Lane("gate-1"), Lane("gate-2")])
    central.open("gate-1")
    central.start()  # nothing was written down of edges
    central.central.edges.restore(edges_seen.read(central.store.connection, ["gate-1", "gate-2"]))
    seen = [edge["last_seen"] for edge in told(central)["edges"]]
    assert seen == ["2025-12-02T10:30:00.000+07:00", None]


def test_edges_are_written_down_about_once_a_minute_and_only_where_one_was_heard() -> None:
    central = Driven()
    writes = []
    for second in range(300):
        central.wait(1)
        if second % 7 == 0 and second < 200:
            central.ask("PING", "gate-1")
        central.central.step(central.now, [WriteNotes()])
        writes.append(central.store.commit())
    assert 3 <= sum(writes) <= 5


def test_open_conflicts_are_the_rows_of_the_view() -> None:
    one, two = pair()
    for driven in (one, two):
        driven.open("edge-1", direction="ENTRY")
        driven.wait(100 * 24 * 3600)
    one.open("edge-1", direction="EXIT")
    assert (told(one)["open_conflicts"], told(two)["open_conflicts"]) == (1, 0)
    two.open("edge-1", direction="EXIT", force=True, reason="lost")
    meet(one, two)
    for driven in (one, two):
        rows = driven.store.connection.execute("SELECT * FROM conflicts").fetchall()
        assert told(driven)["open_conflicts"] == len(rows) >= 3


def test_a_disk_that_takes_nothing_is_not_tried_in_every_turn_for_when_edges_were_heard() -> None:
    central = Driven()
    central.ask("PING", "gate-1")
    central.wait(5)
    central.store.connection.execute("PRAGMA query_only = ON")
    tries = 0
    for _ in range(100):
        central.wait(0.1)
        try:
            central.central.step(central.now, [WriteNotes()])
            central.store.commit()
        except sqlite3.OperationalError:
            tries += 1
            central.store.rollback()
            central.central.forget()
    assert 1 <= tries <= 3
    central.store.connection.execute("PRAGMA query_only = OFF")
    central.wait(60)
    central.central.step(central.now, [WriteNotes()])
    assert edges_seen.read(central.store.connection, []) == [("gate-1", T0_MS)]


_NUMBERS = st.sampled_from([-(2**53), -1, 0, 1, T0_MS, 2**53 - 1])
_TEXTS = st.text(max_size=20) | st.just("\x1b[2J\x00\u202e")


@examples(25)
@hypothesis.given(
    wall_ms=_NUMBERS,
    timestamp=_NUMBERS,
    fetched_ms=st.none() | _NUMBERS.filter(lambda ms: ms >= 0),
    timezone=_TEXTS,
    version=_TEXTS,
    fault=st.none() | _TEXTS,
)
def test_status_is_told_and_shown_whatever_a_peer_says(
    wall_ms: int,
    timestamp: int,
    fetched_ms: int | None,
    timezone: str,
    version: str,
    fault: str | None,
) -> None:
    central = Driven("central-1", peers=["central-2"])
    said = Beat("lot-a", timezone, version, wall_ms, ["central-1"], [], "", fetched_ms)
    frames = [TOPIC_HEARTBEAT, write_header("central-2", timestamp, said)]
    ((peer_id, asked),) = central.step(FromBus("central-2", frames)).asks
    request = read_message(asked).data
    assert isinstance(request, Ask)
    page = Page("lot-a", request.id, wall_ms, error=fault)
    header = write_header("central-2", timestamp, page)
    central.step(SyncAnswer(peer_id, [header, b"[]"] if fault is None else [header]))
    central.step(WriteNotes(at_end=True))
    answer = orjson.loads(orjson.dumps(told(central)))
    shown = click.unstyle(screen(answer, datetime.now(UTC)))
    assert max(map(len, shown.split("\n"))) <= 80
    assert "\x1b" not in shown
    central.store.connection.execute("SELECT * FROM p2p_sync_state").fetchall()
