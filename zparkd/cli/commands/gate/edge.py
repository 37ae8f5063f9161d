"""`zparkctl edge`: act as a camera towards this central, for trying things out.

What a request means is the central's; here it is only made, sent, and its answer printed.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import zmq

from zparkd.cli.context import Exit, fail, load_config
from zparkd.cli.output import print_json
from zparkd.client.dial import tcp_endpoint
from zparkd.client.edge import EdgeClient, NoAnswer
from zparkd.config.load import Config, SecurityMode, read_secret_key
from zparkd.core.site import EDGE_ID, Direction
from zparkd.transport.dial import own_host, own_public_key


def _edge_id(_ctx: click.Context, _option: click.Parameter, text: str) -> str:
    if not EDGE_ID.fullmatch(text):
        raise click.BadParameter(f"{text!r} is no edge id; write one such as edge-1")
    return text


_EDGE = click.option("--edge", "edge_id", required=True, metavar="ID", callback=_edge_id)
_PLATE = click.option("--plate", "plate_id", metavar="P", help="The plate, as read or typed.")
_REQUEST_ID = click.option(
    "--request-id", metavar="ID", help="Repeat an earlier request; otherwise a new id is made."
)
_KEY = click.option(
    "--secret-key-file",
    "key_file",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="The key of this edge; needed where security.mode is curve.",
)
_AS_JSON = click.option(
    "--json", is_flag=True, expose_value=False, help="JSON, which it always is."
)
_DIRECTION = click.option(
    "--direction",
    metavar="ENTRY|EXIT",
    type=click.Choice([str(way) for way in Direction], case_sensitive=False),
    help="Which way it crosses the lane.",
)
_CAMERA_TYPE = click.option("--camera-type", metavar="T", help="Such as car or motorbike.")


@click.group(epilog="Example: zparkctl edge open --edge edge-1 --plate 29A12345")
def edge() -> None:
    """Act as a camera, for trying things out.

    The central's answer is printed as a camera gets it. Exit status: 0 for "success": true,
    1 for a refusal, 69 for no answer.
    """


@edge.command(epilog="Example: zparkctl edge detect --edge edge-1 --plate 29A12345")
@_EDGE
@click.option("--plate", "plate_id", metavar="P", required=True, help="The plate, as read.")
@_DIRECTION
@_CAMERA_TYPE
@_REQUEST_ID
@_KEY
@_AS_JSON
@click.pass_obj
def detect(
    file: Path, /, edge_id: str, plate_id: str, key_file: Path | None, **optional: str | None
) -> None:
    """Say that a plate was seen, and ask whether its vehicle is inside."""
    _ask(file, edge_id, key_file, lambda client: client.detect(plate_id, **_given(optional)))


@edge.command(
    "open", epilog="Example: zparkctl edge open --edge edge-1 --plate 29A12345 --direction ENTRY"
)
@_EDGE
@_PLATE
@_DIRECTION
@_CAMERA_TYPE
@click.option("--force", is_flag=True, help="Override a refusal; needs --reason.")
@click.option("--reason", metavar="R", help="Why it is forced; kept.")
@click.option("--staff", "staff_id", metavar="ID", help="Who forces it, where there is a list.")
@click.option("--lost-ticket", is_flag=True, help="Add what the tariff asks for a lost ticket.")
@click.option("--fee", type=int, metavar="N", help="What was taken by hand; needs --force.")
@click.option(
    "--entry-time", metavar="TIME", help="Price from then, where no entry is known; needs --force."
)
@click.option(
    "--event", "event_id", metavar="ID", help="The stay that ends, where its plate was misread."
)
@_REQUEST_ID
@_KEY
@_AS_JSON
@click.pass_obj
def open_(
    file: Path, /, edge_id: str, plate_id: str | None, key_file: Path | None, **optional: Any
) -> None:
    """Ask to let a vehicle through; with --force and no plate, something without one."""
    _ask(file, edge_id, key_file, lambda client: client.open_barrier(plate_id, **_given(optional)))


@edge.command("close", epilog="Example: zparkctl edge close --edge edge-1")
@_EDGE
@_PLATE
@click.option("--event", "event_id", metavar="ID", help="The event_id of the entry.")
@_REQUEST_ID
@_KEY
@_AS_JSON
@click.pass_obj
def close_(
    file: Path,
    *,
    edge_id: str,
    plate_id: str | None,
    event_id: str | None,
    request_id: str | None,
    key_file: Path | None,
) -> None:
    """Say that the barrier is closed again, which confirms an entry."""
    _ask(
        file,
        edge_id,
        key_file,
        lambda client: client.close_barrier(plate_id, event_id, request_id=request_id),
    )


def _given(optional: dict[str, Any]) -> dict[str, Any]:
    return {name: it for name, it in optional.items() if it is not None and it is not False}


def _ask(
    file: Path, edge_id: str, key_file: Path | None, ask: Callable[[EdgeClient], dict[str, Any]]
) -> None:
    config = load_config(file, as_json=True)
    central = tcp_endpoint(own_host(config), config.listen.edge_port)
    keys = _keys(config, edge_id, key_file)
    try:
        with EdgeClient(edge_id, [central], **keys) as client:
            answer = ask(client)
    except NoAnswer as fault:
        advice = "Does the key fit the one in edges.d? " if keys else ""
        message = f"{fault}. {advice}To start it: systemctl start zparkd, or: zparkd -c {file}"
        fail(
            Exit.UNREACHABLE,
            "no_answer",
            message,
            as_json=True,
            running=False,
            request_id=fault.request_id,
        )
    print_json(answer)
    if answer.get("success") is not True:
        raise click.exceptions.Exit(Exit.NO)


def _keys(config: Config, edge_id: str, key_file: Path | None) -> dict[str, Any]:
    """What the client needs to prove that it is this edge; nothing in plain mode."""
    if config.security.mode is not SecurityMode.CURVE:
        return {}
    lane = next((lane for lane in config.lanes if lane.id == edge_id), None)
    if lane is None:
        message = (
            f"{edge_id} is in no file of {config.path.parent / 'edges.d'}, and mode is curve; make"
            f' a key: zparkctl keygen {edge_id}.key, then write there id = "{edge_id}" and'
            " public_key"
        )
        fail(Exit.NO, "unknown_edge", message, as_json=True)
    if key_file is None:
        message = (
            f"mode is curve: only who has the key of {edge_id} may speak for it; name its file:"
            " --secret-key-file FILE"
        )
        fail(Exit.NO, "no_key", message, as_json=True)
    try:
        edges_own = zmq.curve_public(read_secret_key(key_file)).decode()
        if edges_own not in lane.public_keys:
            raise ValueError(f"{key_file} is not the key of {edge_id} that edges.d names")
        central = own_public_key(config)
    except ValueError as fault:
        fail(Exit.NO, "bad_key", str(fault), as_json=True)
    return {"secret_key_file": key_file, "public_keys": [central]}
