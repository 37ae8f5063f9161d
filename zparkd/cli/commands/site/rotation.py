"""Changing the key of this central, in steps that a repetition of the command goes on with.

Where a member is away for longer than somebody waits, the daemon goes on with it.

a new key beside the old        FILE.next, made if it is not there
announced                       the others let in both keys
known to all, or --now          the new one takes the place of FILE, the old one is dropped
"""

import time
from pathlib import Path
from typing import Any

import click
import zmq

from zparkd.cli.commands.upkeep.keygen import new_key
from zparkd.cli.commands.upkeep.reload import PATIENCE_S
from zparkd.cli.context import Exit, ask_daemon, fail, load_config, refuse
from zparkd.cli.output import print_json
from zparkd.config.load import read_secret_key
from zparkd.config.secret_key import key_file, next_key_file, take_over
from zparkd.core.keys import fingerprint

_PAUSE_S = 0.2


def rotate(file: Path, *, at_once: bool, wait_s: float, as_json: bool) -> None:
    """Change the key, or go on with that; ends the command where it can't be done now."""
    place = key_file(load_config(file, as_json=as_json).security.secret_key_file)
    if place is None:
        fail(Exit.NO, "no_key", f"{file}: no secret_key_file in [security]", as_json=as_json)
    following = next_key_file(place)
    try:
        secret = read_secret_key(following) if following.exists() else new_key(following)
        if secret == read_secret_key(place):  # the daemon changed over, and could not remove it
            following.unlink()
            secret = new_key(following)
    except (OSError, ValueError) as fault:
        fail(Exit.NO, "unwritable", f"{following}: {fault}; try as root", as_json=as_json)
    public = zmq.curve_public(secret).decode()
    _announced(file, public, at_once=at_once, wait_s=wait_s, as_json=as_json)
    try:
        take_over(place, secret)
    except OSError as fault:
        fail(Exit.NO, "unwritable", f"{place}: {fault.strerror}; try as root", as_json=as_json)
    _ask(file, "reload", as_json=as_json)
    _ask(file, "member.rotated", as_json=as_json, public_key=public)
    if as_json:
        print_json({"success": True, "public_key": public, "fingerprint": fingerprint(public)})
    else:
        click.echo(f"the key is changed; fingerprint {fingerprint(public)}")


def _announced(file: Path, public: str, *, at_once: bool, wait_s: float, as_json: bool) -> None:
    """Announce the next key, and wait until all know it."""
    until = time.monotonic() + wait_s
    while True:
        answer = _ask(file, "member.announce", as_json=as_json, public_key=public)
        if at_once or not answer["awaited"]:
            return
        if time.monotonic() > until:
            waiting = ", ".join(answer["awaited"])
            message = (
                f"the next key is announced, and {waiting} not known to have heard it; the old one"
                " is in use until they are back, then the daemon changes over; --now does not wait"
            )
            fail(Exit.NO, "awaited", message, as_json=as_json, awaited=answer["awaited"])
        time.sleep(_PAUSE_S)


def _ask(file: Path, command: str, *, as_json: bool, **arguments: object) -> dict[str, Any]:
    answer = ask_daemon(file, command, as_json=as_json, timeout_s=PATIENCE_S, **arguments)
    if answer.get("success") is not True:
        refuse(answer, as_json=as_json)
    return answer
