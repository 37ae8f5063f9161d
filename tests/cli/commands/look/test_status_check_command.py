"""`zparkctl status --check`: the exit codes and the line that monitoring plugins give."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.cli.conftest import Central
from tests.support.scripted import Script
from zparkd.cli.commands.look.nagios import CRITICAL, judged

GOOD: dict[str, Any] = {
    "success": True,
    "this_central": "central-1",
    "site": "lot-a",
    "vehicles_inside": 12,
    "events": 300,
    "only_here": 0,
    "total_peers": 2,
    "connected_peers": 2,
    "problems": [],
}


def problem(code: str) -> dict[str, str]:
    return {"code": code, "message": f"about | {code}", "hint": "mend it"}


@pytest.mark.parametrize(
    ("differs", "code", "says"),
    [
        ({}, 0, "ZPARKD OK - central-1 of lot-a: 2 of 2 peers heard, 12 inside | inside=12"),
        ({"problems": [problem("PEER_DOWN")]}, 1, "ZPARKD WARNING - central-1 of lot-a: PEER_DOWN"),
        (
            {"problems": [problem("PEER_DOWN"), problem("STORAGE_UNAVAILABLE")]},
            2,
            "ZPARKD CRITICAL - central-1 of lot-a: STORAGE_UNAVAILABLE",
        ),
        ({"connected_peers": 0}, 2, "ZPARKD CRITICAL - central-1 of lot-a: ALONE"),
        ({"total_peers": 0, "connected_peers": 0}, 0, "ZPARKD OK - central-1 of lot-a: 0 of 0"),
        ({"success": False, "error": {"message": "no such thing"}}, 3, "ZPARKD UNKNOWN - no such"),
    ],
)
def test_each_state_has_its_exit_code_and_line(
    central: Central,
    answering: Callable[..., Script],
    differs: dict[str, Any],
    code: int,
    says: str,
) -> None:
    with central.daemon(answering(**{**GOOD, **differs})):
        result = central.run("status", "--check")
    assert result.exit_code == code
    assert result.stdout.startswith(says)
    assert len(result.stdout.splitlines()) == 1
    assert result.stdout.count("|") <= 1


def test_a_daemon_that_is_away_is_critical_and_a_bad_configuration_unknown(
    central: Central,
) -> None:
    result = central.run("status", "--check")
    assert (result.exit_code, result.stdout.startswith("ZPARKD CRITICAL - ")) == (2, True)
    central.file.write_text("not even TOML")
    result = central.run("status", "--check")
    assert (result.exit_code, result.stdout.startswith("ZPARKD UNKNOWN - ")) == (3, True)


def test_figures_that_are_not_known_are_left_out() -> None:
    assert "only_here" not in judged({**GOOD, "only_here": None}).figures
    assert judged(GOOD).figures == "inside=12 events=300 only_here=0 peers=2 problems=0"


def test_what_is_critical_are_codes_that_the_daemon_has() -> None:
    from tests.cli.conftest import ROOT

    source = "".join(path.read_text() for path in (ROOT / "zparkd/daemon").glob("*.py"))
    assert all(f'"{code}"' in source for code in CRITICAL)


def test_it_goes_with_no_other_form(central: Central) -> None:
    assert central.run("status", "--check", "--json").exit_code == 2
