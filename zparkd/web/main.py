"""`zparkd-web`: from a configuration file to a running gateway, and back to an exit code."""

import ipaddress
import socket
import sys
from pathlib import Path

import click
import uvicorn

from zparkd import __version__
from zparkd.core import limits
from zparkd.daemon.config import ConfigError, default_path
from zparkd.web.app import build
from zparkd.web.site import Site

EXIT_FAILED = 1
EXIT_BAD_CONFIG = 78


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
@click.version_option(__version__, prog_name="zparkd-web")
@click.pass_context
def main(ctx: click.Context, file: Path | None, host: str, port: int) -> None:
    """Serve the HTTP API and the page of a central, until SIGTERM or SIGINT.

    Example: zparkd-web -c /etc/zparkd/zparkd.toml
    """
    ctx.obj = file or default_path()
    if ctx.invoked_subcommand is None:
        _serve(ctx.obj, host, port)


def _serve(file: Path, host: str, port: int) -> None:
    if not _is_loopback(host):
        click.echo(f"zparkd-web: {host} is not loopback; listen on 127.0.0.1", err=True)
        sys.exit(EXIT_FAILED)
    try:
        site = Site(file)
    except ConfigError as refused:
        for fault in refused.faults:
            click.echo(str(fault), err=True)
        sys.exit(EXIT_BAD_CONFIG)
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        listening = socket.create_server((host, port), family=family, backlog=limits.WEB_PAGES)
    except OSError as fault:
        click.echo(
            f"zparkd-web: can't listen on {host}, port {port}: {fault.strerror or fault};"
            " stop what has it, or choose another --port",
            err=True,
        )
        sys.exit(EXIT_FAILED)
    port = listening.getsockname()[1]
    click.echo(f"http://{f'[{host}]' if ':' in host else host}:{port}/", err=True)
    config = uvicorn.Config(
        build(site, port),
        log_level="warning",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        ws="none",
        timeout_graceful_shutdown=2,
        limit_concurrency=limits.WEB_CONNECTIONS,
    )
    uvicorn.Server(config).run(sockets=[listening])


def _is_loopback(host: str) -> bool:
    """Whether only this machine reaches it there."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


if __name__ == "__main__":
    main()
