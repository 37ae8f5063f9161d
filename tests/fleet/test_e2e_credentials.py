"""TLS and accounts against a real server: each site speaks for itself alone."""

import asyncio
import ssl
from collections.abc import Iterator
from pathlib import Path

import nats
import nats.errors
import pytest

from tests.fleet.nats_accounts import Accounts, certificate
from tests.fleet.rig import Rig, camera
from zparkd.testbed.loopback import wait_for
from zparkd.testbed.servers import NatsServer, missing_servers

pytest.importorskip("nkeys")


class Guarded:
    """A server that lets in whom its accounts know, over TLS."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.accounts = Accounts()
        self.ca_file, key = certificate(folder)
        config = folder / "accounts.conf"
        config.write_text(self.accounts.config(self.ca_file, key))
        self.server = NatsServer(folder / "nats", config).start()
        self.url = self.server.url.replace("nats://", "tls://")

    def site(self, name: str) -> Path:
        """The credentials of one site, as docs/fleet.md says."""
        subscribes = [f"zparkd.{name}.heads", "_INBOX.>"]
        return self.accounts.user(self.folder / f"{name}.creds", [f"zparkd.{name}.>"], subscribes)


@pytest.fixture
def guarded(tmp_path: Path) -> Iterator[Guarded]:
    missing = missing_servers()
    if missing is not None:
        pytest.skip(missing)
    made = Guarded(tmp_path)
    yield made
    made.server.stop()


@pytest.fixture
def rig(tmp_path: Path, guarded: Guarded, database: str) -> Iterator[Rig]:
    made = Rig(tmp_path, guarded.server, database)
    yield made
    made.stop()


def test_what_a_site_sends_over_tls_with_its_credentials_comes_to_the_fleet(
    rig: Rig, guarded: Guarded, tmp_path: Path
) -> None:
    everything = guarded.accounts.user(tmp_path / "hub.creds", [">"], [">"])
    ca_file = str(guarded.ca_file)
    rig.fleet("--nats-credentials", str(everything), "--ca-file", ca_file, url=guarded.url)
    credentials = str(guarded.site("lot-a"))
    central = rig.central(
        "central-1", servers=guarded.url, credentials_file=credentials, ca_file=ca_file
    )
    rig.uplink(central)
    with camera(central) as edge:
        for plate_id in ("29A10001", "29A10002"):
            assert edge.open_barrier(plate_id, direction="ENTRY")["success"]
    rig.await_events("lot-a", 2)
    rig.await_history("lot-a", central)


def test_who_has_no_credentials_is_said_to_be_refused_and_sends_nothing(
    rig: Rig, guarded: Guarded
) -> None:
    central = rig.central("central-1", servers=guarded.url, ca_file=str(guarded.ca_file))
    uplink = rig.uplink(central)
    wait_for("it says why", lambda: "uthorization" in uplink.log.read_text())
    assert central.status()["uplink"]["events_sent"] == 0


def test_a_site_can_neither_speak_for_another_nor_read_its_events(guarded: Guarded) -> None:
    async def tried() -> tuple[list[str], bool]:
        refused: list[str] = []
        both = asyncio.Event()

        async def told(fault: Exception) -> None:
            refused.append(str(fault).lower())
            if len(refused) == 2:
                both.set()

        link = await nats.connect(
            guarded.url,
            user_credentials=str(guarded.site("lot-b")),
            tls=ssl.create_default_context(cafile=str(guarded.ca_file)),
            error_cb=told,
        )
        await link.publish("zparkd.lot-a.central-1.VEHICLE_EXIT", b"{}")
        await link.subscribe("zparkd.lot-a.>")
        await link.publish("zparkd.lot-b.heads", b"{}")
        await asyncio.wait_for(both.wait(), 20)
        up = link.is_connected
        await link.close()
        return sorted(refused), up

    refused, up = asyncio.run(tried())
    assert (
        'permissions violation for publish to "zparkd.lot-a.central-1.vehicle_exit"' in refused[0]
    )
    assert 'permissions violation for subscription to "zparkd.lot-a.>"' in refused[1]
    assert up
