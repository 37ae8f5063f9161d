"""`bin/demo`: the main job for real, on this machine alone.

Three centrals as processes of their own; cars come and go at different gates; one central has
its power cut and comes back. It ends with 0 only if all three histories are equal.
"""

import socket
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from typing import Any

import click

from zparkd.config.load import SecurityMode
from zparkd.testbed.loopback import (
    LoopbackCentral,
    LoopbackSite,
    NeverHappened,
    free_ports,
    wait_for,
    zparkctl,
)

CARS = [f"29A{number:05d}" for number in range(12301, 12311)]


@click.command()
@click.option("--keep", is_flag=True, help="Then go on until ^C, with the page to click on.")
def main(keep: bool) -> None:
    """Show three centrals sharing entries and exits, and one catching up after a power cut."""
    with (
        tempfile.TemporaryDirectory(prefix="zparkd-demo-") as folder,
        LoopbackSite(Path(folder), 3, mode=SecurityMode.CURVE) as site,
    ):
        try:
            equal = _show(site)
        except NeverHappened as fault:
            print(f"\nthe demo failed: {fault}")
            equal = False
        if keep and equal:
            _keep(site.centrals[0])
    sys.exit(0 if equal else 1)


def _keep(central: LoopbackCentral) -> None:
    """Leave the site as it is until ^C, with the page of one central."""
    [port] = free_ports(1)
    command = [sys.executable, "-P", "-m", "zparkd.web.command", "-c", str(central.config)]
    page = subprocess.Popen(
        [*command, "--port", str(port)], stdout=subprocess.DEVNULL, start_new_session=True
    )
    try:
        wait_for("the page answers", lambda: _answers(port) or page.poll() is not None)
        if page.poll() is None:
            print(f"\nthe page of {central.id}: http://127.0.0.1:{port}/")
        print(f"to ask it: zparkctl -c {central.config} status\n^C ends all", flush=True)
        page.wait()
        threading.Event().wait()  # without the gateway's packages there is no page, but a site
    except KeyboardInterrupt:
        print()
    finally:
        page.terminate()
        page.wait()


def _answers(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except OSError:
        return False
    return True


def _show(site: LoopbackSite) -> bool:
    one, two, three = site.centrals
    print("1. Three centrals start, each with its own key and database, and find each other.")
    for central in site.centrals:
        central.admits(f"{central.id}-gate")
    site.start()
    site.wait_connected()
    print(f"2. {len(CARS)} cars enter at central-1 and central-2.")
    for number, plate in enumerate(CARS):
        _pass(site.centrals[number % 2], plate, "ENTRY")
    print("3. Two of them leave at central-3, which never saw them enter:")
    site.wait_equal()
    for plate in CARS[:2]:
        answer = _pass(three, plate, "EXIT")
        print(f"   {plate}: {answer['fee']:,} {answer['currency']}, {answer['duration']}")
    site.wait_equal()
    print("4. central-2 loses its power. Cars go on coming and going at the others.")
    two.kill()
    for plate in CARS[2:6]:
        _pass(one, plate, "EXIT")
    for plate in ("30F99991", "30F99992"):
        _pass(three, plate, "ENTRY")
    print("5. central-2 comes back, and fetches what it missed.")
    two.start()
    site.wait_connected()
    site.wait_equal()
    print("\n$ zparkctl status        (at central-2)\n")
    print(zparkctl(two.config, "status").decode())
    print("$ zparkctl history --limit 4\n")
    print(zparkctl(two.config, "history", "--limit", "4").decode())
    histories = [central.history() for central in site.centrals]
    equal = histories[0] == histories[1] == histories[2]
    print(
        f"{len(histories[0])} stays; all three histories are {'equal' if equal else 'DIFFERENT'}."
    )
    return equal


def _pass(central: LoopbackCentral, plate: str, direction: str) -> dict[str, Any]:
    """One vehicle through a gate of a central: seen, let through, barrier closed."""
    with central.edge(f"{central.id}-gate") as camera:
        camera.detect(plate, direction=direction, confidence=0.97)
        answer = camera.open_barrier(plate, direction=direction)
        if not answer["success"]:
            raise NeverHappened(f"{plate} was refused: {answer['error']['message']}")
        camera.close_barrier()
        return answer


if __name__ == "__main__":
    main()
