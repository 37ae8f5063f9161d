"""`zparkd-web user` and `zparkd-web token`: who may use the gateway, written into its file."""

import sys
from pathlib import Path
from typing import NoReturn

import click

from zparkd.core import limits
from zparkd.web.auth.credentials import (
    FILE,
    NAME,
    PASSWORD_CHARACTERS,
    Credentials,
    CredentialsError,
    Role,
    Token,
    User,
    hashed,
    new_token,
    read,
    write,
)


def _name(_ctx: click.Context, _option: click.Parameter, text: str) -> str:
    if not NAME.fullmatch(text):
        raise click.BadParameter(f"{text!r} is no name; use letters, digits, . _ -")
    return text


def _staff_id(_ctx: click.Context, _option: click.Parameter, text: str | None) -> str | None:
    if text is not None and not (text.isprintable() and 0 < len(text) <= limits.TEXT_CHARACTERS):
        raise click.BadParameter(f"1 to {limits.TEXT_CHARACTERS} characters, none of control")
    return text


_NAME = click.argument("name", metavar="NAME", callback=_name)
_ROLE = click.option(
    "--role",
    type=click.Choice([role.value for role in Role]),
    default=Role.VIEWER.value,
    show_default=True,
    help="viewer sees; operator also opens barriers; admin also changes the configuration.",
)


@click.group()
def user() -> None:
    """People who log in with a password."""


@user.command(epilog="Example: zparkd-web user add lan --role operator --staff nv01")
@_NAME
@_ROLE
@click.option(
    "--staff",
    "staff_id",
    metavar="ID",
    callback=_staff_id,
    help="Who this is on the site's list of staff.  [default: NAME]",
)
@click.pass_obj
def add(file: Path, name: str, role: str, staff_id: str | None) -> None:
    """Add a person, or give one another role, password and staff id.

    The password is asked for twice; where input is no terminal, it is its first line.
    """
    place, known = _known(file)
    fresh = User(name, Role(role), hashed(_password()), staff_id)
    _write(place, known.with_user(fresh))
    click.echo(f"{name}: {role}, in {place}")


@user.command("remove")
@_NAME
@click.pass_obj
def remove_user(file: Path, name: str) -> None:
    """Remove a person; open sessions of theirs end at once."""
    place, known = _known(file)
    if known.user(name) is None:
        _fail(f"{name} is not in {place}")
    _write(place, Credentials(tuple(u for u in known.users if u.name != name), known.tokens))
    click.echo(f"{name}: removed")


@user.command("list")
@click.pass_obj
def list_users(file: Path) -> None:
    """Show people, their roles, and their staff ids where those are set."""
    for one in _known(file)[1].users:
        click.echo(f"{one.name}  {one.role}" + (f"  {one.staff_id}" if one.staff_id else ""))


@click.group()
def token() -> None:
    """Machines, which send `Authorization: Bearer TOKEN`."""


@token.command("add", epilog="Example: zparkd-web token add prometheus --role viewer")
@_NAME
@_ROLE
@click.pass_obj
def add_token(file: Path, name: str, role: str) -> None:
    """Make a token and print it, alone on a line; it is shown this once."""
    place, known = _known(file)
    secret, digest = new_token()
    others = tuple(one for one in known.tokens if one.name != name)
    _write(place, Credentials(known.users, (*others, Token(name, Role(role), digest))))
    click.echo(secret)
    click.echo(f"{name}: {role}, in {place}", err=True)


@token.command("remove")
@_NAME
@click.pass_obj
def remove_token(file: Path, name: str) -> None:
    """Remove a token; it is refused at once."""
    place, known = _known(file)
    if all(one.name != name for one in known.tokens):
        _fail(f"{name} is not in {place}")
    _write(place, Credentials(known.users, tuple(t for t in known.tokens if t.name != name)))
    click.echo(f"{name}: removed")


@token.command("list")
@click.pass_obj
def list_tokens(file: Path) -> None:
    """Show the names of tokens and their roles."""
    for one in _known(file)[1].tokens:
        click.echo(f"{one.name}  {one.role}")


def _password() -> str:
    if sys.stdin.isatty():
        password = str(click.prompt("Password", hide_input=True, confirmation_prompt=True))
    else:
        password = sys.stdin.readline().rstrip("\n")
    least, most = PASSWORD_CHARACTERS
    if not least <= len(password) <= most:
        _fail(f"the password has {len(password)} characters; take {least} to {most}")
    return password


def _known(file: Path) -> tuple[Path, Credentials]:
    """The file of credentials that belongs to a configuration, and what is in it."""
    place = file.parent / FILE
    try:
        return place, read(place)
    except CredentialsError as fault:
        _fail(str(fault))


def _write(place: Path, credentials: Credentials) -> None:
    try:
        write(place, credentials)
    except OSError as fault:
        _fail(f"{place}: can't be written: {fault.strerror}")


def _fail(message: str) -> NoReturn:
    click.echo(f"zparkd-web: {message}", err=True)
    raise click.exceptions.Exit(1)
