"""`/openapi.json`: names every route and no other, and nothing that it allows makes a 500."""

import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from tests.support.gateway import Gateway
from zparkd.web.api.openapi import DOCUMENT
from zparkd.web.app import TABLE

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
