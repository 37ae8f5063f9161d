"""Peers that are wrong, deaf, silent or stopped: shown by name, and nobody waits for them."""

import time
from signal import SIGCONT, SIGSTOP

import pytest

from tests.support.harness import (
    NO_LIMIT,
    PATIENCE_S,
    alive,
    answered_meanwhile,
    ask,
    enter,
    flood,
    leave,
    opens,
    peer_row,
    problems,
    promised,
    rows,
    shared,
    wait_connected,
    wait_equal,
    zparkctl,
)
from tests.support.wrong import WrongPeer, beat, page
from zparkd.testbed.loopback import LoopbackCentral, wait_for


def wait_error(central: LoopbackCentral, peer_id: str, text: str) -> None:
    wait_for(
        f"{central.id} says of {peer_id}: {text}",
        lambda: text in (peer_row(central, peer_id)["error"] or ""),
        PATIENCE_S,
    )


def error_stays(central: LoopbackCentral, peer_id: str, text: str, for_s: float) -> None:
    """The error is not shown now and then only."""
    until = time.monotonic() + for_s
    while time.monotonic() < until:
        assert text in (peer_row(central, peer_id)["error"] or "")
        time.sleep(0.05)


def test_a_peer_of_another_site_is_refused_by_name_and_gives_and_gets_nothing(make_central) -> None:
    one = make_central("central-1", site="lot-a")
    other = make_central("central-2", site="lot-b")
    one.knows(other)
    other.knows(one)
    one.start()
    other.start()
    enter(one, "29A00001")
    enter(other, "29A00002")
    wait_error(one, "central-2", "site lot-b")
    wait_error(other, "central-1", "site lot-a")
    error_stays(one, "central-2", "site lot-b", 1.0)
    for central, plate in ((one, "29A00001"), (other, "29A00002")):
        assert [row["plate_id"] for row in rows(central)] == [plate]
        assert central.status()["connected_peers"] == 0
        assert "PEER_ERROR" in problems(central)
    assert peer_row(one, "central-2")["connected"] is False
    assert peer_row(one, "central-2")["last_ping_time"] is None
    assert "site lot-b" in zparkctl(one.config, "status").stdout
    refused = ask(one, "out", "BARRIER_OPEN", plate_id="29A00002", direction="EXIT")
    assert refused["error"]["code"] == "not_inside"


def test_a_peer_that_answers_with_another_id_is_named(make_central) -> None:
    one = make_central("central-1")
    other = make_central("central-3")
    other.knows(one)
    one.knows(other)
    file = one.peer_file("central-3")
    text = file.read_text().replace('"central-3"', '"central-2"')
    file.unlink()
    one.peer_file("central-2").write_text(text)
    one.start()
    other.start()
    enter(other, "29A00001")
    wait_error(one, "central-2", "central-3")
    error_stays(one, "central-2", "central-3", 1.0)
    assert peer_row(one, "central-2")["connected"] is False
    assert rows(one) == []
    assert one.status()["connected_peers"] == 0


def test_a_peer_that_does_not_list_us_shows_connected_false_and_says_why(make_central) -> None:
    one = make_central("central-1")
    other = make_central("central-2")
    one.knows(other)
    other.start()
    one.start()
    wait_for("it is heard", lambda: peer_row(one, "central-2")["last_ping_time"], PATIENCE_S)
    wait_error(one, "central-2", "central-1")
    error_stays(one, "central-2", "central-1", 1.0)
    assert peer_row(one, "central-2")["connected"] is False
    assert one.status()["connected_peers"] == 0
    assert problems(one) & {"PEER_ERROR", "PEER_DEAF"}
    other.knows(one)
    assert zparkctl(other.config, "reload").returncode == 0
    wait_connected(one, other)


def test_a_peer_that_is_stopped_is_shown_and_catches_up_when_it_goes_on(make_site) -> None:
    site = make_site(3)
    one, two, three = site.centrals
    site.start()
    wait_connected(*site.centrals)
    enter(three, "29A00000")
    wait_equal(site.centrals)
    three.signal(SIGSTOP)
    for central in (one, two):
        wait_for(
            f"{central.id} misses it",
            lambda central=central: not peer_row(central, "central-3")["connected"],
            PATIENCE_S,
        )
        assert "PEER_DOWN" in problems(central)
    started = time.monotonic()
    for number in range(1, 21):
        enter((one, two)[number % 2], f"29A{number:05d}")
    assert time.monotonic() - started < promised(10), "40 requests wait for nobody"
    wait_equal([one, two], when=lambda h: len(h) == 21)
    three.signal(SIGCONT)
    wait_equal(site.centrals, when=lambda h: len(h) == 21)
    leave(three, "29A00001")
    wait_equal(site.centrals, when=lambda h: sum(r["status"] == "OUT" for r in h) == 1)
    wait_connected(*site.centrals)


@pytest.mark.slow
def test_a_hung_peer_delays_neither_edges_nor_the_other_peer(make_site) -> None:
    site = make_site(3, more=NO_LIMIT)
    one, two, three = site.centrals
    site.start()
    wait_connected(*site.centrals)
    three.signal(SIGSTOP)
    with answered_meanwhile(one, within_s=2.0), answered_meanwhile(two, within_s=2.0):
        for part in range(4):
            answers = flood(one, opens(f"3{part}A", 1_000))
            assert all(answer["success"] is True for answer in answers)
            wait_for(
                "the other peer has all",
                lambda: two.status()["events"] == one.status()["events"],
                10.0,
            )
        wait_for("it is missed", lambda: not peer_row(one, three.id)["connected"], PATIENCE_S)
    assert peer_row(one, three.id)["lag"] is None
    assert peer_row(one, three.id)["lag_when_heard"] >= 4_000
    three.signal(SIGCONT)
    wait_equal(site.centrals, when=lambda h: len(h) == 4_000)


def test_a_peer_at_an_address_where_something_else_answers_connects_once_it_is_mended(
    make_site,
) -> None:
    site = make_site(2)
    one, two = site.centrals
    with WrongPeer() as wrong:
        two.ports[:2] = [wrong.bus_port, wrong.sync_port]
        wrong.known_to(one, "central-2")
        wrong.say([beat("central-2")])
        wrong.answering = lambda asked: [page(asked, heads=[], source="central-2")]
        one.start()
        wait_connected(one)
        wrong.say([[b"x" * 5 * 1024 * 1024], beat("central-2")])
        wrong.answering = lambda asked: [[b"x" * 5 * 1024 * 1024]]
        wait_for("it is lost", lambda: one.status()["connected_peers"] == 0, PATIENCE_S)
    text = two.config.read_text().splitlines()
    text = [f"bus_port = {two.ports[0]}" if x.startswith("bus_port") else x for x in text]
    text = [f"sync_port = {two.ports[1]}" if x.startswith("sync_port") else x for x in text]
    two.config.write_text("\n".join(text) + "\n")
    two.start()
    wait_connected(one, two)
    enter(one, "29A00001")
    wait_equal(site.centrals, when=lambda h: len(h) == 1)


def answers(central: LoopbackCentral, plate: str) -> dict[str, list[str] | None]:
    """Who is named as missing by each kind of answer."""
    seen = ask(central, "look", "DETECTION", plate_id=plate)["vehicle_info"]
    inside = bool(seen["already_inside"])
    refused = ask(
        central, "try", "BARRIER_OPEN", plate_id=plate, direction="ENTRY" if inside else "EXIT"
    )
    assert refused["error"]["code"] == ("already_inside" if inside else "not_inside")
    return {"vehicle_info": seen.get("incomplete"), "refusal": refused.get("incomplete")}


def test_answers_say_incomplete_while_a_configured_peer_is_unheard(make_site) -> None:
    site = make_site(3)
    one, two, three = site.centrals
    one.start()
    two.start()
    wait_for("two is heard", lambda: peer_row(one, "central-2")["connected"], PATIENCE_S)
    enter(one, "29A00001")
    missing = {"vehicle_info": ["central-3"], "refusal": ["central-3"]}
    assert answers(one, "29A00001") == missing
    assert answers(one, "29A99999") == missing
    three.start()
    wait_connected(*site.centrals)
    whole = {"vehicle_info": None, "refusal": None}
    for plate in ("29A00001", "29A99999"):
        wait_for("nobody is missing", lambda plate=plate: answers(one, plate) == whole, PATIENCE_S)
    two.kill()
    three.kill()
    wait_for("both are missed", lambda: one.status()["connected_peers"] == 0, PATIENCE_S)
    missing = {key: ["central-2", "central-3"] for key in whole}
    assert answers(one, "29A00001") == missing
    assert answers(one, "29A99999") == missing
    assert leave(one, "29A00001").get("incomplete") is None


def test_answers_say_incomplete_while_a_heard_peer_is_known_to_be_ahead(make_site) -> None:
    site = make_site(1)
    (one,) = site.centrals
    with WrongPeer() as wrong:
        wrong.known_to(one)
        ahead = [["central-9", 1, 5]]
        wrong.say([beat(heads=ahead)])
        wrong.answering = lambda asked: [page(asked, b"[]", heads=ahead)]
        site.start()
        wait_for("it is ahead", lambda: peer_row(one, "central-9")["behind"] == 5, PATIENCE_S)
        missing = {"vehicle_info": ["central-9"], "refusal": ["central-9"]}
        assert answers(one, "29A99999") == missing
        wrong.say([beat()])
        wrong.answering = lambda asked: [page(asked, heads=[])]
        wait_for("it is not", lambda: peer_row(one, "central-9")["behind"] == 0, PATIENCE_S)
        assert answers(one, "29A99999") == {"vehicle_info": None, "refusal": None}


@pytest.mark.parametrize("hours", [0, 48])
def test_a_peer_whose_clock_differs_is_shown(make_site, hours) -> None:
    site = make_site(1)
    (one,) = site.centrals
    shift_ms = hours * 3_600_000
    with WrongPeer() as wrong:
        wrong.known_to(one)

        def answer(asked: dict) -> list[list[bytes]]:
            return [page(asked, heads=[], wall_ms=time.time_ns() // 1_000_000 + shift_ms)]

        wrong.answering = answer
        site.start()
        wait_connected(one)
        wait_for(
            "the offset is known",
            lambda: peer_row(one, "central-9")["clock_offset_ms"] is not None,
            PATIENCE_S,
        )
        assert abs(peer_row(one, "central-9")["clock_offset_ms"] - shift_ms) < 2_000
        assert ("CLOCK_SKEW" in problems(one)) is (hours > 0)
        opened = enter(one, "29A00001")
        stamp = int(opened["event_id"].split("_")[1])
        assert abs(stamp - time.time() * 1000) < 60_000, "one peer alone moves no clock"
    assert alive(one)
    assert len(shared(one)) == 1
