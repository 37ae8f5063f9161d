"""`zparkd-camera`: from a configuration file to lanes at work, and back to an exit code."""

import http.client
import json
import logging
import signal
import socket
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn, Protocol

import click
import uvicorn

from zparkd import __version__
from zparkd.camera.config import Config, LaneConfig, default_path, load
from zparkd.camera.intake.connections import bounded
from zparkd.camera.intake.server import STATUS_PATH, Server
from zparkd.camera.lane.album import Album
from zparkd.camera.lane.asking import Centrals
from zparkd.camera.lane.lane import Lane, now_ms
from zparkd.camera.lane.ledger import Ledger, LedgerError
from zparkd.camera.lane.postman import Postman
from zparkd.camera.lane.reporter import Reporter
from zparkd.camera.read import MESSAGE_BYTES, At, Unreadable
from zparkd.camera.shown import status_lines, test_lines
from zparkd.config.toml import ConfigError

EXIT_FAILED = 1
EXIT_UNREACHABLE = 69
EXIT_BAD_CONFIG = 78
_CONNECTIONS = 256


class Part(Protocol):
    """What works beside the server from its start to its end."""

    def start(self) -> None:
        """Begin."""

    def stop(self) -> None:
        """End what is under way."""


@click.group(invoke_without_command=True)
@click.option(
    "-c",
    "--config",
    "file",
    type=click.Path(path_type=Path),
    help="The configuration [default: $ZPARKD_CAMERA_CONFIG, else /etc/zparkd/camera.toml].",
)
@click.version_option(__version__, prog_name="zparkd-camera")
@click.pass_context
def main(ctx: click.Context, /, *, file: Path | None) -> None:
    """Take what the cameras of lanes send, ask the centrals, open barriers, until SIGTERM.

    Example: zparkd-camera -c /etc/zparkd/camera.toml
    """
    ctx.obj = file or default_path()
    if ctx.invoked_subcommand is not None:
        return
    config = _load(ctx.obj)
    _check_keys(config)
    logging.basicConfig(format="%(message)s", level=logging.INFO, stream=sys.stderr)
    listening = _listen(*config.listen)
    try:
        ledger = Ledger(config.outbox, now_ms)
    except LedgerError as fault:
        _fail(EXIT_FAILED, f"zparkd-camera: {fault}")
    _serve(config, listening, ledger)


def _serve(config: Config, listening: socket.socket, ledger: Ledger) -> None:
    album = Album(config.pictures, config.pictures_mib, config.pictures_days)
    lanes = [Lane(lane, ledger, album) for lane in config.lanes]
    postman = Postman(lanes, ledger, album)
    about = {"version": __version__, "started_ms": now_ms()}
    server = Server(lanes, album, about)
    parts: list[Part] = [*lanes, postman, Reporter(lanes), *_subscriptions(lanes)]
    for part in parts:
        part.start()
    host, port = listening.getsockname()[:2]
    names = ", ".join(lane.config.name for lane in lanes)
    logging.getLogger("zparkd.camera").info(
        "http://%s:%d/ takes the reads of %s", host, port, names
    )
    settings = uvicorn.Config(
        server.app(),
        log_config=None,
        log_level="warning",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        ws="none",
        http=bounded(),
        timeout_graceful_shutdown=3,
        limit_concurrency=_CONNECTIONS,
    )
    for number in (signal.SIGTERM, signal.SIGINT):
        # uvicorn sends a signal that ended it once more, to whom it took it from.
        signal.signal(number, lambda *_: None)
    try:
        uvicorn.Server(settings).run(sockets=[listening])
    finally:
        for part in reversed(parts):
            part.stop()
        ledger.close()


def _subscriptions(lanes: Sequence[Lane]) -> list[Part]:
    ours = [lane for lane in lanes if lane.config.mqtt is not None]
    if not ours:
        return []
    from zparkd.camera.intake.mqtt import Subscription  # noqa: PLC0415 - only for Frigate

    return [Subscription(lane) for lane in ours]


@main.command("test")
@click.argument("lane_name", metavar="LANE")
@click.argument("message", metavar="FILE", type=click.Path(path_type=Path))
@click.option("--content-type", default="", help="The Content-Type that the message came with.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def test(path: Path, lane_name: str, message: Path, content_type: str, as_json: bool) -> None:
    """Show what a captured message becomes at a lane. Nothing is sent.

    Example: zparkd-camera test lane-1 captured.xml
    """
    config = _load(path)
    lane = _lane(config, lane_name)
    try:
        body = message.read_bytes() if str(message) != "-" else sys.stdin.buffer.read()
    except OSError as fault:
        _fail(EXIT_FAILED, f"zparkd-camera: {message}: {fault.strerror}; name a file, or -")
    if len(body) > MESSAGE_BYTES:
        _fail(EXIT_FAILED, f"zparkd-camera: {message}: over {MESSAGE_BYTES} bytes; none is longer")
    now = now_ms()
    try:
        found = lane.decode(body, content_type or _guessed(body), At(lane.zone, now))
    except Unreadable as fault:
        _fail(EXIT_FAILED, f"zparkd-camera: not a message of {lane.source}: {fault}")
    for line in test_lines(lane, found, now, as_json=as_json):
        click.echo(line)


@main.command("status")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def status(path: Path, as_json: bool) -> None:
    """Show what each lane did since the start: events, reads, opens, faults.

    Example: zparkd-camera status
    """
    shown = _ask_status(_load(path))
    if as_json:
        click.echo(json.dumps(shown, indent=2, ensure_ascii=False))
        return
    for line in status_lines(shown, now_ms()):
        click.echo(line)


def _ask_status(config: Config) -> Any:
    host, port = config.listen
    connection = http.client.HTTPConnection(_reached_at(host), port, timeout=5)
    try:
        connection.request("GET", STATUS_PATH)
        answer = connection.getresponse()
        return json.loads(answer.read())
    except (OSError, http.client.HTTPException, ValueError) as fault:
        _fail(
            EXIT_UNREACHABLE,
            f"zparkd-camera: nothing answers at {host}, port {port}: {fault}; start it:"
            " systemctl start zparkd-camera",
        )
    finally:
        connection.close()


def _reached_at(host: str) -> str:
    """Where this machine reaches what listens there."""
    return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)


def _lane(config: Config, name: str) -> LaneConfig:
    lanes = {lane.name: lane for lane in config.lanes}
    if name not in lanes:
        _fail(EXIT_FAILED, f"zparkd-camera: no lane {name}; write one of {', '.join(lanes)}")
    return lanes[name]


def _guessed(body: bytes) -> str:
    """The type of a captured body that names none: a multipart begins with its boundary."""
    first = body.lstrip()[:200].split(b"\r\n")[0].split(b"\n")[0].strip()
    if first.startswith(b"--") and len(first) > 2:
        return f'multipart/form-data; boundary="{first[2:].decode("latin-1")}"'
    return ""


def _load(path: Path) -> Config:
    try:
        return load(path)
    except ConfigError as refused:
        _fail(EXIT_BAD_CONFIG, *map(str, refused.faults))


def _check_keys(config: Config) -> None:
    """End where the key of a lane can't be used; `test` and `status` need none."""
    for lane in config.lanes:
        try:
            Centrals(lane).close()
        except OSError as fault:
            why = f"{lane.secret_key_file}: {fault.strerror}; make it: zparkctl keygen FILE"
        except ValueError as fault:
            why = str(fault)
        else:
            continue
        file = config.path.parent / "cameras.d" / f"{lane.name}.toml"
        _fail(EXIT_BAD_CONFIG, f"{file}:0: secret_key_file: {why}")


def _listen(host: str, port: int) -> socket.socket:
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        return socket.create_server((host, port), family=family, backlog=_CONNECTIONS)
    except OSError as fault:
        _fail(
            EXIT_FAILED,
            f"zparkd-camera: can't listen on {host}, port {port}: {fault.strerror or fault};"
            " stop what has it, or write another listen",
        )


def _fail(code: int, *lines: str) -> NoReturn:
    for line in lines:
        click.echo(line, err=True)
    sys.exit(code)


if __name__ == "__main__":
    main()
