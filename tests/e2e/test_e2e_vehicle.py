"""An operator's day: what was recorded wrongly is put right at any central, with zparkctl."""

import json
from typing import Any

from tests.support.harness import enter, leave, wait_equal, zparkctl
from zparkd.testbed.loopback import LoopbackCentral, LoopbackSite

WHY = "seen on the recording"
PLATE, OTHER = "29A12345", "30F99999"


def told(central: LoopbackCentral, *words: str) -> Any:
    """What the daemon of a central recorded."""
    done = zparkctl(central.config, "vehicle", *words, "--staff", "nv01", "--reason", WHY, "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def everywhere(site: LoopbackSite, what: str, **wanted: object) -> dict[str, Any]:
    """The only stay, once all centrals show it so."""

    def so(rows: list[dict[str, Any]]) -> bool:
        return len(rows) == 1 and all(rows[0][name] == value for name, value in wanted.items())

    return wait_equal(site.centrals, what, so)[0]


def test_corrections_at_any_central_reach_all_and_verify_stays_clean(three: LoopbackSite) -> None:
    first, second, third = three.centrals
    id = enter(first, PLATE)["event_id"]
    everywhere(three, "it came in", event_id=id)
    answer = told(second, "correct", id, "--plate", "30F-999.99")
    assert answer["stay"]["plate_id"] == OTHER
    assert (answer["recorded"]["staff_id"], answer["recorded"]["reason"]) == ("nv01", WHY)
    everywhere(three, "it is the other vehicle", plate_id=OTHER, plate_view="30F-999.99")
    assert leave(third, OTHER)["event_id"] == id
    everywhere(three, "it left", status="OUT")
    told(first, "charge", id, "--amount", "-5000")
    row = everywhere(three, "the refund is there", adjusted=-5000)
    assert (row["event_id"], row["fee"], row["remarks"]) == (id, 25_000, "CORRECTED")
    told(third, "void", id, "--exit")
    everywhere(three, "it is inside again", status="IN")
    told(second, "close", id, "--fee", "10000")
    row = everywhere(three, "it is closed", closed_by="CORRECTION")
    assert (row["fee"], row["remarks"]) == (10_000, "CORRECTED,CLOSED_BY_HAND")
    for central in three.centrals:
        checked = zparkctl(central.config, "verify")
        assert checked.returncode == 0, checked.stderr + checked.stdout
    shown = zparkctl(second.config, "vehicle", "show", OTHER)
    assert shown.returncode == 0, shown.stderr
    for word in (id, "corrected: 30F99999", "nv01", WHY, "VOIDED", "charged, -5,000"):
        assert word in shown.stdout
    story = json.loads(zparkctl(third.config, "vehicle", "show", PLATE, "--json").stdout)
    assert story["stays"] == []
    assert story["events"][0]["kind"] == "VEHICLE_ENTRY_PENDING"
    assert story["events"][0]["stay"] == id


def test_what_is_not_known_is_refused_with_the_nearest(three: LoopbackSite) -> None:
    central = three.centrals[0]
    enter(central, "51G12345")
    shown = zparkctl(central.config, "vehicle", "show", "51G1234S")
    assert shown.returncode == 1
    assert "51G12345" in shown.stderr
    refused = zparkctl(
        central.config, "vehicle", "void", "central-1_1_51G12345", "--staff", "x", "--reason", "y"
    )
    assert refused.returncode == 1
    assert "vehicle show" in refused.stderr
