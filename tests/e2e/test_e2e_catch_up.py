"""What a central misses while it is down is all there when it is back, whoever can tell it."""

import pytest

from tests.support.harness import (
    NO_LIMIT,
    PATIENCE_S,
    enter,
    flood,
    leave,
    opens,
    peer_row,
    wait_connected,
    wait_equal,
    wait_events,
)
from zparkd.testbed.loopback import wait_for


@pytest.mark.parametrize("missed", [2_000, pytest.param(12_000, marks=pytest.mark.slow)])
def test_all_events_arrive_though_their_origin_is_down_by_then(make_site, missed: int) -> None:
    site = make_site(3, more=NO_LIMIT)
    origin, witness, away = site.centrals
    site.start()
    wait_connected(*site.centrals)
    enter(away, "29A99999")
    wait_events(site.centrals, 2)
    away.kill()
    answers = flood(origin, opens("30A", missed // 2))
    answers += flood(origin, opens("30A", missed // 2, "EXIT"))
    assert [answer for answer in answers if answer["success"] is not True] == []
    wait_events([witness], missed + 2)
    origin.kill()
    away.start()
    wait_events([away], missed + 2)
    left = leave(away, "29A99999")
    assert left["action"] == "EXIT"
    origin.start()
    history = wait_equal(site.centrals, when=lambda h: all(r["status"] == "OUT" for r in h))
    assert len(history) == missed // 2 + 1
    assert len({row["event_id"] for row in history}) == len(history)
    told = {row["event_id"] for row in history}
    assert {answer["event_id"] for answer in answers} <= told


def test_a_central_answers_edges_while_it_serves_and_fetches_thousands_of_events(make_site) -> None:
    site = make_site(2, more=NO_LIMIT)
    one, two = site.centrals
    one.start()
    flood(one, opens("30A", 1_500))
    two.start()
    for number in range(20):
        enter(one, f"51F{number:05d}")
        enter(two, f"51G{number:05d}")
    wait_events(site.centrals, 1_580)
    wait_equal(site.centrals, when=lambda h: len(h) == 1_540)


def test_status_counts_what_is_behind_what_lags_and_what_is_only_here(make_site) -> None:
    site = make_site(2)
    one, two = site.centrals
    site.start()
    wait_connected(one, two)
    enter(one, "29A00001")
    wait_events(site.centrals, 2)
    wait_for("two is told to hold all", lambda: one.status()["only_here"] == 0, PATIENCE_S)
    wait_for(
        "nothing is missing on either side",
        lambda: (peer_row(one, two.id)["behind"], peer_row(one, two.id)["lag"]) == (0, 0),
        PATIENCE_S,
    )
    two.kill()
    enter(one, "29A00002")
    assert one.status()["only_here"] == 2
    wait_for("it is missed", lambda: not peer_row(one, two.id)["connected"], PATIENCE_S)
    lost = peer_row(one, two.id)
    assert (lost["behind"], lost["lag"]) == (None, None), "nobody can know"
    assert (lost["behind_when_heard"], lost["lag_when_heard"]) == (0, 2)
    one.kill()
    one.start()
    assert one.status()["only_here"] >= 2, "a power cut makes it no smaller"
    two.start()
    wait_for("two is told to hold all", lambda: one.status()["only_here"] == 0, PATIENCE_S)
    wait_for("all of two's heads are known", lambda: peer_row(one, two.id)["lag"] == 0, PATIENCE_S)


def test_after_a_clean_stop_what_is_only_here_is_known_before_a_peer_is_heard(make_site) -> None:
    site = make_site(2)
    one, two = site.centrals
    site.start()
    wait_connected(one, two)
    enter(one, "29A00001")
    site.wait_equal()
    one.stop()
    two.kill()
    one.start()
    state = one.status()
    assert (state["connected_peers"], state["events"], state["only_here"]) == (0, 2, 0)
    assert peer_row(one, two.id)["lag_when_heard"] == 0
    enter(one, "29A00002")
    assert one.status()["only_here"] == 2


@pytest.mark.parametrize("lost", ["zparkd.db", "zparkd.db-wal"])
def test_a_central_whose_database_was_lost_gets_its_own_events_back(make_site, lost) -> None:
    site = make_site(2)
    one, two = site.centrals
    site.start()
    wait_connected(one, two)
    opened = enter(one, "29A00001")
    wait_events(site.centrals, 2)
    one.kill()
    for file in one.folder.glob(f"{lost}*"):
        if not file.name.endswith(".lock"):
            file.unlink()
    one.start()
    wait_events(site.centrals, 2)
    assert leave(one, "29A00001")["event_id"] == opened["event_id"]
    enter(one, "29A00002")
    wait_equal(site.centrals, when=lambda h: sorted(r["status"] for r in h) == ["IN", "OUT"])
