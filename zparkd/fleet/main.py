"""`zparkd-fleet`: the service, and what it tells of itself."""

import asyncio
import contextlib
import json
import logging
import signal
import sys
import time
import tomllib
from pathlib import Path
from typing import NoReturn

import click
import psycopg

from zparkd import __version__
from zparkd.core.keys import key_bytes
from zparkd.fleet import site_tables
from zparkd.fleet.rebuild import fold_anew
from zparkd.fleet.schema import SchemaError, migrate
from zparkd.fleet.service import Options, Service
from zparkd.fleet.status import lines, site_rows
from zparkd.fleet.turn import Keys, Turns
from zparkd.fleet.verify import Compared, compare
from zparkd.uplink.link import LinkOptions

EXIT_NO = 1
EXIT_USAGE = 2
EXIT_UNREACHABLE = 69
EXIT_BAD_CONFIG = 78
_AGAIN_S = 1.0

_postgres = click.option(
    "--postgres",
    metavar="DSN",
    envvar="ZPARKD_FLEET_POSTGRES",
    help="The database, such as postgresql://user@host/fleet [also: $ZPARKD_FLEET_POSTGRES].",
)
_as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


@click.group(invoke_without_command=True)
@click.option(
    "--nats",
    "servers",
    multiple=True,
    metavar="URL",
    envvar="ZPARKD_FLEET_NATS",
    help="A server of NATS with JetStream; may be given several times.",
)
@_postgres
@click.option("--stream", default="zparkd", show_default=True, help="The stream of the sites.")
@click.option(
    "--keep-days",
    default=7.0,
    show_default=True,
    help="How long a stream that is made here keeps messages.",
)
@click.option(
    "--keys",
    "keys_file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Public keys of centrals: a TOML table a site, origin = key, or a list of keys.",
)
@click.option(
    "--nats-credentials",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="A credentials file of NATS.",
)
@click.option(
    "--ca-file",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="Who signs the certificates of the NATS servers.",
)
@click.version_option(__version__, prog_name="zparkd-fleet")
@click.pass_context
def main(
    ctx: click.Context,
    /,
    *,
    servers: tuple[str, ...],
    postgres: str | None,
    stream: str,
    keep_days: float,
    keys_file: Path | None,
    nats_credentials: Path | None,
    ca_file: Path | None,
) -> None:
    """Take the events of many sites from JetStream into PostgreSQL, until SIGTERM.

    Example: zparkd-fleet --nats nats://hub:4222 --postgres postgresql://fleet@hub/fleet
    """
    ctx.obj = postgres
    if ctx.invoked_subcommand is not None:
        return
    if not servers:
        raise click.UsageError("--nats is missing; name a server, such as nats://127.0.0.1:4222")
    logging.basicConfig(format="%(message)s", level=logging.INFO, stream=sys.stderr)
    logging.getLogger("psycopg.pool").setLevel(logging.ERROR)
    keys = read_keys(keys_file) if keys_file is not None else {}
    link = LinkOptions(servers, nats_credentials, ca_file)
    options = Options(link, _dsn(postgres), stream, keep_days, keys)
    try:
        asyncio.run(_serve(options))
    except SchemaError as fault:
        _fail(EXIT_BAD_CONFIG, str(fault))


async def _serve(options: Options) -> None:
    service = Service(options)
    loop = asyncio.get_running_loop()
    work = asyncio.ensure_future(service.run())

    def stop() -> None:
        service.stop()
        if not service.is_working:
            work.cancel()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop)
    with contextlib.suppress(asyncio.CancelledError):
        await work


def read_keys(file: Path) -> Keys:
    """The keys in the file of `--keys`; ends the process where one is at fault."""
    try:
        table = tomllib.loads(file.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as fault:
        _fail(EXIT_BAD_CONFIG, f"{file}:0: {fault}; write a table a site: origin = key")
    keys: dict[str, dict[str, frozenset[bytes]]] = {}
    for site, origins in table.items():
        if not isinstance(origins, dict):
            _fail(EXIT_BAD_CONFIG, f"{file}:0: {site}: is no table; write [{site}] origin = key")
        for origin, value in origins.items():
            texts = value if isinstance(value, list) else [value]
            try:
                found = frozenset(key_bytes(str(text)) for text in texts)
            except ValueError as fault:
                _fail(
                    EXIT_BAD_CONFIG,
                    f"{file}:0: {site}.{origin}: {fault}; write a public key as"
                    " `zparkctl keygen --public` prints it",
                )
            keys.setdefault(site, {})[origin] = found
    return keys


@main.command()
@_postgres
@_as_json
@click.pass_context
def status(ctx: click.Context, /, *, postgres: str | None, as_json: bool) -> None:
    """How far each site is, and what is wrong; exit 1 where anything is."""
    with _connected(postgres or ctx.obj) as connection:
        rows = site_rows(connection)
    if as_json:
        click.echo(json.dumps({"sites": rows}))
    else:
        for line in lines(rows):
            click.echo(line)
    sys.exit(EXIT_NO if any(row["problem"] for row in rows) else 0)


@main.command()
@click.argument("site")
@_postgres
@click.option(
    "--wait", default=15.0, show_default=True, help="Seconds to wait for what is missing."
)
@_as_json
@click.pass_context
def verify(
    ctx: click.Context, /, *, site: str, postgres: str | None, wait: float, as_json: bool
) -> None:
    """Compare the stays of a site with what it says itself; exit 1 where they differ."""
    until = time.monotonic() + wait
    with _connected(postgres or ctx.obj) as connection:
        while True:
            connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
            with connection.transaction():
                found = compare(connection, site)
            if not found.known or found.site_equal is not None or time.monotonic() > until:
                break
            time.sleep(_AGAIN_S)
    if as_json:
        told = {name: getattr(found, name) for name in Compared.__slots__}
        click.echo(json.dumps({"success": found.good, "site": site, **told}))
    elif not found.known:
        click.echo(found.why, err=True)
    else:
        rows = "as its events come to" if found.rows_equal else "NOT what its events come to"
        click.echo(f"{site}: {found.stays} stays, {rows}")
        click.echo(f"{site}: {'equal to the site' if found.site_equal else found.why}")
    sys.exit(0 if found.good else EXIT_NO)


@main.command()
@click.argument("site")
@_postgres
@click.pass_context
def rebuild(ctx: click.Context, /, *, site: str, postgres: str | None) -> None:
    """Fold all stays of a site anew from its events."""
    logging.basicConfig(format="%(message)s", level=logging.WARNING, stream=sys.stderr)
    with _connected(postgres or ctx.obj) as connection:
        if site not in site_tables.sites(connection):
            _fail(EXIT_NO, f"no site {site} was ever heard of; `zparkd-fleet status` names them")
        with connection.transaction():
            site_tables.lock_against_turns(connection, [site])
            count = fold_anew(connection, Turns(connection), site, always=True)
    click.echo(f"{site}: {count} vehicles folded anew")


def _dsn(postgres: str | None) -> str:
    if not postgres:
        raise click.UsageError(
            "--postgres is missing; name a database, such as postgresql:///fleet"
        )
    try:
        psycopg.conninfo.conninfo_to_dict(postgres)
    except psycopg.ProgrammingError as fault:
        raise click.UsageError(f"--postgres: {str(fault).strip()}") from None
    return postgres


def _connected(postgres: str | None) -> psycopg.Connection:
    try:
        connection = psycopg.connect(_dsn(postgres), autocommit=True)
        migrate(connection)
    except psycopg.OperationalError as fault:
        _fail(EXIT_UNREACHABLE, f"PostgreSQL can't be reached: {str(fault).strip()}")
    except SchemaError as fault:
        _fail(EXIT_NO, str(fault))
    return connection


def _fail(code: int, text: str) -> NoReturn:
    click.echo(f"zparkd-fleet: {text}" if code != EXIT_BAD_CONFIG else text, err=True)
    sys.exit(code)
