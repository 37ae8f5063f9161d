"""`zparkctl reload`: waits for what comes of it, and hands the faults on."""

from collections.abc import Callable

import orjson

from tests.cli.conftest import Central
from tests.support.scripted import Script

FAULTS = [
    "/etc/zparkd/peers.d/x.toml:2: adress: unknown key; write address",
    "/etc/zparkd/zparkd.toml:1: central.id: needs a restart; restart zparkd",
]


def test_a_reload_that_took_effect_exits_0(
    central: Central, answering: Callable[..., Script]
) -> None:
    with central.daemon(answering(success=True)) as daemon:
        done = central.spawn("reload")
    assert done.returncode == 0, done.stderr
    assert daemon.requests[0]["command"] == "reload"
    assert str(central.file) in done.stdout


def test_faults_are_printed_one_a_line_and_exit_78(
    central: Central, answering: Callable[..., Script]
) -> None:
    with central.daemon(answering(success=False, faults=FAULTS)):
        done = central.spawn("reload")
    assert done.returncode == 78
    assert done.stderr.splitlines() == FAULTS
    assert done.stdout == ""


def test_the_daemon_is_asked_also_where_the_files_are_at_fault(
    central: Central, answering: Callable[..., Script]
) -> None:
    central.add("peers.d/x.toml", "adress = 1\n")
    with central.daemon(answering(success=False, faults=FAULTS)) as daemon:
        result = central.run("reload", "--json")
    assert len(daemon.requests) == 1
    assert result.exit_code == 78
    assert orjson.loads(result.stdout)["faults"] == FAULTS


def test_another_no_exits_1(central: Central, answering: Callable[..., Script]) -> None:
    error = {"code": "busy", "message": "another reload is under way"}
    with central.daemon(answering(success=False, error=error)):
        result = central.run("reload")
    assert result.exit_code == 1
    assert "another reload is under way" in result.stderr


def test_json_prints_the_answer(central: Central, answering: Callable[..., Script]) -> None:
    with central.daemon(answering(success=True)):
        result = central.run("reload", "--json")
    assert orjson.loads(result.stdout) == {"success": True}


def test_no_daemon_exits_69(central: Central) -> None:
    result = central.run("reload", "--json")
    assert result.exit_code == 69
    assert orjson.loads(result.stdout)["running"] is False
