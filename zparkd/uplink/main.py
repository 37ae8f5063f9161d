"""`zparkd-uplink`: from the central's configuration to events on their way to the fleet."""

import asyncio
import contextlib
import logging
import signal
import sys
from pathlib import Path
from typing import NoReturn

import click

from zparkd import __version__
from zparkd.config.load import Config, ConfigError, Uplink, default_path, load
from zparkd.config.secret_key import read_secret_key
from zparkd.core.site import Told
from zparkd.uplink.link import LinkOptions, connect
from zparkd.uplink.sender import HEADS_EVERY_S, Sender

EXIT_BAD_CONFIG = 78


@click.command()
@click.option(
    "-c",
    "--config",
    "file",
    type=click.Path(path_type=Path),
    help="The central's configuration [default: $ZPARKD_CONFIG, else /etc/zparkd/zparkd.toml].",
)
@click.option(
    "--every",
    "every_s",
    type=click.FloatRange(min=0.1),
    default=HEADS_EVERY_S,
    show_default=True,
    help="Seconds between two messages about heads; the same at all senders of a site.",
)
@click.version_option(__version__, prog_name="zparkd-uplink")
def main(*, file: Path | None, every_s: float) -> None:
    """Send what this central holds to the fleet, where no lower one of the site does.

    Example: zparkd-uplink -c /etc/zparkd/zparkd.toml
    """
    try:
        config = load(file or default_path())
    except ConfigError as fault:
        _bad(str(fault))
    uplink = config.uplink
    if uplink is None:
        _bad(
            str(
                config.fault(
                    "uplink.servers",
                    "is missing; write the servers of NATS that"
                    ' carry to the fleet, such as ["nats://hub:4222"]',
                )
            )
        )
    logging.basicConfig(format="%(message)s", level=logging.INFO, stream=sys.stderr)
    asyncio.run(_serve(Sender(config, uplink, _key(config, uplink), every_s), uplink))


async def _serve(sender: Sender, uplink: Uplink) -> None:
    async def run() -> None:
        options = LinkOptions(uplink.servers, uplink.credentials_file, uplink.ca_file)
        nc = await connect(options, "zparkd-uplink")
        logging.getLogger("zparkd.uplink").info("sends to %s", ", ".join(uplink.servers))
        try:
            await sender.run(nc)
        finally:
            await nc.close()

    work = asyncio.ensure_future(run())
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, work.cancel)
    with contextlib.suppress(asyncio.CancelledError):
        await work


def _key(config: Config, uplink: Uplink) -> bytes:
    """The key of pseudonyms; empty where there are none."""
    if uplink.personal is not Told.PSEUDONYM or uplink.personal_key_file is None:
        return b""
    try:
        return read_secret_key(uplink.personal_key_file)
    except ValueError as fault:
        _bad(str(config.fault("uplink.personal_key_file", str(fault))))


def _bad(text: str) -> NoReturn:
    click.echo(text, err=True)
    sys.exit(EXIT_BAD_CONFIG)
