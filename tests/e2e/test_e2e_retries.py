"""A request asked again gets the answer it had, here, elsewhere and after a restart."""

import pytest

from tests.support.harness import (
    PATIENCE_S,
    Answer,
    ask,
    enter,
    flood,
    leave,
    rows,
    wait_connected,
    wait_equal,
    wait_events,
)
from zparkd.testbed.loopback import wait_for


def but_history_id(answer: Answer) -> Answer:
    return {key: value for key, value in answer.items() if key != "history_id"}


def test_a_repeated_open_and_close_is_answered_alike_at_every_central(three) -> None:
    one, two, _ = three.centrals
    plate = "43A00001"
    known = len(rows(one))
    entry = {"plate_id": plate, "direction": "ENTRY", "request_id": "repeat-entry"}
    opened = ask(one, "gate-1", "BARRIER_OPEN", **entry)
    closing = {"request_id": "repeat-close"}
    closed = ask(one, "gate-1", "BARRIER_CLOSE", **closing)
    assert closed["action"] == "ENTRY_CONFIRMED"
    wait_equal(three.centrals, when=lambda h: len(h) == known + 1)
    wait_equal(
        three.centrals, when=lambda h: next(r for r in h if r["plate_id"] == plate)["confirmed"]
    )
    exit = {"plate_id": plate, "direction": "EXIT", "request_id": "repeat-exit"}
    left = ask(two, "gate-1", "BARRIER_OPEN", **exit)
    assert left["action"] == "EXIT"
    history = wait_equal(
        three.centrals, when=lambda h: next(r for r in h if r["plate_id"] == plate)["fee"]
    )
    for central in three.centrals:
        for kind, fields, first in (
            ("BARRIER_OPEN", entry, opened),
            ("BARRIER_CLOSE", closing, closed),
            ("BARRIER_OPEN", exit, left),
        ):
            again = ask(central, "gate-1", kind, **fields)
            assert but_history_id(again) == but_history_id(first), central.id
    assert wait_equal(three.centrals) == history


def test_a_repeated_open_is_answered_alike_after_a_restart(make_site) -> None:
    site = make_site(2)
    one, two = site.centrals
    site.start()
    wait_connected(one, two)
    entry = {"plate_id": "43A00002", "direction": "ENTRY", "request_id": "r-1"}
    opened = ask(one, "gate-1", "BARRIER_OPEN", **entry)
    closed = ask(one, "gate-1", "BARRIER_CLOSE", request_id="r-2")
    wait_events([two], 2)
    one.kill()
    one.start()
    two.kill()
    two.start()
    for central in (one, two):
        again = ask(central, "gate-1", "BARRIER_OPEN", **entry)
        assert but_history_id(again) == but_history_id(opened)
        assert ask(central, "gate-1", "BARRIER_CLOSE", request_id="r-2") == closed
    assert ask(one, "gate-1", "BARRIER_OPEN", **entry) == opened, "the number is this central's"
    assert one.status()["events"] == two.status()["events"] == 2


@pytest.mark.parametrize(
    ("kind", "fields"),
    [
        ("BARRIER_OPEN", {"plate_id": "43A99999", "direction": "ENTRY"}),
        ("BARRIER_OPEN", {"plate_id": "43A00003", "direction": "EXIT"}),
        ("BARRIER_CLOSE", {}),
    ],
)
def test_a_request_id_used_for_something_else_is_refused_also_at_another_central(
    three, kind, fields
) -> None:
    one, two, _ = three.centrals
    request_id = f"other-{kind}-{len(fields)}-{fields.get('plate_id')}"
    edge_id = f"gate-{kind}-{fields.get('plate_id')}"
    plate = "43A00003"
    if any(row["plate_id"] == plate and row["status"] == "IN" for row in rows(one)):
        leave(one, plate)
    entry = {"plate_id": plate, "direction": "ENTRY", "request_id": request_id}
    opened = ask(one, edge_id, "BARRIER_OPEN", **entry)
    wait_equal(three.centrals, when=lambda h: any(r["event_id"] == opened["event_id"] for r in h))
    for central in (one, two):
        answer = ask(central, edge_id, kind, **fields, request_id=request_id)
        assert answer["success"] is False
        assert answer["error"]["code"] == "bad_request"
        assert "request_id" in answer["error"]["message"]
    leave(one, plate)


def test_one_act_recorded_on_both_sides_of_a_cut_is_one_stay_and_no_conflict(make_site) -> None:
    site = make_site(2)
    one, two = site.centrals
    entry = {"plate_id": "43A00004", "direction": "ENTRY", "request_id": "cut-1"}
    one.start()
    opened = ask(one, "gate-1", "BARRIER_OPEN", **entry)
    one.kill()
    two.start()
    twin = ask(two, "gate-1", "BARRIER_OPEN", **entry)
    assert twin["success"] is True
    assert twin["event_id"] != opened["event_id"]
    one.start()
    (stay,) = wait_equal(site.centrals, when=lambda h: len(h) == 1)
    wait_events(site.centrals, 2)
    assert stay["event_id"] == opened["event_id"]
    for central in site.centrals:
        again = ask(central, "gate-1", "BARRIER_OPEN", **entry)
        assert again["action"] == "ENTRY"
        assert again["event_id"] in (opened["event_id"], twin["event_id"])
    closed = ask(one, "gate-9", "BARRIER_CLOSE", event_id=twin["event_id"])
    assert (closed["action"], closed["event_id"]) == ("ENTRY_CONFIRMED", opened["event_id"])
    (stay,) = wait_equal(site.centrals, when=lambda h: h[0]["confirmed"])
    assert stay["remarks"] is None


def test_an_open_without_request_id_and_direction_repeated_at_once_is_a_retry(three) -> None:
    one = three.centrals[0]

    def asked(kind: str, **fields: str) -> Answer:
        """EdgeClient always names its requests; an older camera does not."""
        (answer,) = flood(one, [{"type": kind, "edge_id": "gate-n", **fields}])
        return answer

    first = asked("BARRIER_OPEN", plate_id="43A00005")
    again = asked("BARRIER_OPEN", plate_id="43A00005")
    assert (first["action"], first["request_id"]) == ("ENTRY", None)
    assert again == first
    assert asked("BARRIER_CLOSE")["action"] == "ENTRY_CONFIRMED"
    after = asked("BARRIER_OPEN", plate_id="43A00005")
    assert after["action"] == "EXIT", "the barrier closed in between: this is a new act"


def test_a_refusal_is_answered_afresh(three) -> None:
    one, two, _ = three.centrals
    plate = "43A00006"
    asked = {"plate_id": plate, "direction": "EXIT", "request_id": "fresh-1"}
    refused = ask(two, "gate-f", "BARRIER_OPEN", **asked)
    assert refused["error"]["code"] == "not_inside"
    enter(one, plate)
    wait_for(
        "it is known at the other",
        lambda: ask(two, "gate-f", "DETECTION", plate_id=plate)["vehicle_info"]["already_inside"],
        PATIENCE_S,
    )
    left = ask(two, "gate-f", "BARRIER_OPEN", **asked)
    assert (left["success"], left["action"]) == (True, "EXIT")
    assert ask(two, "gate-f", "BARRIER_OPEN", **asked) == left
