"""`GET /api/parking/vehicles/{plate_id}` and `GET /api/conflicts`: who saw it, and what counts."""

import json

from tests.support.gateway import Gateway
from tests.support.harness import ask, enter, leave, wait_equal
from tests.web.conftest import MakeSite
from zparkd.testbed.loopback import zparkctl


def test_the_whole_story_of_a_vehicle(gateway: Gateway) -> None:
    entry = enter(gateway.central, "29A12345", plate_view="29A-123.45")
    leave(gateway.central, "29A12345")
    ask(gateway.central, "in-1", "BARRIER_OPEN", plate_id="29A12345", captured_ms=0)
    fields = {"force": True, "reason": "no ticket", "staff_id": "nv01", "direction": "EXIT"}
    ask(gateway.central, "out-2", "BARRIER_OPEN", plate_id="29A12345", **fields)
    answer = gateway.get("/api/parking/vehicles/29a-123.45").json()
    assert answer["plate_id"] == "29A12345"
    [stay] = answer["stays"]
    assert (stay["event_id"], stay["status"], stay["fee"]) == (entry["event_id"], "OUT", 25000)
    events = answer["events"]
    assert [(event["kind"], event["verdict"]) for event in events] == [
        ("VEHICLE_ENTRY_PENDING", None),
        ("VEHICLE_ENTRY_CONFIRMED", None),
        ("VEHICLE_EXIT", None),
        ("VEHICLE_SEEN", None),
        ("VEHICLE_EXIT", "ENDED_NOTHING"),
    ]
    assert [event["counts_for"] for event in events] == [entry["event_id"]] * 3 + [None] * 2
    assert events[0]["plate_view"] == "29A-123.45"
    assert (events[2]["edge_id"], events[2]["fee"]) == ("out-1", 25000)
    assert (events[4]["forced"], events[4]["reason"], events[4]["staff_id"]) == (
        True,
        "no ticket",
        "nv01",
    )


def test_a_plate_that_was_never_here_and_one_that_is_none(gateway: Gateway) -> None:
    assert gateway.get("/api/parking/vehicles/99Z99999").status_code == 404
    assert gateway.get("/api/parking/vehicles/a").status_code == 400
    assert gateway.get("/api/parking/vehicles/%2e%2e%2fetc").status_code in (400, 404)
    assert gateway.get("/api/parking/vehicles/29A12345/more").status_code == 404


def test_two_entries_of_a_cut_site_lead_to_the_one_that_counts(make_site: MakeSite) -> None:
    with make_site(2, links=[]) as site:
        site.start()
        one, two = site.centrals
        older = enter(one, "51F00001")
        newer = enter(two, "51F00001")
        one.knows(two)
        two.knows(one)
        wait_equal([one, two], when=lambda found: len(found) == 1)
        site.wait_equal()
        with Gateway(two) as gateway:
            events = gateway.get("/api/parking/vehicles/51F00001").json()["events"]
            assert {event["counts_for"] for event in events} == {older["event_id"]}
            [lost] = [event for event in events if event["verdict"] == "SUPERSEDED"]
            assert lost["event_id"] == newer["event_id"]
            answer = gateway.get("/api/conflicts").json()
            listed = json.loads(zparkctl(two.config, "conflicts", "--json"))
            assert answer["conflicts"] == [
                {key: row[key] for key in row if key not in ("seen", "now")} for row in listed
            ]
            assert [row["kind"] for row in answer["conflicts"]] == ["SUPERSEDED"]
            assert gateway.get("/api/conflicts", limit=0).status_code == 400


def test_a_plate_with_a_story_is_found_by_part_and_by_look_alikes_with_a_stay_or_without(
    gateway: Gateway,
) -> None:
    enter(gateway.central, "43C10808", plate_view="43C-108.08")
    ask(gateway.central, "in-1", "BARRIER_OPEN", plate_id="43C77777", captured_ms=0)  # only seen

    def found(plate: str) -> list[tuple[str, str, bool, int]]:
        rows = gateway.get("/api/parking/vehicles", plate=plate).json()["vehicles"]
        return [(row["plate_id"], row["fit"], row["inside"], row["stays"]) for row in rows]

    assert found("43c-108.08") == [("43C10808", "same", True, 1)]
    assert found("c-108") == [("43C10808", "part", True, 1)]
    assert found("43CIOBO8") == [("43C10808", "alike", True, 1)]
    assert found("43C7777") == [("43C77777", "part", False, 0)]
    assert found("99Z99999") == []
    several = gateway.get("/api/parking/vehicles", plate="43c", limit=1).json()
    assert (len(several["vehicles"]), several["plates"]) == (1, 2)
    assert gateway.get("/api/parking/vehicles").status_code == 400
    assert gateway.get("/api/parking/vehicles", plate="?").status_code == 400
