"""`bin/camera-sim`: cameras of every make play a day of a site, and the history is judged.

Without `--url` it makes a whole site for the day: real centrals, a real zparkd-camera, a relay for
all barriers. With `--url` its cameras send to one that runs, and what it does is to be seen there.
"""

import sys
import tempfile
import threading
import time
from pathlib import Path
from urllib.parse import urlsplit

import click

from tests.camera.driving import Camera, Day, LanePlan
from tests.camera.formats import FORMATS
from tests.camera.site import CameraSite, Killer, plans
from zparkd.testbed.loopback import NeverHappened


@click.command()
@click.option("--vehicles", default=100, show_default=True, help="How many come and leave.")
@click.option("--lanes", default=6, show_default=True, help="By turns in and out, of all makes.")
@click.option("--centrals", default=3, show_default=True, help="How many there are.")
@click.option("--pace", default=0.1, show_default=True, help="Seconds between two at a lane.")
@click.option("--seed", default=1, show_default=True, help="The same seed makes the same day.")
@click.option("--kill", is_flag=True, help="Take the power of centrals and of zparkd-camera away.")
@click.option("--url", help="A zparkd-camera that runs, such as http://127.0.0.1:8070.")
@click.option(
    "--lane",
    "lanes_there",
    multiple=True,
    metavar="NAME=FORMAT",
    help=f"A lane there and its format, with --url: one of {', '.join(FORMATS)}. Again for more.",
)
@click.option("--mqtt-port", type=int, help="The broker's port, for frigate with --url.")
def main(
    vehicles: int,
    lanes: int,
    centrals: int,
    pace: float,
    seed: int,
    kill: bool,
    url: str | None,
    lanes_there: tuple[str, ...],
    mqtt_port: int | None,
) -> None:
    """Play a day. Exit 0 only if the history tells what was driven, and no barrier moved wrong."""
    if (url is None) != (not lanes_there):
        raise click.UsageError("--url and --lane go together")
    if url is not None:
        _send_there(url, lanes_there, mqtt_port, vehicles, pace, seed)
        return
    with (
        tempfile.TemporaryDirectory(prefix="zp-") as folder,
        CameraSite(Path(folder), plans(lanes), centrals) as site,
    ):
        site.start()
        good = _play(site, vehicles, pace, seed, kill)
    sys.exit(0 if good else 1)


def _play(site: CameraSite, vehicles: int, pace: float, seed: int, kill: bool) -> bool:
    killer = Killer(site, seed) if kill else None
    day = site.day(vehicles, seed, killer, pace)
    if killer is not None:
        killer.start()
    with click.progressbar(length=vehicles, label=f"{vehicles} vehicles") as bar:
        run = threading.Thread(target=day.run, daemon=True)
        run.start()
        done = 0
        while run.is_alive():
            run.join(0.1)
            gone = day.gone
            bar.update(gone - done)
            done = gone
    if killer is not None:
        killer.end()
        click.echo(f"killed: zparkd-camera {killer.bridge_kills}, centrals {killer.central_kills}")
    return _judge(site, day)


def _judge(site: CameraSite, day: Day) -> bool:
    click.echo("waiting until the outbox is empty and all centrals hold the same (half a minute)")
    try:
        site.settled()
    except NeverHappened as fault:
        click.echo(f"FAULT: {fault}")
        return False
    good = not day.faults and not day.strays
    for fault in (*day.faults, *day.strays):
        click.echo(f"FAULT: {fault}")
    click.echo(f"barriers that opened for nobody, or twice: {len(day.strays)}")
    click.echo(f"let through by hand after an outage: {day.by_hand}")
    for central in site.site.centrals:
        told = site.told(central)
        lost, more = day.driven - told, told - day.driven
        click.echo(
            f"{central.id}: {told.total()} passages, {lost.total()} lost, {more.total()} more"
        )
        good = good and not lost and not more
    click.echo("the history tells what was driven" if good else "FAULT: it does not")
    return good


def _send_there(
    url: str, lanes: tuple[str, ...], mqtt_port: int | None, vehicles: int, pace: float, seed: int
) -> None:
    """Cameras alone: each vehicle is seen for as long as a barrier takes, then the next comes."""
    port = urlsplit(url).port or 80
    host = urlsplit(url).hostname or "127.0.0.1"
    chosen = [
        LanePlan(name, format, False) for name, _, format in (it.partition("=") for it in lanes)
    ]
    for plan in chosen:
        if plan.format not in FORMATS:
            raise click.UsageError(f"--lane {plan.name}: write one of {', '.join(FORMATS)}")
    day = Day(chosen, port, mqtt_port, vehicles, seed, pace_s=pace, host=host)

    def open_soon(camera: Camera) -> None:
        while camera.is_alive():
            time.sleep(0.05)
            camera.barrier.assume_opened()

    for camera in day.cameras:
        camera.start()
        threading.Thread(target=open_soon, args=(camera,), daemon=True).start()
    for place, plate in enumerate(day.plates):
        day.cameras[place % len(day.cameras)].come(plate)
    for camera in day.cameras:
        camera.close()
    for camera in day.cameras:
        camera.join()
    sent = sum(camera.told.messages for camera in day.cameras)
    click.echo(f"{vehicles} vehicles, {sent} messages; see zparkd-camera status, zparkctl history")


if __name__ == "__main__":
    main()
