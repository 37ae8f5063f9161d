"""`zparkctl join`: this machine, or a camera, becomes a member by the token of an invitation.

Key and configuration are made where they lack, and what is there is kept. The key is on the disk
before anything is asked, and the files are written after the answer: whatever stops it half-way,
the same command finishes it.
"""

import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import click
import zmq

from zparkd.cli.commands.upkeep.keygen import give_to_service, new_key
from zparkd.cli.commands.upkeep.reload import PATIENCE_S
from zparkd.cli.commands.upkeep.setup import announce, first_configuration, prepare
from zparkd.cli.context import Exit, call, fail, fail_config, listens, load_config
from zparkd.cli.output import plural, print_json
from zparkd.client.control import DaemonUnreachable
from zparkd.client.edge import EdgeClient
from zparkd.client.join import JoinRefused, NotReached, Ports
from zparkd.client.join import join as say_join
from zparkd.config import roster_files
from zparkd.config.atomic_file import create_file, put_file
from zparkd.config.load import DEFAULT_PATH, Config, SecurityMode, read_secret_key
from zparkd.config.roster_files import EDGES, PEERS
from zparkd.config.secret_key import key_file
from zparkd.config.toml_edit import changed
from zparkd.config.values import as_address, is_loopback
from zparkd.core.keys import fingerprint, key_text
from zparkd.core.members.roster_words import Role
from zparkd.core.members.token import MAX_CHARACTERS, BadToken, Token, decode
from zparkd.transport.addresses import address_towards, own_addresses

_ANYWHERE = ("0.0.0.0", "::")


@click.command(epilog="Example: zparkctl join TOKEN")
@click.argument("token", metavar="TOKEN|-")
@click.option("--address", metavar="A", help="Where this central is reached by the others.")
@click.option(
    "--edge-file",
    metavar="FILE",
    type=click.Path(path_type=Path, dir_okay=False),
    help="For a camera: the file that is to hold its key and the centrals.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def join(
    file: Path, token: str, address: str | None, edge_file: Path | None, *, as_json: bool
) -> None:
    """Make this machine a central of the site, by what `zparkctl invite` printed there.

    Makes key and configuration where they lack, and keeps what is there. With --edge-file a camera
    joins instead. With "-" the token is read from standard input, so that no history keeps it.
    Stopped half-way, the same command goes on.
    """
    text = sys.stdin.read(MAX_CHARACTERS + 2) if token == "-" else token
    try:
        invitation = decode(text)
        if (invitation.role is Role.EDGE) != (edge_file is not None):
            raise click.UsageError(
                f"{invitation.member} is invited as {invitation.role}: "
                + ("add --edge-file FILE" if edge_file is None else "leave out --edge-file")
            )
        if edge_file is not None:
            _join_edge(text, invitation, edge_file, as_json=as_json)
        else:
            _join_central(file, invitation, address, as_json=as_json)
    except BadToken as fault:
        fail(Exit.NO, "bad_token", str(fault), as_json=as_json)
    except NotReached as fault:
        message = f"{fault}; nothing was changed but the key, so the same command goes on"
        fail(Exit.NO, "not_reached", message, as_json=as_json)
    except JoinRefused as fault:
        fail(Exit.NO, fault.code, f"{invitation.inviter} says no: {fault}", as_json=as_json)
    except OSError as fault:
        message = f"{fault.filename or file}: {fault.strerror or fault}"
        fail(Exit.NO, "file", message, as_json=as_json)
    except (ValueError, LookupError, subprocess.CalledProcessError) as fault:
        fail(Exit.NO, "not_done", str(fault), as_json=as_json)


def _join_edge(text: str, invitation: Token, file: Path, *, as_json: bool) -> None:
    with EdgeClient.join(text, file) as camera:
        centrals = list(camera.centrals)
    give_to_service(file, file.parent)
    if as_json:
        print_json({"success": True, "edge_id": invitation.member, "file": str(file)})
    else:
        known = plural(len(centrals), "central")
        click.echo(f"{invitation.member} is a member of {invitation.site}; {file}: {known}")


def _join_central(file: Path, invitation: Token, address: str | None, *, as_json: bool) -> None:
    if address is not None:
        address = as_address(address)
    config = load_config(file, as_json=as_json) if os.path.lexists(file) else None
    if config is not None:
        _fits(config, invitation)
    elif file == DEFAULT_PATH and os.geteuid() != 0:
        raise ValueError("must be root to make this machine a central: sudo zparkctl join -")
    address = address or _own_address(config, invitation)
    secret = _own_secret(file, config)
    ports: Ports = (9000, 9001, 9002)
    if config is not None:
        listen = config.listen
        ports = (listen.bus_port, listen.sync_port, listen.edge_port)
    answer = say_join(invitation, secret, address, ports)
    if config is None:
        _configure(file, invitation, address, answer["timezone"])
    written_files = _write_roster(file, invitation, answer)
    started = _have_it_run(file, as_json=as_json)
    public = zmq.curve_public(secret).decode()
    centrals = sum(row["role"] == Role.CENTRAL for row in answer["roster"])
    if as_json:
        print_json(
            {
                "success": True,
                "member": invitation.member,
                "site": answer["site"],
                "fingerprint": fingerprint(public),
                "centrals": centrals,
                "files": [str(path) for path in written_files],
                "next": started,
            }
        )
        return
    click.echo(
        f"{invitation.member} is a member of {answer['site']}, one of"
        f" {plural(centrals, 'central')}; fingerprint {fingerprint(public)}"
    )
    if config is not None and config.timezone != answer["timezone"]:
        click.echo(f"{file}: timezone is {config.timezone}, the site's {answer['timezone']}")
    click.echo(f"next: {started}" if started else "in effect")


def _fits(config: Config, invitation: Token) -> None:
    """Raise ValueError where the configuration that is there is another central's."""
    for key, there, wanted in (
        ("id", config.central_id, invitation.member),
        ("site", config.site, invitation.site),
    ):
        if there != wanted:
            raise ValueError(
                f"{config.path}: {key} is {there}, and the token is for {wanted}; nothing was"
                " changed: ask for a token for this one, or move that configuration away"
            )
    if config.security.mode is not SecurityMode.CURVE:
        raise ValueError(f'{config.path}: members need keys: mode = "curve" in [security]')


def _own_address(config: Config | None, invitation: Token) -> str:
    """Where the others reach this machine. Raises ValueError where that must be said."""
    far = [one for one in invitation.addresses if not is_loopback(one)]
    found = [address_towards(one, invitation.port) for one in (*far, *invitation.addresses)]
    own = next((one for one in found if one is not None), None)
    if config is not None and config.listen.address not in _ANYWHERE:
        listens_on = config.listen.address
        if far and is_loopback(listens_on):
            raise ValueError(
                f"{config.path}: listens on {listens_on}, where no other machine reaches it; write"
                f' address = "{own or "0.0.0.0"}" in [listen], and join again'
            )
        return "127.0.0.1" if listens_on == "localhost" else listens_on
    if own is None:
        raise ValueError("no way to the other centrals is known; say the own address: --address A")
    return own


def _own_secret(file: Path, config: Config | None) -> bytes:
    """The own secret key; one is made where there is none. Raises ValueError and OSError."""
    written_in = config.security.secret_key_file if config is not None else None
    place = key_file(written_in) or file.parent / "central.key"
    if config is None and file == DEFAULT_PATH:
        prepare()
    elif config is None:
        for folder in (file.parent, file.parent / PEERS, file.parent / EDGES):
            folder.mkdir(mode=0o770, parents=True, exist_ok=True)
    if place.exists():
        return read_secret_key(place)
    return new_key(place)


def _configure(file: Path, invitation: Token, address: str, timezone: str) -> None:
    """Write the first configuration, where none is."""
    mine = is_loopback(address) or address in own_addresses()
    text = first_configuration(invitation.member, invitation.site, address if mine else "0.0.0.0")
    create_file(file, text.encode(), mode=0o640, group_of=file.parent)
    values = [("central", {"timezone": timezone})]
    if file != DEFAULT_PATH:  # beside it, as no service has made places for it
        values += [("listen", {"control": "control.sock"}), ("storage", {"path": "zparkd.db"})]
    for section, more in values:
        put_file(file, changed(file, section, more))


def _write_roster(file: Path, invitation: Token, answer: dict[str, Any]) -> list[Path]:
    """Write who belongs to the site into peers.d and edges.d. Raises ValueError and OSError."""
    inviter_key = key_text(invitation.inviter_key)
    rows = [row for row in answer["roster"] if row["id"] != invitation.member]
    centrals = [row for row in rows if row["role"] == Role.CENTRAL]
    if not any(inviter_key in (row["public_key"], row["next_public_key"]) for row in centrals):
        raise ValueError(f"the answer does not name {invitation.inviter}; nothing was changed")
    done: list[Path] = []
    for folder, role in ((PEERS, Role.CENTRAL), (EDGES, Role.EDGE)):
        of_role = [row for row in rows if row["role"] == role]
        files = roster_files.differing(file.parent, folder, of_role, ())
        for path, content in files.items():
            put_file(path, content)
            done.append(path)
    return done


def _have_it_run(file: Path, *, as_json: bool) -> str | None:
    """Have the daemon read its files; or the command that starts it."""
    control = load_config(file, as_json=as_json).listen.control
    if listens(control):
        with suppress(DaemonUnreachable):
            answer = call(control, "reload", timeout_s=PATIENCE_S)
            if faults := answer.get("faults"):
                fail_config([str(fault) for fault in faults], as_json=as_json)
            return None
    if file == DEFAULT_PATH:
        return announce()
    return f"{Path(sys.argv[0]).parent / 'zparkd'} -c {file}"
