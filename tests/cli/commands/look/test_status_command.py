"""`zparkctl status`: the screen, the JSON, and the ways of not getting either."""

import os
import pty
import re
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import click
import orjson
import pytest

from tests.cli.conftest import ROOT, Central
from tests.support.scripted import Script
from zparkd.cli.commands.look.status import screen

NOW = datetime(2025, 12, 2, 10, 30, tzinfo=UTC)


def ago(**how_long: float) -> str:
    return (NOW - timedelta(**how_long)).isoformat()


def peer(peer_id: str, **more: object) -> dict[str, object]:
    return {
        "peer_id": peer_id,
        "peer_ip": "192.168.1.102",
        "peer_port": 9000,
        "connected": True,
        "last_ping_time": ago(seconds=0.4),
        "behind": 0,
        "lag": 0,
        "clock_offset_ms": 3,
        "error": None,
        **more,
    }


def answer(**more: object) -> dict[str, Any]:
    return {
        "success": True,
        "this_central": "central-1",
        "site": "lot-a",
        "version": "0.1.0",
        "running": True,
        "standalone_mode": False,
        "total_peers": 1,
        "connected_peers": 1,
        "messages_sent": 120,
        "messages_received": 118,
        "vehicles_inside": 412,
        "events": 12034,
        "only_here": 0,
        "open_conflicts": 0,
        "config_error": None,
        "problems": [],
        "edges": [{"edge_id": "edge-1", "last_seen": ago(minutes=5)}],
        "peers": [peer("central-2")],
        **more,
    }


def shown(**more: object) -> str:
    return click.unstyle(screen(answer(**more), NOW))


def test_reference_data_is_shown_where_there_is_any() -> None:
    held = {"tariff_version": 3, "passes": 1214, "staff": 12}
    api = {"last_good": ago(minutes=5), "fetches": True, "last_fault": None}
    assert "\n\ntariff: version 3, policy: none, passes: 1,214, staff: 12\n\n" in shown(
        reference=held
    )
    whole = "\nexternal API: last whole 5 min ago, asked by this central\n\n"
    assert whole in shown(reference=held, external_api=api)
    api |= {"last_good": None, "fetches": False}
    never = "\n\nexternal API: last whole never, asked by another central\n\n"
    assert never in shown(reference={"tariff_version": None, "passes": 0}, external_api=api)
    assert "tariff" not in shown(reference={"tariff_version": None, "passes": 0, "staff": 0})


def test_the_screen_of_a_healthy_central() -> None:
    peers = [
        peer("central-2"),
        peer(
            "central-3",
            connected=False,
            last_ping_time=ago(hours=3, minutes=12),
            behind=None,
            lag=1214,
            clock_offset_ms=None,
        ),
        peer(
            "central-4",
            connected=False,
            last_ping_time=None,
            behind=None,
            lag=None,
            clock_offset_ms=None,
        ),
        peer("central-5", connected=False, error="site lot-b"),
        peer("central-6", connected=False, state="does not hear us"),
    ]
    assert shown(uptime_s=11520, only_here=214, peers=peers) == (
        "central-1 of site lot-a, zparkd 0.1.0, up 3 h 12 min\n"
        "412 vehicles inside, 12,034 events, 214 only here\n"
        "\n"
        "PEER       STATE             LAST HEARD      BEHIND    LAG  CLOCK\n"
        "central-2  connected         0.4 s ago            0      0  +3 ms\n"
        "central-3  not heard         3 h 12 min ago       ?  1,214      ?\n"
        "central-4  never heard       never                ?      ?      ?\n"
        "central-5  site lot-b        0.4 s ago            0      0  +3 ms\n"
        "central-6  does not hear us  0.4 s ago            0      0  +3 ms\n"
        "\n"
        "EDGE    LAST SEEN\n"
        "edge-1  5 min ago\n"
        "\n"
        "conflicts: none\n"
        "\n"
        "problems: none"
    )


def test_a_standalone_central_says_so_and_nothing_is_blank() -> None:
    assert shown(standalone_mode=True, total_peers=0, peers=[], edges=[]) == (
        "central-1 of site lot-a, zparkd 0.1.0\n"
        "412 vehicles inside, 12,034 events, none only here\n"
        "\n"
        "peers: none, this central is standalone\n"
        "\n"
        "edges: none\n"
        "\n"
        "conflicts: none\n"
        "\n"
        "problems: none"
    )


def test_an_edge_that_was_never_seen() -> None:
    assert "edge-9  never" in shown(edges=[{"edge_id": "edge-9", "last_seen": None}])


def test_problems_come_with_code_message_and_way_out() -> None:
    problems = [
        {"code": "PEER_DOWN", "message": "central-3 has not been heard", "hint": "look there"},
        {"code": "CLOCK_SKEW", "message": "12 s ahead of the others", "hint": "start chrony"},
    ]
    assert shown(problems=problems).endswith(
        "problems: 2\n"
        "  PEER_DOWN: central-3 has not been heard\n"
        "    → look there\n"
        "  CLOCK_SKEW: 12 s ahead of the others\n"
        "    → start chrony"
    )


def test_a_fault_of_the_configuration_is_shown_once() -> None:
    fault = "/etc/zparkd/zparkd.toml:3: central.sit: unknown key"
    assert f"BAD_CONFIG: {fault}" in shown(config_error=fault).replace("\n    ", " ")
    problem = {"code": "BAD_CONFIG", "message": fault, "hint": "mend it"}
    assert shown(config_error=fault, problems=[problem]).count("BAD_CONFIG") == 1


def test_each_fault_of_the_configuration_has_a_line_of_its_own() -> None:
    faults = "a.toml:1: id: is missing\nb.toml:2: x: unknown key"
    assert "a.toml:1: id: is missing\n    b.toml:2: x: unknown key" in shown(config_error=faults)


def test_many_edges_leave_room_for_what_matters() -> None:
    edges = [{"edge_id": f"edge-{n}", "last_seen": ago(minutes=n)} for n in range(1, 31)]
    text = shown(edges=edges[::-1])
    assert re.findall(r"^edge-\d+", text, re.M) == [f"edge-{n}" for n in range(30, 22, -1)]
    assert "and 22 more, seen 22 min ago or later" in text


def test_edges_that_never_called_come_first() -> None:
    edges: list[dict[str, object]] = [
        {"edge_id": f"edge-{n}", "last_seen": ago(minutes=n)} for n in range(1, 4)
    ]
    edges.append({"edge_id": "edge-9", "last_seen": None})
    order = [f"edge-{n}" for n in (9, 3, 2, 1)]
    assert re.findall(r"^edge-\d", shown(edges=edges), re.M) == order
    many = [{"edge_id": f"edge-{n:02}", "last_seen": None} for n in range(10)]
    assert "and 2 more, of which 2 never called" in shown(edges=many)


def test_conflicts_that_wait_for_a_person_are_counted() -> None:
    assert "\n\nconflicts: 1,214 to look at (zparkctl conflicts)\n\n" in shown(open_conflicts=1214)


def test_names_too_long_for_the_screen_keep_their_ends() -> None:
    peers = [
        peer(
            f"{'a-gate-far-away-in-the-north-':.29}{n:03}", behind=10**7, lag=10**7, error="e" * 99
        )
        for n in range(2)
    ]
    lines = shown(peers=peers).splitlines()
    assert [line.split()[0][-3:] for line in lines if line.startswith("a-gate")] == ["000", "001"]


def test_the_longest_names_and_numbers_fit_80_columns() -> None:
    worst = shown(
        this_central="c" * 32,
        site="s" * 32,
        uptime_s=99_999_999,
        peers=[
            peer(
                "p" * 32,
                error="e" * 200,
                last_ping_time=ago(hours=47, minutes=59),
                behind=12_345_678,
                lag=12_345_678,
                clock_offset_ms=-9999,
            )
        ],
        edges=[{"edge_id": "e" * 64, "last_seen": ago(hours=47, minutes=59)}],
        problems=[{"code": "C" * 20, "message": "word " * 60, "hint": "word " * 60}],
    )
    assert max(map(len, worst.split("\n"))) <= 80


def test_an_answer_of_another_version_is_still_a_screen() -> None:
    text = click.unstyle(screen({"success": True}, NOW))
    assert "? of site ?" in text
    assert "? vehicles inside, ? events, ? only here" in text


def test_json_is_the_answer_without_its_envelope(
    central: Central, answering: Callable[..., Script]
) -> None:
    with central.daemon(answering(**answer())) as daemon:
        result = central.run("status", "--json")
    assert result.exit_code == 0
    printed = orjson.loads(result.stdout)
    assert printed == {"schema": "zparkctl.status/1", **answer()}
    assert daemon.requests[0]["command"] == "status"


def test_a_user_sees_the_screen_without_colour_when_piped(
    central: Central, answering: Callable[..., Script]
) -> None:
    with central.daemon(answering(**answer())):
        done = central.spawn("status", FORCE_COLOR="1")
    assert done.returncode == 0, done.stderr
    assert "\x1b" not in done.stdout
    assert "central-2  connected" in done.stdout


@pytest.mark.parametrize(("environment", "coloured"), [({}, True), ({"NO_COLOR": "1"}, False)])
def test_a_terminal_has_colour_unless_refused(
    central: Central,
    answering: Callable[..., Script],
    environment: dict[str, str],
    coloured: bool,
) -> None:
    variables = {key: value for key, value in os.environ.items() if key != "NO_COLOR"}
    ours, theirs = pty.openpty()
    with central.daemon(answering(**answer())):
        done = subprocess.run(
            [sys.executable, "-m", "zparkd.cli.main", "-c", str(central.file), "status"],
            cwd=ROOT,
            env=variables | {"TERM": "xterm"} | environment,
            stdout=theirs,
            timeout=60,
            check=False,
        )
    os.close(theirs)
    text = os.read(ours, 65536).decode()
    os.close(ours)
    assert done.returncode == 0
    assert ("\x1b[32m" in text) is coloured
    assert "central-1 of site lot-a" in text


def test_no_daemon_exits_69_and_says_how_to_start_it(central: Central) -> None:
    done = central.spawn("status")
    assert done.returncode == 69
    assert done.stdout == ""
    assert "systemctl start zparkd" in done.stderr
    assert str(central.control) in done.stderr


def test_no_daemon_with_json_prints_an_object_too(central: Central) -> None:
    done = central.spawn("status", "--json")
    assert done.returncode == 69
    printed = orjson.loads(done.stdout)
    assert printed["success"] is False
    assert printed["running"] is False
    assert printed["error"]["code"] == "daemon_unreachable"
    assert printed["error"]["message"] == done.stderr.strip()


def test_a_no_of_the_daemon_exits_1(central: Central, answering: Callable[..., Script]) -> None:
    error = {"code": "storage_unavailable", "message": "the disk is full"}
    with central.daemon(answering(success=False, error=error)):
        result = central.run("status", "--json")
    assert result.exit_code == 1
    assert "the disk is full" in result.stderr
    assert orjson.loads(result.stdout)["error"] == error


@pytest.mark.parametrize("damage", ["[[[\n", "unknown_key = 1\n", "x = \xff\n"])
def test_a_running_daemon_is_found_in_spite_of_a_bad_file(
    central: Central, answering: Callable[..., Script], damage: str
) -> None:
    text = central.file.read_text()
    central.file.write_bytes((damage + text + damage).encode("latin-1"))
    with central.daemon(answering(**answer(config_error="zparkd.toml:1: syntax: not TOML"))):
        result = central.run("status")
    assert result.exit_code == 0, result.stderr
    assert "BAD_CONFIG" in result.stdout


def test_a_bad_peer_file_does_not_hide_a_running_daemon(
    central: Central, answering: Callable[..., Script]
) -> None:
    central.add("peers.d/central-2.toml", 'id = "central-2"\nadress = "127.0.0.1"\n')
    with central.daemon(answering(**answer())):
        assert central.run("status").exit_code == 0


def test_a_bad_file_and_no_daemon_exits_78_with_the_faults(central: Central) -> None:
    file = central.add("peers.d/central-2.toml", 'id = "central-2"\nadress = "127.0.0.1"\n')
    done = central.spawn("status", "--json")
    assert done.returncode == 78
    assert len(done.stderr.splitlines()) == 2
    assert all(
        re.match(rf"{re.escape(str(file))}:\d+: ", line) for line in done.stderr.splitlines()
    )
    printed = orjson.loads(done.stdout)
    assert printed["success"] is False
    assert printed["faults"] == done.stderr.splitlines()


def test_lanes_show_the_last_event_reads_misreads_opens_and_what_is_wrong() -> None:
    lane = {"told": ago(seconds=4), "last_event": ago(minutes=2), "reads": 1284, "misreads": 37}
    lane |= {"open_p50_ms": 38.4, "silent": False, "fault": None}
    edges = [
        {"edge_id": "in-1", "last_seen": ago(minutes=2), "lane": lane},
        {"edge_id": "in-2", "last_seen": ago(hours=3), "lane": {**lane, "silent": True}},
        {"edge_id": "in-3", "last_seen": None, "lane": {**lane, "fault": "the relay said 500"}},
        {"edge_id": "in-4", "last_seen": None, "lane": {**lane, "told": ago(minutes=9)}},
        {"edge_id": "by-hand", "last_seen": ago(minutes=1), "lane": None},
    ]
    text = shown(edges=edges)
    assert re.search(r"EDGE +LAST SEEN +LAST EVENT +READS +MISREADS +P50 +LANE", text)
    assert re.search(r"in-1 .* 1,284 +37 +38 ms +good", text)
    assert re.search(r"in-2 .* camera silent", text)
    assert re.search(r"in-3 .* the relay said 500", text)
    assert re.search(r"in-4 .* not told for 9", text)
    assert re.search(r"by-hand .* none +none +none +none +none", text)
