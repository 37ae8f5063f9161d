"""What is written down of peers that are lost and come back."""

from typing import Any

import pytest

from tests.support.centrals import Driven, meet, pair, success
from zparkd.core import limits
from zparkd.core.replication import peer_notes
from zparkd.core.turn import WriteNotes
from zparkd.daemon.outages import Outages


class Noting:
    """Two centrals of which the first writes down when the other is lost."""

    def __init__(self) -> None:
        self.one, self.two = pair()
        self.outages = Outages(self.one.store)

    def talk(self) -> None:
        """Let them meet, until each knows that the other hears it."""
        for _ in range(100):
            meet(self.one, self.two)
            self.note()
            if all(self.connected(driven) for driven in (self.one, self.two)):
                return
        raise AssertionError("they are not connected")

    def note(self) -> None:
        self.outages.note(self.one.view)
        self.one.store.commit()

    def cut(self, seconds: float = 60) -> None:
        """Let time go by without a word between them."""
        for driven in (self.one, self.two):
            driven.wait(seconds)
            driven.step()
        self.note()

    def rows(self) -> list[dict[str, Any]]:
        cursor = self.one.store.connection.execute("SELECT * FROM outages ORDER BY id")
        names = [column[0] for column in cursor.description]
        return [dict(zip(names, row, strict=True)) for row in cursor]

    @staticmethod
    def connected(driven: Driven) -> bool:
        peers = driven.central.peers
        return all(peers.connected(peer, driven.mono_ms) for peer in peers.states.values())


@pytest.fixture
def site() -> Noting:
    site = Noting()
    site.talk()
    return site


def test_a_peer_that_was_never_there_is_not_lost() -> None:
    site = Noting()
    site.cut()
    assert site.rows() == []


def test_a_peer_is_lost_from_when_it_was_heard_last_and_the_events_since_count(site) -> None:
    assert site.rows() == []
    assert success(site.one.open(plate_id="29A00001", direction="ENTRY"))
    site.talk()
    heard_ms = site.one.central.peers.states["central-2"].link.heard.wall_ms
    for driven in (site.one, site.two):
        driven.wait(1)
    assert success(site.one.open(plate_id="29A00002", direction="ENTRY"))
    site.cut(5)
    (row,) = site.rows()
    assert (row["peer"], row["why"], row["lost_ms"]) == ("central-2", "NOT_HEARD", heard_ms)
    assert row["lost_no"] == 1, "the second entry was made after it was heard last"
    assert (row["back_ms"], row["over_ms"], row["over_no"]) == (None, None, None)


def test_an_outage_is_over_when_all_that_the_peer_has_is_here(site) -> None:
    site.cut(5)
    assert success(site.two.open(plate_id="29A00001", direction="ENTRY"))
    assert success(site.one.open(plate_id="29A00002", direction="ENTRY"))
    site.cut(5)
    site.talk()
    (row,) = site.rows()
    assert row["back_ms"] <= row["over_ms"] <= site.one.wall_ms
    assert row["back_ms"] > row["lost_ms"] + 9_000
    assert (row["lost_no"], row["over_no"]) == (0, 2)
    site.cut(5)
    assert len(site.rows()) == 2, "the next one is another one"


def test_what_was_undone_is_noted_again(site) -> None:
    site.one.wait(5)
    site.one.step()
    site.outages.note(site.one.view)
    site.one.store.rollback()
    site.outages.forget()
    assert site.rows() == []
    site.one.wait(5)
    site.note()
    assert len(site.rows()) == 1


def test_a_peer_that_is_removed_is_not_missed_any_more(site) -> None:
    site.cut(5)
    site.one.configure(peers=())
    site.cut(5)
    (row,) = site.rows()
    assert row["back_ms"] is None
    assert row["over_ms"] is not None


def restarted(site: Noting, away_s: float) -> None:
    """End the run of the first central, and begin another after a while."""
    site.one.step(WriteNotes(at_end=True))
    site.one.wait(away_s)
    site.two.wait(away_s)
    site.one.start()
    peer_notes.restore(site.one.central.peers.states, site.one.store.peer_notes())
    site.outages = Outages(site.one.store)
    site.note()


def test_a_run_that_ended_cut_this_central_off_where_something_happened_meanwhile(site) -> None:
    ended_ms = site.one.wall_ms
    assert success(site.two.open(plate_id="29A00001", direction="ENTRY"))
    restarted(site, 60)
    (row,) = site.rows()
    assert (row["why"], row["lost_ms"]) == ("DOWN_HERE", ended_ms)
    site.talk()
    (row,) = site.rows()
    assert (row["lost_no"], row["over_no"]) == (0, 1)


def test_a_start_again_during_which_nothing_happened_is_no_outage(site) -> None:
    restarted(site, 60)
    site.talk()
    assert site.rows() == []


def test_only_the_newest_are_kept(site, monkeypatch) -> None:
    monkeypatch.setattr(limits, "OUTAGES_KEPT", 3)
    for _ in range(5):
        site.cut(5)
        site.talk()
    assert [row["id"] for row in site.rows()] == [3, 4, 5]
