"""`zparkd-web`: from a configuration file to a running gateway, and back to an exit code."""

import logging
import shlex
import socket
import sys
from pathlib import Path
from typing import NoReturn

import click
import uvicorn

from zparkd import __version__
from zparkd.config.load import ConfigError, default_path
from zparkd.web import limits
from zparkd.web.app import Place, build
from zparkd.web.auth.access import Access
from zparkd.web.auth.accounts import token, user
from zparkd.web.auth.caller import plain_address
from zparkd.web.auth.credentials import FILE, CredentialsError
from zparkd.web.backend.site import Site
from zparkd.web.http.connections import Connection, serve

EXIT_FAILED = 1
EXIT_BAD_CONFIG = 78


def _proxies(_ctx: click.Context, _option: click.Parameter, said: tuple[str, ...]) -> list[str]:
    try:
        return [str(plain_address(address)) for address in said]
    except ValueError as fault:
        raise click.BadParameter(f"{fault}; write the address that it connects from") from None


@click.group(invoke_without_command=True)
@click.option(
    "-c",
    "--config",
    "file",
    type=click.Path(path_type=Path),
    help="The daemon's configuration file [default: $ZPARKD_CONFIG, else /etc/zparkd/zparkd.toml].",
)
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on.")
@click.option(
    "--port", type=click.IntRange(0, 65535), default=8000, show_default=True, help="The port."
)
@click.option(
    "--name", "names", multiple=True, help="A name that people reach it by; again for more."
)
@click.option(
    "--allow-origin",
    "origins",
    metavar="URL",
    multiple=True,
    help="A page elsewhere that may use it, such as http://192.168.1.101:5173; again for more.",
)
@click.option(
    "--certificate", type=click.Path(path_type=Path), help="Speak HTTPS: the chain, as PEM."
)
@click.option("--key", type=click.Path(path_type=Path), help="The certificate's key, as PEM.")
@click.option(
    "--proxy",
    "proxies",
    metavar="ADDRESS",
    multiple=True,
    callback=_proxies,
    help="A proxy before it, whose X-Forwarded-For and -Proto are believed; again for more.",
)
@click.version_option(__version__, prog_name="zparkd-web")
@click.pass_context
def main(
    ctx: click.Context,
    /,
    *,
    file: Path | None,
    host: str,
    port: int,
    names: tuple[str, ...],
    origins: tuple[str, ...],
    certificate: Path | None,
    key: Path | None,
    proxies: list[str],
) -> None:
    """Serve the HTTP API and the page of a central, until SIGTERM or SIGINT.

    Example: zparkd-web -c /etc/zparkd/zparkd.toml
    """
    ctx.obj = file or default_path()
    if ctx.invoked_subcommand is not None:
        return
    if (certificate is None) != (key is None):
        raise click.UsageError("--certificate and --key go together")
    site, access = _read(ctx.obj, host)
    in_clear = certificate is None and not _is_loopback(host)
    if in_clear and not site.config.security.allow_insecure:
        _fail(
            EXIT_BAD_CONFIG,
            f"zparkd-web: without a certificate, who is between can read passwords on the way to"
            f" {host}; give it one (--certificate, --key), or listen on 127.0.0.1 behind a proxy"
            " that speaks HTTPS (--proxy 127.0.0.1), or write allow_insecure = true in [security]"
            f" of {ctx.obj}",
        )
    listening = _listen(host, port)
    place = Place(host, listening.getsockname()[1], names, origins)
    scheme = "https" if certificate is not None else "http"
    logging.basicConfig(format="%(message)s", level=logging.INFO, stream=sys.stderr)
    url = f"{scheme}://{f'[{host}]' if ':' in host else host}:{place.port}/"
    log = logging.getLogger("zparkd.web")
    log.info("%s serves %s", url, site.config.central_id)
    if in_clear:
        log.warning("%s is not encrypted: who is between can read passwords and tokens", url)
    config = uvicorn.Config(
        build(site, access, place),
        http=type("Connection", (Connection,), {"proxies": proxies}),
        log_config=None,
        log_level="warning",
        access_log=False,
        server_header=False,
        proxy_headers=bool(proxies),
        forwarded_allow_ips=proxies,
        ws="none",
        timeout_graceful_shutdown=2,
        limit_concurrency=limits.CONNECTIONS,
        ssl_certfile=certificate,
        ssl_keyfile=key,
    )
    serve(config, listening)


def _read(file: Path, host: str) -> tuple[Site, Access]:
    """The configuration and the credentials, or the end with what is wrong with them."""
    try:
        site = Site(file)
        access = Access(file.parent / FILE, _is_loopback(host), _first_login(file))
    except ConfigError as refused:
        _fail(EXIT_BAD_CONFIG, *map(str, refused.faults))
    except CredentialsError as refused:
        _fail(EXIT_BAD_CONFIG, f"zparkd-web: {refused}")
    if not access.known and not _is_loopback(host):
        _fail(
            EXIT_BAD_CONFIG,
            f"zparkd-web: {host} can be reached by others, and nobody has credentials;"
            f" give somebody some: {_first_login(file)}",
        )
    return site, access


def _listen(host: str, port: int) -> socket.socket:
    """A socket that listens there, or the end with why it can't."""
    try:
        six = ":" in host
        return socket.create_server(
            (host, port),
            family=socket.AF_INET6 if six else socket.AF_INET,
            backlog=limits.PAGES,
            dualstack_ipv6=six and "." in host,  # an IPv4 address as one of IPv6
        )
    except OSError as fault:
        _fail(
            EXIT_FAILED,
            f"zparkd-web: can't listen on {host}, port {port}: {fault.strerror or fault};"
            " stop what has it, or choose another --port",
        )


def _is_loopback(host: str) -> bool:
    """Whether only this machine reaches it there."""
    try:
        return plain_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _first_login(file: Path) -> str:
    """The command that gives the first person a login."""
    where = "" if file == default_path() else f"-c {shlex.quote(str(file))} "
    return f"zparkd-web {where}user add NAME --role admin"


def _fail(code: int, *lines: str) -> NoReturn:
    for line in lines:
        click.echo(line, err=True)
    sys.exit(code)


main.add_command(user)
main.add_command(token)

if __name__ == "__main__":
    main()
