"""A running daemon takes over its files, or refuses them and goes on as it was."""

import threading
from signal import SIGHUP

import pytest

from tests.support.harness import (
    PATIENCE_S,
    alive,
    ask,
    enter,
    leave,
    problems,
    rows,
    wait_connected,
    wait_equal,
    zparkctl,
)
from zparkd.testbed.loopback import LoopbackCentral, LoopbackSite, free_ports, wait_for


class Lane(threading.Thread):
    """Vehicles that enter at one central, one after the other, until told to stop."""

    def __init__(self, central: LoopbackCentral) -> None:
        super().__init__(daemon=True)
        self._central = central
        self._over = threading.Event()
        self.entered: list[str] = []

    def run(self) -> None:
        with self._central.edge("lane") as camera:
            while not self._over.wait(0.02):
                plate = f"60A{len(self.entered):05d}"
                answer = camera.open_barrier(plate, direction="ENTRY")
                assert answer["success"] is True, answer
                self.entered.append(plate)

    def end(self) -> list[str]:
        self._over.set()
        self.join(PATIENCE_S)
        assert not self.is_alive()
        return self.entered


def wait_peers(central: LoopbackCentral, count: int) -> None:
    wait_for(
        f"{central.id} has {count} peers",
        lambda: central.status()["total_peers"] == count,
        PATIENCE_S,
    )


def test_sighup_adds_and_removes_a_peer_without_restart_or_lost_events(make_site) -> None:
    site: LoopbackSite = make_site(3, links=[(0, 1)])
    one, two, three = site.centrals
    site.start()
    wait_connected(one, two)
    pids = [central.process.pid for central in site.centrals if central.process]
    lane = Lane(one)
    lane.start()
    for first, second in ((one, three), (three, one)):
        first.knows(second)
        first.signal(SIGHUP)
        wait_peers(first, len(list((first.folder / "peers.d").iterdir())))
    wait_connected(*site.centrals)
    wait_for("cars came by", lambda: len(lane.entered) > 20, PATIENCE_S)
    wait_for("three has caught up", lambda: len(rows(three)) > 20, PATIENCE_S)
    one.peer_file(two.id).unlink()
    one.signal(SIGHUP)
    wait_peers(one, 1)
    assert [peer["peer_id"] for peer in one.status()["peers"]] == [three.id]
    one.knows(two)
    one.signal(SIGHUP)
    wait_peers(one, 2)
    wait_connected(*site.centrals)
    entered = lane.end()
    wait_equal(site.centrals, when=lambda h: [r["plate_id"] for r in h] and len(h) == len(entered))
    assert [central.process.pid for central in site.centrals if central.process] == pids
    assert alive(*site.centrals)


@pytest.mark.parametrize("how", ["sighup", "zparkctl reload", "by itself"])
def test_a_bad_peer_file_keeps_the_last_good_configuration_until_it_is_mended(three, how) -> None:
    def reload() -> int:
        if how == "zparkctl reload":
            return zparkctl(one.config, "reload").returncode
        if how == "sighup":
            one.signal(SIGHUP)
        return 0

    one, two, _ = three.centrals
    bad = one.peer_file("central-4")
    bad.write_text('id = "central-4"\naddress = "127.0.0.1"\nbus_prot = 9000\n')
    try:
        code = reload()
        assert code == (78 if how == "zparkctl reload" else 0)
        wait_for("the fault shows", lambda: one.status()["config_error"] is not None, PATIENCE_S)
        error = one.status()["config_error"]
        assert f"{bad}:3: bus_prot: " in error
        assert "bus_port" in error
        assert "BAD_CONFIG" in problems(one)
        screen = zparkctl(one.config, "status")
        assert screen.returncode == 0
        assert "BAD_CONFIG" in screen.stdout
        assert one.status()["total_peers"] == 2
        enter(one, "64A00001")
        wait_known(three, "64A00001")
        leave(two, "64A00001")
    finally:
        bad.unlink()
    assert reload() == 0
    wait_for("the fault is gone", lambda: one.status()["config_error"] is None, PATIENCE_S)
    assert "BAD_CONFIG" not in problems(one)


@pytest.mark.parametrize(
    ("key", "old", "new"),
    [
        ("central.id", 'id = "central-1"', 'id = "central-7"'),
        ("central.site", 'site = "lot-a"', 'site = "lot-b"'),
        ("storage.path", 'path = "zparkd.db"', 'path = "other.db"'),
    ],
)
def test_a_reload_that_needs_a_restart_is_refused_naming_the_key(three, key, old, new) -> None:
    one = three.centrals[0]
    good = one.config.read_text()
    try:
        one.config.write_text(good.replace(old, new))
        ended = zparkctl(one.config, "reload")
        assert ended.returncode == 78
        assert f": {key}: " in ended.stderr
        assert "restart" in ended.stderr
        one.signal(SIGHUP)
        wait_for("it is shown", lambda: key in (one.status()["config_error"] or ""), PATIENCE_S)
        state = one.status()
        assert (state["this_central"], state["site"]) == ("central-1", "lot-a")
    finally:
        one.config.write_text(good)
    assert zparkctl(one.config, "reload").returncode == 0
    assert one.status()["config_error"] is None


def test_files_that_come_change_and_go_take_effect_by_themselves(three) -> None:
    one = three.centrals[0]
    seen = {"plate_id": "64F00001", "direction": "EXIT"}

    def wait_answer(success: bool) -> None:
        wait_for(
            f"the lane answers {success}",
            lambda: ask(one, "lane-y", "DETECTION", **seen)["success"] is success,
            PATIENCE_S,
        )

    file = one.folder / "edges.d" / "y.toml"
    wait_answer(True)
    file.write_text('id = "lane-y"\ndirection = "ENTRY"\n')
    wait_answer(False)
    file.write_text('id = "lane-y"\ndirection = "EXIT"\n')
    wait_answer(True)
    new = file.with_name("y.toml.new")
    new.write_text('id = "lane-y"\ndirection = "ENTRY"\n')
    new.replace(file)
    wait_answer(False)
    file.unlink()
    wait_answer(True)
    assert one.status()["config_error"] is None


def test_an_edge_file_counts_from_the_reload_on(three) -> None:
    one = three.centrals[0]
    assert ask(one, "lane-x", "DETECTION", plate_id="29A1", direction="EXIT")["success"] is True
    file = one.folder / "edges.d" / "x.toml"
    file.write_text('id = "lane-x"\ndirection = "ENTRY"\n')
    assert zparkctl(one.config, "reload").returncode == 0
    refused = ask(one, "lane-x", "DETECTION", plate_id="29A1", direction="EXIT")
    assert refused["error"]["code"] == "bad_request"
    file.unlink()
    assert zparkctl(one.config, "reload").returncode == 0
    assert ask(one, "lane-x", "DETECTION", plate_id="29A1", direction="EXIT")["success"] is True


def wait_known(site: LoopbackSite, *plates: str) -> None:
    """Wait until the histories of all are equal and have these."""
    wait_equal(site.centrals, when=lambda h: set(plates) <= {row["plate_id"] for row in h})


def tell_ports(moved: LoopbackCentral, *others: LoopbackCentral) -> None:
    """Have the others read where one listens now."""
    for other in others:
        other.knows(moved)
        assert zparkctl(other.config, "reload").returncode == 0


def change_port(central: LoopbackCentral, number: int) -> None:
    """Write another port into the main file, and know of it."""
    old = central.ports[number]
    (central.ports[number],) = free_ports(1)
    text = central.config.read_text()
    central.config.write_text(text.replace(f"port = {old}\n", f"port = {central.ports[number]}\n"))


def test_a_changed_edge_port_is_listened_on_and_peers_stay_connected(three) -> None:
    one, two, last = three.centrals
    wait_connected(one, two, last)
    for number in range(5):
        change_port(one, 2)
        ended = zparkctl(one.config, "reload")
        assert (ended.returncode, ended.stderr) == (0, "")
        enter(one, f"64B0000{number}")
    wait_connected(one, two, last)
    wait_known(three, "64B00004")


def test_changed_bus_and_sync_ports_are_found_by_peers_told_of_them(three) -> None:
    one, two, last = three.centrals
    wait_connected(one, two, last)
    change_port(one, 0)
    change_port(one, 1)
    assert zparkctl(one.config, "reload").returncode == 0
    enter(one, "64C00001")
    tell_ports(one, two, last)
    wait_connected(one, two, last)
    wait_known(three, "64C00001")


def test_a_port_in_use_is_refused_on_reload_and_the_old_ones_stay(three) -> None:
    one, two, last = three.centrals
    wait_connected(one, two, last)
    good = one.config.read_text()
    for number in (0, 2):
        one.config.write_text(good.replace(str(one.ports[number]), str(two.ports[number])))
        ended = zparkctl(one.config, "reload")
        assert ended.returncode == 78
        assert str(two.ports[number]) in ended.stderr
        assert one.status()["config_error"] is not None
        enter(one, f"64D0000{number}")
    one.config.write_text(good)
    assert zparkctl(one.config, "reload").returncode == 0
    wait_connected(one, two, last)
    wait_known(three, "64D00000", "64D00002")


def test_ports_can_change_places_and_the_address_be_widened_while_it_runs(three) -> None:
    one, two, last = three.centrals
    wait_connected(one, two, last)
    bus, sync, edge = one.ports
    text = one.config.read_text()
    text = text.replace(f"bus_port = {bus}", f"bus_port = {edge}")
    text = text.replace(f"edge_port = {edge}", f"edge_port = {bus}")
    one.config.write_text(text)
    one.ports[:] = [edge, sync, bus]
    assert zparkctl(one.config, "reload").returncode == 0
    enter(one, "64E00001")
    text = text.replace("[listen]\n", '[listen]\naddress = "0.0.0.0"\n')
    text = text.replace("[security]\n", "[security]\nallow_insecure = true\n")
    one.config.write_text(text)
    assert zparkctl(one.config, "reload").returncode == 0
    enter(one, "64E00002")
    tell_ports(one, two, last)
    wait_connected(one, two, last)
    wait_known(three, "64E00001", "64E00002")


def test_a_changed_control_socket_is_where_zparkctl_finds_it(make_site) -> None:
    site: LoopbackSite = make_site(1)
    (one,) = site.centrals
    site.start()
    pid = peer_pid(one)
    text = one.config.read_text()
    for name in ("other.sock", "control.sock"):
        one.config.write_text(text.replace("control.sock", name))
        one.signal(SIGHUP)
        wait_for(
            "it answers there",
            lambda: zparkctl(one.config, "status").returncode == 0,
            PATIENCE_S,
        )
    assert peer_pid(one) == pid
    assert one.stop() == 0
    assert not list(one.folder.glob("*.sock"))


def peer_pid(central: LoopbackCentral) -> int:
    assert central.process is not None
    return central.process.pid
