"""`/openapi.json`: names every route and no other, and nothing that it allows makes a 500.

That answers are as it says, `tests/support/gateway.py` sees to in all tests of the gateway.
"""

import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import httpx
import pytest

from tests.support.gateway import Gateway, compared
from tests.support.schema import differences, unnamed
from zparkd.core.reports.records import Name
from zparkd.web.app import TABLE
from zparkd.web.forms.openapi import DOCUMENT

SCRIPTS = Path(sysconfig.get_path("scripts"))
FUZZER = shutil.which("schemathesis", path=str(SCRIPTS))


def test_it_names_every_route_and_no_other(gateway: Gateway) -> None:
    document = gateway.get("/openapi.json").json()
    named = {
        (method.upper(), path) for path, methods in document["paths"].items() for method in methods
    }
    assert named == {(method, path) for method, path, _, _ in TABLE}


def test_it_says_which_routes_need_nobody(gateway: Gateway) -> None:
    for method, path, role, _ in TABLE:
        operation = DOCUMENT["paths"][path][method.lower()]
        assert (operation.get("security") == []) is (role is None), path


def test_every_reference_leads_somewhere() -> None:
    def references(part: object) -> set[str]:
        if isinstance(part, list):
            return {found for one in part for found in references(one)}
        if isinstance(part, dict):
            here = {part["$ref"]} if isinstance(part.get("$ref"), str) else set()
            return here | {found for one in part.values() for found in references(one)}
        return set()

    for reference in references(DOCUMENT):
        place: object = DOCUMENT
        for name in reference.removeprefix("#/").split("/"):
            assert isinstance(place, dict)
            place = place[name]


def test_what_is_answered_is_compared_with_what_it_says(gateway: Gateway) -> None:
    answer = gateway.get("/healthz")
    assert compared(answer, DOCUMENT, differences) == []
    schemas = DOCUMENT["components"]["schemas"]
    healthy = {"properties": {"success": {"const": False}}, "required": ["since"]}
    planted = {**DOCUMENT, "components": {"schemas": {**schemas, "Healthy": healthy}}}
    found = compared(answer, planted, differences)
    assert found == ["$.since: is missing", "$.success: True is not False"]
    assert compared(answer, planted, unnamed) == ["$.status: is not in the document"]


@pytest.mark.slow  # another version of the daemon may say more
def test_it_names_all_that_the_daemon_and_the_database_say(gateway: Gateway) -> None:
    def post(path: str, **fields: object) -> httpx.Response:
        return gateway.http.post(f"/api/edge/{path}", json={"edge_id": "edge-1", **fields})

    plate = {"plate_id": "29A-123.45"}
    answers = [
        post("detection", **plate),
        post("barrier/open", **plate, direction="ENTRY"),
        post("barrier/open", force=True, reason="ambulance"),
        post("barrier/close"),
        post("detection", **plate),
        post("barrier/open", **plate, direction="EXIT"),
        *(gateway.get(f"/api/p2p/{name}") for name in ("config", "status", "sync-state")),
        *(gateway.get(f"/api/{name}") for name in ("session", "members", "conflicts", "audit")),
        *(gateway.get(f"/api/{name}") for name in ("events", "tariff", "policy")),
        *(gateway.get(f"/api/parking/{name}") for name in ("history", "traffic")),
        gateway.get("/api/parking/vehicles/29A12345"),
        *(gateway.get(f"/api/reports/{name}") for name in Name),
    ]
    for answer in answers:
        assert answer.status_code == 200, answer.text
        assert compared(answer, DOCUMENT, unnamed) == [], answer.url


def test_an_answer_has_all_that_its_form_has(gateway: Gateway) -> None:
    session = DOCUMENT["components"]["schemas"]["Session"]
    assert set(session["required"]) == set(session["properties"])
    assert set(gateway.get("/api/session").json()) == set(session["properties"])
    opened = DOCUMENT["components"]["schemas"]["Opened"]
    assert opened["required"] == ["success", "request_id", "action"]


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.skipif(not FUZZER, reason="schemathesis is missing: pip install .[fuzz]")
def test_nothing_that_it_allows_or_forbids_makes_a_500(gateway: Gateway) -> None:
    checks = "not_a_server_error,status_code_conformance,content_type_conformance"
    command = [
        *(sys.executable, str(FUZZER), "run", f"{gateway.url}/openapi.json"),
        *("--checks", f"{checks},response_schema_conformance", "--max-examples", "60"),
        *("--mode", "all", "--exclude-path", "/api/stream", "--exclude-path", "/"),
        *("--generation-database", "none", "--no-color", "--seed", "7"),
        *("--suppress-health-check", "all", "--request-timeout", "30"),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=580)
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-2000:]
    assert gateway.get("/healthz").status_code == 200
    assert "Traceback" not in gateway.log.read_text()
