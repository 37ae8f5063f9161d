"""How a command gets at the configuration and the daemon, and how it ends where it can't.

The exit codes of zparkctl live here. Nothing here knows what a command is for.
"""

import re
import socket
from enum import IntEnum
from pathlib import Path
from typing import Any, NoReturn

import click

from zparkd.cli.output import print_json
from zparkd.client.control import ControlClient, DaemonUnreachable
from zparkd.config.load import SECTIONS, Config, ConfigError, load


class Exit(IntEnum):
    """How zparkctl ends when it doesn't end well; 2 is click's, for a wrong command line."""

    NO = 1
    UNREACHABLE = 69
    BAD_CONFIG = 78


def fail(code: Exit, name: str, message: str, *, as_json: bool, **more: object) -> NoReturn:
    """End the command: the message on standard error, with `--json` also an object on output."""
    click.echo(message, err=True)
    if as_json:
        error = {"code": name, "message": message}
        print_json({"success": False, **more, "error": error})
    raise click.exceptions.Exit(code)


def fail_config(faults: list[str], *, as_json: bool, **more: object) -> NoReturn:
    """End the command over a bad configuration: its faults, one a line."""
    fail(Exit.BAD_CONFIG, "bad_config", "\n".join(faults), as_json=as_json, faults=faults, **more)


def load_config(file: Path, *, as_json: bool = False) -> Config:
    """The configuration in `file`, or the end of the command with its faults."""
    try:
        return load(file)
    except ConfigError as error:
        fail_config([str(fault) for fault in error.faults], as_json=as_json)


def ask_daemon(
    file: Path, command: str, *, as_json: bool = False, timeout_s: float = 2.0, **arguments: object
) -> dict[str, Any]:
    """The answer of the daemon whose configuration is `file`; without the envelope.

    Ends the command where there is no answer. A bad configuration is no hindrance while the
    daemon can be found in spite of it: the daemon runs on with its last good one, and what it
    says about the fault is what the operator came for.
    """
    control, faults = find_control(file)
    try:
        return call(control, command, timeout_s=timeout_s, **arguments)
    except DaemonUnreachable as fault:
        if faults:
            fail_config(faults, as_json=as_json, running=False)
        message = "\n".join([str(fault), *_why_it_may_be_down(file)])
        fail(Exit.UNREACHABLE, "daemon_unreachable", message, as_json=as_json, running=False)


def _why_it_may_be_down(file: Path) -> list[str]:
    """What is wrong with the database, where that keeps the daemon from starting."""
    database = load(file).storage_path
    if not database.exists():
        return []
    from zparkd.storage.readers.connection import damage  # which ends a command by what is above

    found = damage(database)
    return [found] if found is not None else []


def find_control(file: Path) -> tuple[Path, list[str]]:
    """Where the daemon whose configuration is `file` listens, and the faults of that file."""
    faults: list[str] = []
    try:
        control = load(file).listen.control
    except ConfigError as error:
        faults = [str(fault) for fault in error.faults]
        control = _written_control(file)
    return file.parent.absolute() / control, faults


def listens(control: Path) -> bool:
    """Whether a daemon listens at this control socket."""
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(1)
        try:
            probe.connect(str(control))
        except OSError:
            return False
        return True


def call(
    control: Path, command: str, *, timeout_s: float = 2.0, **arguments: object
) -> dict[str, Any]:
    """The answer of the daemon at `control`, without the envelope. Raises DaemonUnreachable."""
    with ControlClient(control, timeout_s) as daemon:
        answer = daemon.call(command, **arguments)
    return {key: value for key, value in answer.items() if key not in ("v", "id")}


def refuse(answer: dict[str, Any], *, as_json: bool) -> NoReturn:
    """End the command with the daemon's own "no"."""
    error = answer.get("error")
    message = str(error.get("message")) if isinstance(error, dict) else "the daemon says no"
    name = str(error.get("code")) if isinstance(error, dict) else "refused"
    fail(Exit.NO, name, message, as_json=as_json)


def _written_control(file: Path) -> Path:
    """Where a main file that is at fault, and perhaps no TOML at all, puts the control socket."""
    section = ""
    try:
        lines = file.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    for line in lines:
        if named := re.match(r"\s*\[\s*(\w+)\s*\]", line):
            section = named[1]
        elif section == "listen" and (
            written := re.match(r"""\s*control\s*=\s*(["'])(.+?)\1""", line)
        ):
            return Path(written[2])
    default: Path = SECTIONS["listen"]["control"].default
    return default
