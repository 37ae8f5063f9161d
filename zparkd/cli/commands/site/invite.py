"""`zparkctl invite`: one line with which another machine or camera becomes a member."""

import re
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import click

from zparkd.cli.context import ask_daemon, load_config, refuse
from zparkd.cli.output import print_json
from zparkd.config.values import is_loopback
from zparkd.core.site import Direction

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_PATIENCE_S = 20.0


def duration(_ctx: click.Context, _option: click.Parameter, text: str) -> int:
    """A command line argument that is a time such as 24h; in ms."""
    found = re.fullmatch(r"([0-9]{1,6})([smhd])", text)
    if found is None or int(found[1]) == 0:
        raise click.BadParameter(f"{text!r} is no time; write one such as 24h, 30m or 7d")
    return int(found[1]) * _UNITS[found[2]] * 1000


@click.command(epilog="Example: zparkctl invite central-2")
@click.argument("member", metavar="ID")
@click.option("--edge", is_flag=True, help="ID is a camera's, and not a central's.")
@click.option(
    "--valid", default="24h", show_default=True, callback=duration, help="How long it is good."
)
@click.option("--replace", is_flag=True, help="ID is a member: another machine takes its place.")
@click.option("--address", metavar="A", help="Where this central is reached by who joins.")
@click.option(
    "--direction", type=click.Choice([*Direction]), help="With --edge: what its lane does."
)
@click.option("--camera-type", metavar="T", help="With --edge: what its lane is for.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def invite(
    file: Path,
    *,
    member: str,
    edge: bool,
    valid: int,
    replace: bool,
    address: str | None,
    direction: str | None,
    camera_type: str | None,
    as_json: bool,
) -> None:
    """Invite a central, or with --edge a camera: prints a token, alone on a line.

    Type it there once: zparkctl join TOKEN. Whoever has the token can be that member, so hand it
    over as you would a key. The first invitation of a site records who belongs to it already.
    """
    if not edge and (direction or camera_type):
        raise click.UsageError("--direction and --camera-type go with --edge")
    answer = ask_daemon(
        file,
        "invite",
        as_json=as_json,
        timeout_s=_PATIENCE_S,
        role="edge" if edge else "central",
        member=member,
        valid_ms=valid,
        replace=replace,
        address=address,
        direction=direction,
        camera_type=camera_type,
    )
    if answer.get("success") is not True:
        refuse(answer, as_json=as_json)
    if as_json:
        print_json(answer)
        return
    click.echo(answer["token"])
    zone = ZoneInfo(load_config(file).timezone)
    until = datetime.fromtimestamp(answer["expires_ms"] / 1000, zone).strftime("%Y-%m-%d %H:%M:%S")
    there = f"zparkctl join TOKEN{' --edge-file FILE' if edge else ''}"
    click.echo(f"on {member}, until {until}, once: {there}", err=True)
    if answer["number"] > 1 and not edge:
        click.echo(
            f"{member} was a member before: who has its former key can go on signing as it. If that"
            " key was stolen, invite under another id",
            err=True,
        )
    if all(is_loopback(one) for one in answer["addresses"]):
        listed = ", ".join(answer["addresses"])
        click.echo(
            f"only on this machine: it calls {listed}; for others, write the address in [listen] of"
            f" {file}, or invite with --address",
            err=True,
        )
