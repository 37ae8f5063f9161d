"""The policy of a real site: set at one central, and what gates do at all a moment later."""

import json
from pathlib import Path
from typing import Any

from tests.support.harness import (
    PATIENCE_S,
    ask,
    enter,
    leave,
    problems,
    rows,
    wait_equal,
    zparkctl,
)
from zparkd.testbed.loopback import LoopbackCentral, LoopbackSite, wait_for

POLICY = """
[capacity]
motorbike = 1
[entry]
full = "refuse"
not_taken_after_s = 1
[exit]
misread = "accept"
[watch]
"51G-999.99" = "stolen"
"""


def ctl(central: LoopbackCentral, *words: str) -> Any:
    """What zparkctl prints as JSON."""
    done = zparkctl(central.config, *words, "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def set_policy(site: LoopbackSite, folder: Path, text: str) -> None:
    """Set it at the first central, and wait until it counts at all."""
    file = folder / "policy.toml"
    file.write_text(text)
    version = ctl(site.centrals[0], "policy", "set", str(file))["version"]
    for central in site.centrals:
        wait_for(
            f"{central.id} has the policy",
            lambda central=central: ctl(central, "policy", "show")["version"] == version,
            PATIENCE_S,
        )


def open_(central: LoopbackCentral, edge_id: str, **fields: object) -> dict[str, Any]:
    return ask(central, edge_id, "BARRIER_OPEN", **fields)


def row_of(central: LoopbackCentral, event_id: str) -> dict[str, Any] | None:
    return next((row for row in rows(central) if row["event_id"] == event_id), None)


def test_an_operator_lets_a_misread_vehicle_out_at_another_gate(
    three: LoopbackSite, tmp_path: Path
) -> None:
    first, second, third = three.centrals
    set_policy(three, tmp_path, '[exit]\nmisread = "ask"\n')
    event_id = enter(first, "29A12345", plate_view="29A-123.45")["event_id"]
    wait_equal(three.centrals, when=lambda held: event_id in [row["event_id"] for row in held])
    seen = {"plate_id": "29AI2346", "direction": "EXIT"}
    assert open_(second, "out-2", **seen)["error"]["code"] == "not_inside"
    info = ask(second, "out-2", "DETECTION", **seen)["vehicle_info"]
    [candidate] = info["candidates"]
    assert (candidate["event_id"], candidate["strong"]) == (event_id, False)
    left = open_(second, "out-2", **seen, event_id=candidate["event_id"])
    assert (left["action"], left["event_id"], left["fee"]) == ("EXIT", event_id, 25_000)
    wait_for(
        "it is out at the third",
        lambda: (row_of(third, event_id) or {})["status"] == "OUT",
        PATIENCE_S,
    )
    row = row_of(third, event_id)
    assert row is not None
    assert (row["plate_read"], row["closed_by"]) == ("29AI2346", "EXIT")
    assert "MISREAD" in row["remarks"]


def test_a_policy_set_at_one_central_counts_at_every_gate(
    three: LoopbackSite, tmp_path: Path
) -> None:
    _, second, third = three.centrals
    set_policy(three, tmp_path, POLICY)

    event_id = enter(second, "30F67890")["event_id"]
    answers = []

    def leaves() -> bool:
        """As soon as no peer may know better."""
        answers.append(open_(second, "out-1", plate_id="3OF67B90", direction="EXIT"))
        return answers[-1]["success"] is True

    wait_for("the only strong candidate leaves", leaves, PATIENCE_S)
    assert answers[-1]["event_id"] == event_id

    enter(third, "29B112345", camera_type="motorbike")
    full = open_(third, "in-1", plate_id="29B199999", camera_type="motorbike", direction="ENTRY")
    assert full["error"]["code"] == "full"
    forced = {"force": True, "reason": "the mayor", "direction": "ENTRY"}
    over = open_(third, "in-1", plate_id="29B199999", camera_type="motorbike", **forced)
    wait_for("it is shown", lambda: row_of(third, over["event_id"]) is not None, PATIENCE_S)
    row = row_of(third, over["event_id"])
    assert row is not None
    assert "OVER_CAPACITY" in row["remarks"]

    info = ask(third, "in-1", "DETECTION", plate_id="51G99999")["vehicle_info"]
    assert info["watch"] == "stolen"
    assert "WATCHED_PLATE" in problems(third)


def test_who_does_not_drive_in_at_a_lane_that_reports_closes_is_outside(
    three: LoopbackSite, tmp_path: Path
) -> None:
    first, second, _ = three.centrals
    set_policy(three, tmp_path, POLICY)
    first.edge_file("gate").write_text('id = "gate"\nreports_close = true\n')
    assert zparkctl(first.config, "reload").returncode == 0
    event_id = open_(first, "gate", plate_id="29A55555", direction="ENTRY")["event_id"]
    wait_for(
        "it is not inside at the second",
        lambda: (row_of(second, event_id) or {"closed_by": None})["closed_by"] == "NOT_TAKEN",
        PATIENCE_S,
    )
    assert leave(second, "29A55555")["event_id"] == event_id, "it is inside all the same"
    wait_for(
        "its exit counts at the first",
        lambda: (row_of(first, event_id) or {})["closed_by"] == "EXIT",
        PATIENCE_S,
    )


def test_what_was_taken_by_hand_is_in_the_history_of_the_stay_it_ends(three: LoopbackSite) -> None:
    first, *_ = three.centrals
    event_id = enter(first, "29A77777")["event_id"]
    paid = leave(first, "29A77777", force=True, reason="the printer is out of paper", fee=20_000)
    assert (paid["event_id"], paid["fee"]) == (event_id, 20_000)
    stranger = leave(
        first, "29A88888", force=True, reason="no ticket", entry_time="2025-12-02 10:30"
    )
    assert stranger["unmatched"] is True
    assert stranger["fee"] > 0
