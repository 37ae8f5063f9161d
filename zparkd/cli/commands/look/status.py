"""`zparkctl status`: one screen that answers "is it well?".

Every number comes from the daemon; here it is only put into words.
"""

import time
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from zparkd.cli import output
from zparkd.cli.commands.look.nagios import check
from zparkd.cli.context import ask_daemon, call, find_control, refuse
from zparkd.cli.output import NEVER, NONE, SCREEN, UNKNOWN, Cell
from zparkd.client.control import DaemonUnreachable

SCHEMA = "zparkctl.status/1"
_TOLD_S = 60  # lanes are told of every few seconds
_EDGES_SHOWN = 8  # peers and problems are to stay on the screen


@click.command(epilog="Example: zparkctl status --watch")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, with all that is known.")
@click.option(
    "--watch", is_flag=True, help="Again and again until ^C; with --json a line each time."
)
@click.option(
    "--interval",
    "interval_s",
    metavar="S",
    type=click.FloatRange(min=0.1),
    default=1.0,
    show_default=True,
    help="Seconds between two looks with --watch.",
)
@click.option(
    "--check",
    "as_check",
    is_flag=True,
    help="One line for Nagios and its like: exit 0 good, 1 warning, 2 critical, 3 unknown.",
)
@click.pass_obj
def status(file: Path, *, as_json: bool, watch: bool, interval_s: float, as_check: bool) -> None:
    """Is it well? This central, its peers and edges, and what is wrong."""
    if as_check:
        if watch or as_json:
            raise click.UsageError("--check: goes without --watch and --json")
        checked = check(file)
        click.echo(checked)
        raise click.exceptions.Exit(checked.state)
    answer = ask_daemon(file, "status", as_json=as_json)
    if answer.get("success") is not True:
        refuse(answer, as_json=as_json)
    if watch:
        _watch(file, answer, as_json=as_json, interval_s=interval_s)
    elif as_json:
        output.print_json({"schema": SCHEMA, **answer})
    else:
        click.echo(screen(answer, datetime.now(UTC)))


def _watch(file: Path, answer: dict[str, Any], *, as_json: bool, interval_s: float) -> None:
    """Show what the daemon says until ^C; a daemon that is restarted comes back by itself."""
    try:
        while True:
            began = time.monotonic()
            if as_json:
                output.print_json_line({"schema": SCHEMA, **answer})
            elif answer.get("success") is True:
                output.redraw(screen(answer, datetime.now(UTC)))
            else:
                output.redraw(output.bad(output.paragraph(answer["error"]["message"])))
            time.sleep(max(0.0, began + interval_s - time.monotonic()))
            answer = _looked_again(file)
    except KeyboardInterrupt:
        pass


def _looked_again(file: Path) -> dict[str, Any]:
    try:
        return call(find_control(file)[0], "status")
    except DaemonUnreachable as fault:
        error = {"code": "daemon_unreachable", "message": str(fault)}
        return {"success": False, "running": False, "error": error}


def screen(answer: Mapping[str, Any], now: datetime) -> str:
    """What `zparkctl status` shows a person of the daemon's `answer`, at `now`."""
    parts = [_itself(answer), _peers(answer, now), _edges(answer, now)]
    parts += [*_reference(answer, now), _conflicts(answer), _problems(answer)]
    return "\n\n".join(parts)


def _itself(answer: Mapping[str, Any]) -> str:
    uptime = answer.get("uptime_s")
    first = [
        f"{answer.get('this_central', UNKNOWN)} of site {answer.get('site', UNKNOWN)}",
        f"zparkd {answer.get('version', UNKNOWN)}",
    ]
    if uptime is not None:
        first.append(f"up {output.duration(uptime)}")
    only_here = answer.get("only_here")
    second = [
        f"{output.plural(answer.get('vehicles_inside'), 'vehicle')} inside",
        output.plural(answer.get("events"), "event"),
        f"{NONE if only_here == 0 else output.count(only_here)} only here",
    ]
    return "\n".join(output.paragraph(", ".join(line), rest="  ") for line in (first, second))


def _peers(answer: Mapping[str, Any], now: datetime) -> str:
    peers = answer.get("peers") or []
    if answer.get("standalone_mode") or not peers:
        return "peers: none, this central is standalone"
    headers = ("PEER", "STATE", "LAST HEARD", "BEHIND", "LAG", "CLOCK")
    rows = [
        (
            str(peer.get("peer_id", UNKNOWN)),
            _state(peer),
            _ago(peer.get("last_ping_time"), now),
            output.count(peer.get("behind")),
            output.count(peer.get("lag")),
            output.offset(peer.get("clock_offset_ms")),
        )
        for peer in peers
    ]
    return output.table(
        headers,
        rows,
        right=("BEHIND", "LAG", "CLOCK"),
        width=SCREEN,
        shrink={"STATE": 15, "PEER": 12},
        names=("PEER",),
    )


def _state(peer: Mapping[str, Any]) -> Cell:
    if error := peer.get("error"):
        return Cell(str(error), output.bad)
    style = output.good if peer.get("connected") else output.bad
    if state := peer.get("state"):
        return Cell(str(state), style)
    if peer.get("connected"):
        return Cell("connected", style)
    return Cell("not heard" if peer.get("last_ping_time") else "never heard", style)


def _edges(answer: Mapping[str, Any], now: datetime) -> str:
    edges = answer.get("edges") or []
    if not edges:
        return f"edges: {NONE}"
    # Who never called, and who has been silent for longest, comes first: that is the news.
    silent = sorted(edges, key=lambda edge: str(edge.get("last_seen") or ""))
    rows: list[tuple[str | Cell, ...]] = [
        (str(edge.get("edge_id", UNKNOWN)), _seen(edge, now)) for edge in silent[:_EDGES_SHOWN]
    ]
    headers: tuple[str, ...] = ("EDGE", "LAST SEEN")
    right: tuple[str, ...] = ()
    shrink = {"EDGE": 12}
    if any(edge.get("lane") for edge in edges):
        headers += ("LAST EVENT", "READS", "MISREADS", "P50", "LANE")
        right = ("READS", "MISREADS", "P50")
        shrink["LANE"] = 12
        rows = [
            (*row, *_lane(edge.get("lane"), now)) for row, edge in zip(rows, silent, strict=False)
        ]
    shown = output.table(
        headers,
        rows,
        width=SCREEN,
        shrink=shrink,
        names=("EDGE",),
        right=right,
    )
    if more := silent[_EDGES_SHOWN:]:
        first, never = more[0].get("last_seen"), sum(not edge.get("last_seen") for edge in more)
        how = f"seen {_ago(first, now)} or later" if first else f"of which {never} never called"
        shown += f"\nand {output.count(len(more))} more, {how} (--json lists all)"
    return shown


def _lane(lane: Mapping[str, Any] | None, now: datetime) -> tuple[str | Cell, ...]:
    """What a lane's controller says: the camera's last event, reads, misreads, opens, its state."""
    if lane is None:
        return (NONE, NONE, NONE, NONE, NONE)
    last, p50 = lane.get("last_event"), lane.get("open_p50_ms")
    told = datetime.fromisoformat(lane["told"])
    state = Cell("good", None)
    if (now - told).total_seconds() > _TOLD_S:
        state = Cell(f"not told for {_ago(lane['told'], now).removesuffix(' ago')}", output.bad)
    elif lane.get("fault"):
        state = Cell(str(lane["fault"]), output.bad)
    elif lane.get("silent"):
        state = Cell("camera silent", output.bad)
    return (
        _ago(last, now),
        output.count(lane.get("reads") or 0),
        output.count(lane.get("misreads") or 0),
        NONE if p50 is None else f"{p50:,.0f} ms",
        state,
    )


def _seen(edge: Mapping[str, Any], now: datetime) -> Cell:
    """When an edge was last heard; a configured one that never called stands out."""
    last_seen = edge.get("last_seen")
    return Cell(_ago(last_seen, now), output.bad if last_seen is None else None)


def _conflicts(answer: Mapping[str, Any]) -> str:
    """What waits for a person."""
    count = answer.get("open_conflicts")
    if count == 0:
        return f"conflicts: {NONE}"
    said = f"conflicts: {output.count(count)} to look at (zparkctl conflicts)"
    return output.bad(said) if count else said


def _reference(answer: Mapping[str, Any], now: datetime) -> list[str]:
    """Tariff, policy, passes and staff, where there are any, and how old what is fetched is."""
    held, api = answer.get("reference") or {}, answer.get("external_api")
    lines = []
    if any(held.get(name) for name in ("tariff_version", "policy_version", "passes", "staff")):
        said = (f"{name}: {_version(held.get(f'{name}_version'))}" for name in ("tariff", "policy"))
        lists = (f"{name}: {output.count(held.get(name))}" for name in ("passes", "staff"))
        lines.append(", ".join([*said, *lists]))
    if api is not None:
        whole = _ago(api.get("last_good"), now)
        by = "by this central" if api.get("fetches") else "by another central"
        lines.append(f"external API: last whole {whole}, asked {by}")
    if (uplink := answer.get("uplink")) is not None:
        lines.append(f"uplink: {_uplink(uplink)}")
    return ["\n".join(output.paragraph(line, rest="  ") for line in lines)] if lines else []


def _version(version: int | None) -> str:
    return f"version {version}" if version is not None else NONE


def _uplink(uplink: Mapping[str, Any]) -> str:
    """Who sends to the fleet, and how far that is."""
    if not uplink.get("running"):
        return "not running"
    if not uplink.get("sends"):
        return f"stands by, {uplink.get('sender') or UNKNOWN} sends"
    lag = uplink.get("lag")
    return "sends; the fleet " + (
        "has not answered" if lag is None else f"lacks {output.count(lag)} events"
    )


def _problems(answer: Mapping[str, Any]) -> str:
    problems = list(answer.get("problems") or [])
    fault = answer.get("config_error")
    if fault and not any(problem.get("code") == "BAD_CONFIG" for problem in problems):
        hint = "correct the file; it is read again by itself"
        problems.append({"code": "BAD_CONFIG", "message": fault, "hint": hint})
    if not problems:
        return f"problems: {NONE}"
    lines = [f"problems: {len(problems)}"]
    for problem in problems:
        said = f"{problem.get('code', UNKNOWN)}: {problem.get('message', UNKNOWN)}"
        lines += map(output.bad, output.paragraph(said, first="  ", rest="    ").split("\n"))
        if hint := problem.get("hint"):
            lines.append(output.paragraph(f"→ {hint}", first="    ", rest="      "))
    return "\n".join(lines)


def _ago(moment: object, now: datetime) -> str:
    """How long ago an ISO 8601 time was, in words."""
    if moment is None:
        return NEVER
    try:
        then = datetime.fromisoformat(str(moment))
    except ValueError:
        return UNKNOWN
    if then.tzinfo is None:
        then = then.replace(tzinfo=UTC)
    return f"{output.duration(max(0.0, (now - then).total_seconds()))} ago"
