"""The external API in the loop: who looks when, and what becomes of what was brought."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.api_server import GOOD, PASS, ApiServer, api_server, send, stuck
from tests.support.centrals import T0_MS, Driven
from tests.support.tariffs import AIRPORT, CENTRE, flat
from zparkd.config.load import ExternalApi
from zparkd.core import limits
from zparkd.core.replication.encoding import write_header
from zparkd.core.replication.wire import TOPIC_HEARTBEAT, Beat
from zparkd.core.turn import FromBus
from zparkd.daemon.external_data import ExternalData
from zparkd.testbed.loopback import wait_for

INTERVAL_S = 300


class Fetching:
    """A driven central whose loop asks a server. Its clocks stand still but for `wait`."""

    def __init__(self, server: ApiServer, **options: Any) -> None:
        self.driven = Driven(**options)
        self.server = server
        self.woken = 0
        self.disk_is_full = False
        self.data = ExternalData(self.driven.central, self)
        self.data.configure(ExternalApi(server.url, INTERVAL_S, 5, None))

    def wake(self) -> None:
        """As a bus is woken."""
        self.woken += 1

    def turn(self) -> None:
        wanted = self.data.turn(self.driven.now)
        if not wanted:
            return
        output = self.driven.central.step(self.driven.now, wanted)
        if self.disk_is_full:
            self.driven.store.rollback()
            self.driven.central.forget()
            self.data.undone()
        else:
            self.driven.store.commit()
            self.data.recorded(output.outcomes)

    def look(self) -> None:
        """A turn that begins a look, and turns until all that it brought is dealt with."""
        woken = self.woken
        self.turn()
        wait_for("what was brought", lambda: self.woken > woken)
        self.turn()
        while self.data.left:
            self.turn()

    def wait(self, intervals: float) -> None:
        self.driven.wait(intervals * INTERVAL_S)

    @property
    def document(self) -> Any:
        held = self.driven.store.reference.tariff()
        return held.document if held is not None else None

    def state(self) -> dict[str, Any]:
        state = self.data.state(self.driven.now)
        assert state is not None
        return state


@pytest.fixture
def server() -> Iterator[ApiServer]:
    with api_server() as server:
        yield server


@pytest.fixture
def fetching(server: ApiServer) -> Fetching:
    return Fetching(server)


def test_what_is_good_becomes_the_sites(fetching: Fetching) -> None:
    assert fetching.state()["last_good"] is None
    fetching.look()
    reference = fetching.driven.store.reference
    assert fetching.document == AIRPORT
    assert [held.plate_id for held in reference.passes()] == ["29A12345"]
    assert [held.staff_id for held in reference.staff()] == ["nv01"]
    assert fetching.driven.central.fetched_ms == fetching.driven.wall_ms
    fetching.wait(0.5)
    assert fetching.state() == {
        "url": fetching.server.url,
        "fetches": True,
        "last_good": "2025-12-02T10:30:00.000+07:00",
        "age_s": 150,
        "last_fault": None,
    }


def test_it_looks_again_after_an_interval_and_only_then(fetching: Fetching) -> None:
    fetching.look()
    fetching.wait(0.99)
    fetching.turn()
    assert fetching.server.count() == 1
    fetching.wait(0.02)
    fetching.server.documents["fee-config"] = CENTRE
    fetching.look()
    assert fetching.server.count() == 2
    assert fetching.document == CENTRE


def test_what_did_not_change_makes_no_event(fetching: Fetching) -> None:
    fetching.look()
    events = len(fetching.driven.events())
    for _ in range(3):
        fetching.wait(1.01)
        fetching.look()
    assert len(fetching.driven.events()) == events


def test_what_somebody_else_set_meanwhile_is_set_back(fetching: Fetching) -> None:
    fetching.look()
    fetching.driven.central.reference.set_tariff(fetching.driven.now, flat(1))
    fetching.driven.store.commit()
    fetching.wait(1.01)
    fetching.look()
    assert fetching.document == AIRPORT


def test_a_bad_document_changes_nothing_and_the_others_count(fetching: Fetching) -> None:
    fetching.look()
    fetching.server.documents |= {"fee-config": {"rate": []}, "staff": []}
    fetching.wait(1.01)
    good_ms = fetching.driven.central.fetched_ms
    fetching.look()
    assert fetching.document == AIRPORT
    assert fetching.driven.store.reference.staff() == []
    assert fetching.driven.central.fetched_ms == good_ms
    assert "fee-config: rate: is missing" in fetching.state()["last_fault"]
    assert fetching.state()["age_s"] == 303
    fetching.server.documents = dict(GOOD)
    fetching.wait(1.01)
    fetching.look()
    assert fetching.state()["last_fault"] is None


def test_a_long_list_is_recorded_a_part_a_turn(fetching: Fetching) -> None:
    most = limits.REFERENCE_EVENTS_PER_TURN
    fetching.server.documents["subscriptions"] = [
        PASS | {"plate_id": f"30F{number:05}"} for number in range(2 * most + 1)
    ]
    woken = fetching.woken
    fetching.turn()
    wait_for("what was brought", lambda: fetching.woken > woken)
    counts = []
    while fetching.data.left or not counts:
        before = len(fetching.driven.events())
        fetching.turn()
        counts.append(len(fetching.driven.events()) - before)
    assert counts == [1, most, most, 1, 1]


def test_pauses_grow_from_failure_to_failure_up_to_a_bound(fetching: Fetching) -> None:
    fetching.server.answer = lambda request, name: send(request, b"", 500)
    pauses = []
    for _ in range(6):
        fetching.look()
        pauses.append((fetching.data.due_ms - fetching.driven.mono_ms) / (INTERVAL_S * 1000))
        fetching.driven.wait(pauses[-1] * INTERVAL_S)
    assert pauses == [1, 2, 4, 8, 8, 8]
    fetching.server.answer = None
    fetching.look()
    assert fetching.data.due_ms - fetching.driven.mono_ms == INTERVAL_S * 1000


def test_what_the_disk_refused_is_brought_again(fetching: Fetching) -> None:
    fetching.disk_is_full = True
    fetching.look()
    assert fetching.document is None
    fetching.disk_is_full = False
    fetching.wait(1.01)
    fetching.look()
    assert fetching.document == AIRPORT
    assert len(fetching.driven.store.reference.passes()) == 1


def test_while_a_look_lasts_no_other_begins(fetching: Fetching) -> None:
    fetching.server.answer = stuck
    for _ in range(4):
        fetching.turn()
        fetching.wait(1.01)
    wait_for("the one request", lambda: fetching.server.count() == 1)
    fetching.server.released.set()
    wait_for("the end of it", lambda: fetching.woken == 1)
    assert fetching.server.count() == 1


def test_what_an_address_brings_that_was_given_up_is_not_taken(fetching: Fetching) -> None:
    fetching.turn()
    wait_for("what was brought", lambda: fetching.woken == 1)
    fetching.data.configure(None)
    fetching.turn()
    assert fetching.document is None
    assert fetching.data.state(fetching.driven.now) is None
    assert fetching.driven.central.fetched_ms is None


def test_with_peers_it_first_hears_who_is_there(server: ApiServer) -> None:
    fetching = Fetching(server, peers=["central-0"])
    fetching.turn()
    fetching.driven.wait(2.9)
    fetching.turn()
    assert not fetching.state()["fetches"]
    fetching.driven.wait(0.2)
    fetching.look()
    assert fetching.document == AIRPORT


@pytest.mark.parametrize("said", [2**53 - 1, T0_MS + 3_600_000])
def test_when_it_was_last_whole_is_never_later_than_now_whatever_a_peer_says(said: int) -> None:
    us = Driven("central-1", peers=["central-9"])
    beat = Beat("lot-a", "UTC", "0", T0_MS, ["central-1"], [], "", said)
    header = write_header("central-9", T0_MS, beat)
    us.step(FromBus("central-9", [TOPIC_HEARTBEAT, header]))
    data = ExternalData(us.central, None)
    data.configure(ExternalApi("http://127.0.0.1:1/x", 300, 10, None))
    state = data.state(us.now)
    assert state is not None
    assert state["last_good"] == "2025-12-02T10:30:00.000+07:00"
    assert state["age_s"] == 0
