"""Who acts at the gateway is in the event, in the log line, and can't be somebody else."""

import json
import os
import sqlite3
from contextlib import closing
from typing import Any

import httpx
import pytest

from tests.support.gateway import Gateway, account
from tests.web.auth.test_access import PASSWORD, bearer, client, log_in
from tests.web.conftest import MakeSite
from zparkd.config.load import SecurityMode
from zparkd.testbed.loopback import LoopbackCentral, wait_for

TARIFF = """
[[rate]]
camera_type = "car"
currency = "VND"
[[rate.step]]
every_minutes = 60
amount = 10
"""


def events(central: LoopbackCentral, kind: str) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    """Skeleton and personal part of all events of a kind."""
    address = f"{central.database.as_uri()}?mode=ro"
    with closing(sqlite3.connect(address, uri=True, timeout=5)) as database:
        found = database.execute(
            "SELECT skeleton, sealed FROM events WHERE kind=? ORDER BY at", (kind,)
        ).fetchall()
    return [(json.loads(skeleton), json.loads(sealed)) for skeleton, sealed in found]


@pytest.fixture
def staffed(make_site: MakeSite) -> Any:
    """A gateway with lan, who is nv01, and mai, who has no staff id."""
    site = make_site(1)
    site.start()
    [central] = site.centrals
    for arguments in (("lan", "--staff", "nv01"), ("mai",)):
        done = account(central, "user", "add", *arguments, "--role", "admin", said=f"{PASSWORD}\n")
        assert done.exit_code == 0, done.output
    with Gateway(central) as gateway:
        yield gateway


def open_for(browser: httpx.Client, plate: str, **fields: object) -> httpx.Response:
    body = {"edge_id": "desk", "plate_id": plate, "direction": "ENTRY", **fields}
    return browser.post("/api/edge/barrier/open", json=body)


def test_who_is_logged_in_is_in_the_event_and_the_log(staffed: Gateway) -> None:
    central = staffed.central
    with client(staffed) as lan, client(staffed) as mai:
        log_in(lan, "lan")
        log_in(mai, "mai")
        assert lan.get("/api/session").json()["staff_id"] == "nv01"
        assert open_for(lan, "29A11111").is_success
        assert open_for(lan, "29A22222", staff_id="nv01").is_success
        assert open_for(mai, "29A33333", staff_id=None).is_success
        said = [
            (skeleton["data"]["by"], personal["staff_id"])
            for skeleton, personal in events(central, "VEHICLE_ENTRY_PENDING")
        ]
        assert said == [({"login": "lan"}, "nv01")] * 2 + [({"login": "mai"}, "mai")]
        story = mai.get("/api/parking/vehicles/29A11111").json()["events"]
        assert [event["by"] for event in story] == ["lan"]
        assert mai.put("/api/tariff", content=TARIFF).is_success
    [(tariff, _)] = events(central, "TARIFF_SET")
    assert tariff["data"]["by"] == {"login": "mai"}
    lines = (
        "tariff.set done, requested by mai, through uid",
        "29A11111 (car) in at desk",
        ", by lan\n",
        "tariff version 1 set, by mai\n",
    )
    wait_for("it is in the log", lambda: all(line in central.log.read_text() for line in lines))


@pytest.mark.parametrize("staff_id", ["nv02", "mai", 7, ""])
def test_a_person_acts_for_nobody_else(staffed: Gateway, staff_id: object) -> None:
    with client(staffed) as lan:
        log_in(lan, "lan")
        answer = open_for(lan, "29A44444", staff_id=staff_id, force=True, reason="because")
        assert (answer.status_code, answer.json()["error"]["code"]) == (403, "forbidden")
        assert "--staff" in answer.json()["error"]["message"]
    assert events(staffed.central, "VEHICLE_ENTRY_PENDING") == []


def test_a_machine_says_for_whom_it_acts(staffed: Gateway) -> None:
    made = account(staffed.central, "token", "add", "desk-1", "--role", "operator")
    headers = bearer(made.stdout.strip())
    with client(staffed) as machine:
        machine.headers.update(headers)
        wait_for("it is known", lambda: machine.get("/api/p2p/status").is_success)
        assert open_for(machine, "29A55555", staff_id="nv07").is_success
    [(skeleton, personal)] = events(staffed.central, "VEHICLE_ENTRY_PENDING")
    assert (skeleton["data"]["by"], personal["staff_id"]) == ({"login": "desk-1"}, "nv07")


def test_without_credentials_it_is_the_account_that_asked(gateway: Gateway) -> None:
    assert open_for(gateway.http, "29A66666").is_success
    [(skeleton, personal)] = events(gateway.central, "VEHICLE_ENTRY_PENDING")
    assert skeleton["data"]["by"] == {"uid": os.geteuid()}
    assert "staff_id" not in personal


def test_with_keys_an_edge_that_is_not_configured_opens_nothing_over_http(
    make_site: MakeSite,
) -> None:
    site = make_site(1, mode=SecurityMode.CURVE)
    site.start()
    [central] = site.centrals
    central.admits("desk")
    with Gateway(central) as gateway:
        wait_for("desk is known", lambda: open_for(gateway.http, "29A77777").is_success)
        answer = open_for(gateway.http, "29A88888", edge_id="desk-9")
        assert (answer.status_code, answer.json()["error"]["code"]) == (403, "forbidden")
        assert "edges.d" in answer.json()["error"]["message"]
    assert len(events(central, "VEHICLE_ENTRY_PENDING")) == 1
