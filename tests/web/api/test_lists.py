"""`/api/passes` and `/api/staff`: set as a whole, judged as a whole, seen on the command line."""

import json

import pytest

from tests.support.gateway import Gateway
from zparkd.testbed.loopback import zparkctl

PASS = {
    "plate_id": "29A12345",
    "camera_type": "car",
    "valid_from": "2025-12-01",
    "valid_until": "2099-12-31",
    "holder": "Lan",
}


def put(gateway: Gateway, name: str, rows: object, tag: str | None = None):
    headers = {"If-Match": tag} if tag else {}
    return gateway.http.put(f"/api/{name}", json={name: rows}, headers=headers)


def test_passes_are_set_as_a_whole_and_are_those_of_the_command_line(gateway: Gateway) -> None:
    other = {**PASS, "plate_id": "30F-567.89", "holder": None}
    done = put(gateway, "passes", [PASS, other]).json()
    assert (done["added"], done["changed"], done["removed"]) == (2, 0, 0)
    held = gateway.get("/api/passes").json()["passes"]
    assert [row["plate_id"] for row in held] == ["29A12345", "30F56789"]
    assert held == json.loads(zparkctl(gateway.central.config, "pass", "list", "--json"))
    done = put(gateway, "passes", [{**PASS, "holder": "Hoa"}]).json()
    assert (done["added"], done["changed"], done["removed"]) == (0, 1, 1)
    assert put(gateway, "passes", []).json()["removed"] == 1


def test_staff_is_set_as_a_whole_and_who_is_not_on_it_may_not_correct(gateway: Gateway) -> None:
    assert put(gateway, "staff", [{"staff_id": "nv01", "name": "Lan"}]).json()["added"] == 1
    [held] = gateway.get("/api/staff").json()["staff"]
    assert (held["staff_id"], held["name"], held["changed_by"]) == ("nv01", "Lan", "central-1")
    said = {"plate": "29A11111", "at": "2025-12-02 08:00", "staff_id": "nv02", "reason": "x"}
    refused = gateway.http.post("/api/corrections/enter", json=said)
    assert (refused.status_code, refused.json()["error"]["code"]) == (403, "not_staff")
    assert put(gateway, "staff", []).json()["removed"] == 1


def test_who_changes_what_somebody_else_changed_meanwhile_is_told(gateway: Gateway) -> None:
    tag = gateway.get("/api/staff").headers["etag"]
    assert put(gateway, "staff", [{"staff_id": "nv01"}], tag).status_code == 200
    late = put(gateway, "staff", [{"staff_id": "nv02"}], tag)
    assert (late.status_code, late.json()["error"]["code"]) == (412, "changed_meanwhile")
    assert [row["staff_id"] for row in gateway.get("/api/staff").json()["staff"]] == ["nv01"]
    put(gateway, "staff", [])


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([{**PASS, "valid_until": "2025-01-01"}], "valid_until"),
        ([{**PASS, "plate_id": "?"}, {**PASS, "valid_from": "yesterday"}], "plate_id"),
        ("none", "list"),
        (None, "list"),
    ],
)
def test_a_list_at_fault_changes_nothing_and_every_fault_is_told(
    gateway: Gateway, rows: object, said: str
) -> None:
    before = gateway.get("/api/passes").json()
    refused = put(gateway, "passes", rows)
    assert refused.status_code == 422
    assert said in refused.json()["detail"]
    assert gateway.get("/api/passes").json() == before


def test_a_list_of_thousands_is_taken_in(gateway: Gateway) -> None:
    rows = [{**PASS, "plate_id": f"29A{number:05d}"} for number in range(3000)]
    assert put(gateway, "passes", rows).json()["added"] == 3000
    assert len(gateway.get("/api/passes").json()["passes"]) == 3000
    assert put(gateway, "passes", []).json()["removed"] == 3000
