"""Configuration files that change under running daemons take effect by themselves, and soon."""

import shutil
import socket
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager

import pytest

from tests.support.harness import (
    PATIENCE_S,
    QUICK,
    STEADY,
    ask,
    enter,
    peer_row,
    problems,
    promised,
    rows,
    wait_connected,
    wait_equal,
)
from zparkd.testbed.loopback import LoopbackCentral, LoopbackSite, free_ports, wait_for

DEADLINE_S = 5.0  # what is promised is 2 s; the machine may be busy
NOBODY = 'address = "127.0.0.1"\nbus_port = 1\n'


def soon(what: str, condition: Callable[[], object]) -> None:
    """Wait until it is so after a change that was made just now, and print how long it took."""
    started = time.monotonic()
    wait_for(what, condition, promised(DEADLINE_S))
    print(f"{time.monotonic() - started:5.2f} s  {what}")


def peer_ids(central: LoopbackCentral) -> list[str]:
    return [peer["peer_id"] for peer in central.status()["peers"]]


def error(central: LoopbackCentral) -> str:
    return central.status()["config_error"] or ""


def refused_lines(central: LoopbackCentral) -> list[str]:
    lines = central.log.read_text().splitlines()
    return [line for line in lines if "configuration refused" in line]


@contextmanager
def cars(central: LoopbackCentral) -> Iterator[list[str]]:
    """Vehicles enter one after the other meanwhile; their plates."""
    over = threading.Event()
    entered: list[str] = []
    faults: list[object] = []

    def drive() -> None:
        with central.edge("lane") as camera:
            while not over.wait(0.02):
                plate = f"61A{len(entered):05d}"
                answer = camera.open_barrier(plate, direction="ENTRY")
                if answer["success"] is not True:
                    faults.append(answer)
                entered.append(plate)

    lane = threading.Thread(target=drive)
    lane.start()
    try:
        yield entered
    finally:
        over.set()
        lane.join(PATIENCE_S)
    assert faults == []


def test_peers_come_change_break_and_go_by_file_while_cars_enter(make_site) -> None:
    site: LoopbackSite = make_site(3, links=[(0, 1)], more=STEADY)
    one, two, three = site.centrals
    site.start()
    wait_connected(one, two)
    pids = [central.process.pid for central in site.centrals]
    with cars(one) as entered:
        one.knows(three)
        soon("a peer is added", lambda: peer_ids(one) == ["central-2", "central-3"])
        three.knows(one)
        soon("and connected", lambda: peer_row(one, "central-3")["connected"])

        file = one.peer_file("central-3")
        good = file.read_text()
        port = three.ports[0]
        file.write_text(good.replace(f"bus_port = {port}", "bus_port = 1"))
        soon("a port is changed", lambda: peer_row(one, "central-3")["peer_port"] == 1)
        file.write_text(good)
        soon("and changed back", lambda: peer_row(one, "central-3")["peer_port"] == port)

        file.write_text(good.replace("bus_port", "bus_prot"))
        soon("a file is broken", lambda: f"{file}:3: bus_prot: " in error(one))
        assert "BAD_CONFIG" in problems(one)
        assert peer_ids(one) == ["central-2", "central-3"]
        enter(three, "62A00001")
        wait_for("it is heard", lambda: "62A00001" in str(rows(one)), PATIENCE_S)
        file.write_text(good)
        soon("and mended", lambda: error(one) == "" and "BAD_CONFIG" not in problems(one))

        file.unlink()
        soon("a peer is removed", lambda: peer_ids(one) == ["central-2"])
        one.knows(three)
        soon("and added again", lambda: peer_ids(one) == ["central-2", "central-3"])
    wait_connected(*site.centrals)
    wait_equal(site.centrals, when=lambda history: len(history) == len(entered) + 1)
    assert [central.process.pid for central in site.centrals] == pids
    assert len(refused_lines(one)) == 1
    assert "central-2 is not heard" not in one.log.read_text(), "its sockets were left alone"


def test_edges_come_change_break_and_go_by_file(three) -> None:
    one = three.centrals[0]

    def taken(direction: str) -> bool:
        answer = ask(one, "lane-z", "DETECTION", plate_id="29A00001", direction=direction)
        return answer["success"] is True

    file = one.folder / "edges.d" / "z.toml"
    file.write_text('id = "lane-z"\ndirection = "ENTRY"\n')
    soon("an edge is added", lambda: not taken("EXIT"))
    file.write_text('id = "lane-z"\ndirection = "EXIT"\n')
    soon("it is changed", lambda: not taken("ENTRY"))
    file.write_text('id = "lane-z"\ndirection = "UP"\n')
    soon("it is broken", lambda: f"{file}:2: direction: " in error(one))
    assert not taken("ENTRY")
    assert taken("EXIT")
    file.unlink()
    soon("it is removed", lambda: taken("ENTRY") and error(one) == "")


def test_what_needs_a_restart_is_refused_by_name_until_it_is_put_back(three) -> None:
    one = three.centrals[0]
    good = one.config.read_text()
    bad = good.replace('id = "central-1"', 'id = "central-7"')
    bad = bad.replace('site = "lot-a"', 'site = "lot-b"')
    bad = bad.replace('path = "zparkd.db"', 'path = "other.db"')
    before = len(refused_lines(one))
    one.config.write_text(bad)
    keys = ["central.id", "central.site", "storage.path"]
    soon("all three are refused", lambda: all(f": {key}: " in error(one) for key in keys))
    assert "restart" in error(one)
    one.config.write_text(bad)  # the same again is looked at, but not said again
    other = one.folder / "edges.d" / "other.toml"
    other.write_text('id = "lane-o"\ndirection = "UP"\n')
    soon("another fault hides them", lambda: f"{other}:2: " in error(one))
    other.unlink()
    soon("they are still refused", lambda: all(f": {key}: " in error(one) for key in keys))
    state = one.status()
    assert (state["this_central"], state["site"]) == ("central-1", "lot-a")
    assert not (one.folder / "other.db").exists()
    one.config.write_text(good)
    soon("they are put back", lambda: error(one) == "")
    assert len(refused_lines(one)) - before == 3 + 1 + 3


def test_the_main_file_takes_effect_live(make_central) -> None:
    one: LoopbackCentral = make_central(more=QUICK)
    two: LoopbackCentral = make_central("central-2", more=QUICK)
    one.knows(two)
    two.knows(one)
    one.start()
    two.start()
    wait_connected(one, two)
    pid = one.process.pid
    enter(one, "29A00001")
    (port,) = free_ports(1)
    text = one.config.read_text().replace(str(one.ports[2]), str(port))
    one.config.write_text(text)
    one.ports[2] = port
    with one.edge("gate", timeout_s=0.2, attempts=25) as camera:
        assert camera.open_barrier("29A00002", direction="ENTRY")["success"] is True

    def entry_time() -> str:
        return rows(one)[0]["entry_time"]

    here = entry_time()
    text = text.replace("[listen]", 'timezone = "UTC"\n\n[listen]')
    one.config.write_text(text)
    soon("the time zone is another", lambda: entry_time() != here)
    assert "TIMEZONE_DIFFERS" in problems(one)

    text += "\n[limits]\nedge_requests_per_s = 1\n"
    one.config.write_text(text)

    def limited() -> bool:
        answer = ask(one, "gate", "PING")
        return answer.get("error", {}).get("code") == "rate_limited"

    soon("edges are limited", limited)
    rare = text.replace(QUICK, "\n[bus]\nheartbeat_s = 1000\npeer_timeout_s = 3000\n")
    one.config.write_text(rare)
    soon("heartbeats are rare", lambda: not peer_row(two, "central-1")["connected"])
    one.config.write_text(text)
    soon("they are not any more", lambda: peer_row(two, "central-1")["connected"])
    assert one.process.pid == pid
    assert refused_lines(one) == []


def test_what_can_not_be_had_changes_nothing_else_either(make_central) -> None:
    """A port that another program has, and a database that another program holds."""
    one: LoopbackCentral = make_central()
    one.start()
    enter(one, "29A00001")
    here = rows(one)[0]["entry_time"]
    good = one.config.read_text()
    utc = good.replace("[listen]", 'timezone = "UTC"\n\n[listen]')
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        one.config.write_text(utc.replace(str(one.ports[2]), str(port)))
        soon("a port is taken", lambda: "listen.edge_port: " in error(one))
        assert rows(one)[0]["entry_time"] == here
        enter(one, "29A00002")
    one.config.write_text(good)
    soon("the port is put back", lambda: error(one) == "")
    with closing(sqlite3.connect(one.database, isolation_level=None)) as holder:
        holder.execute("BEGIN IMMEDIATE")
        one.config.write_text(utc)
        soon("the database is held", lambda: "central.timezone: " in error(one))
        holder.execute("ROLLBACK")
    assert rows(one)[0]["entry_time"] == here
    one.config.touch()
    soon("it can be had again", lambda: error(one) == "" and rows(one)[0]["entry_time"] != here)


def many_at_once(one: LoopbackCentral) -> None:
    for number in range(1, 51):
        one.peer_file(f"peer-{number}").write_text(f'id = "peer-{number}"\n{NOBODY}')


def several_tools(one: LoopbackCentral) -> None:
    def tool(first: int) -> None:
        for number in range(first, 51, 5):
            file = one.peer_file(f"peer-{number}")
            temporary = file.with_name(f".{file.name}.tmp")
            temporary.write_text(f'id = "peer-{number}"\n{NOBODY}')
            temporary.rename(file)

    tools = [threading.Thread(target=tool, args=(first,)) for first in range(1, 6)]
    for thread in tools:
        thread.start()
    for thread in tools:
        thread.join()


def whole_directory(one: LoopbackCentral) -> None:
    folder = one.folder / "peers.d"
    shutil.copytree(folder, folder.with_name("next"))
    for number in range(1, 51):
        file = folder.with_name("next") / f"peer-{number}.toml"
        file.write_text(f'id = "peer-{number}"\n{NOBODY}')
    folder.rename(folder.with_name("before"))
    folder.with_name("next").rename(folder)


@pytest.mark.parametrize("write", [many_at_once, several_tools, whole_directory])
def test_fifty_files_are_taken_over_and_dropped(three, write) -> None:
    one = three.centrals[0]
    write(one)
    soon(write.__name__, lambda: one.status()["total_peers"] == 52)
    for file in (one.folder / "peers.d").glob("peer-*.toml"):
        file.unlink()
    soon("all are dropped", lambda: one.status()["total_peers"] == 2)
    shutil.rmtree(one.folder / "before", ignore_errors=True)
    assert error(one) == ""


def test_half_a_file_heals_when_the_rest_is_written(three) -> None:
    one = three.centrals[0]
    file = one.peer_file("slow")
    with file.open("w") as opened:
        opened.write('id = "sl')
        opened.flush()
        soon("half a file is a fault", lambda: f"{file}:1: " in error(one))
        opened.write(f'ow"\n{NOBODY}')
    soon("the whole is none", lambda: error(one) == "" and "slow" in peer_ids(one))
    file.unlink()
    soon("it is gone", lambda: "slow" not in peer_ids(one))
