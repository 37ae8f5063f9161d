"""Centrals and cameras become members by one command each, over real processes and sockets."""

import json
import os
import re
import signal
import sqlite3
import stat
import subprocess
import tomllib
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import zmq

from tests.support.harness import PATIENCE_S, promised, zparkctl
from tests.support.invited import pair, said_by
from zparkd.client import edge_file
from zparkd.client.control import ControlClient
from zparkd.client.edge import EdgeClient
from zparkd.client.join import NotReached, ask
from zparkd.config.load import SecurityMode
from zparkd.core.keys import fingerprint, key_text
from zparkd.core.members.roster_words import Role
from zparkd.core.members.token import decode
from zparkd.testbed.loopback import LoopbackCentral, wait_for

QUICK = "\n[bus]\nheartbeat_s = 0.2\npeer_timeout_s = 2.0\n"


@pytest.fixture
def centrals(tmp_path: Path) -> Iterator[list[LoopbackCentral]]:
    """Three that know nobody; only the first runs."""
    made = [
        LoopbackCentral(tmp_path / f"c{n}", f"central-{n}", more=QUICK, mode=SecurityMode.CURVE)
        for n in (1, 2, 3)
    ]
    made[0].start()
    yield made
    for central in made:
        if central.process is not None:
            central.stop()


def invite(central: LoopbackCentral, *words: str) -> str:
    done = zparkctl(central.config, "invite", *words)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert len(lines) == 1, done.stdout
    return lines[0]


def join(central: LoopbackCentral, token: str) -> "subprocess.CompletedProcess[str]":
    return zparkctl(central.config, "join", token)


def become_member(central: LoopbackCentral, token: str) -> None:
    done = join(central, token)
    assert done.returncode == 0, done.stderr
    if central.process is None:
        central.start()


def problems(central: LoopbackCentral) -> dict[str, str]:
    return {one["code"]: one["message"] for one in central.status()["problems"]}


JOINED_WITHIN_S = 5.0  # of a join every central that is connected has the new one connected
GONE_WITHIN_S = 2.0  # of a removal its key opens nothing


def total(central: LoopbackCentral, peers: int, within_s: float = PATIENCE_S) -> None:
    wait_for(
        f"{central.id} has {peers} peers connected",
        lambda: (
            central.status()["total_peers"] == peers
            and central.status()["connected_peers"] == peers
        ),
        within_s,
    )


def test_a_central_joins_by_one_token_and_all_others_know_it(
    centrals: list[LoopbackCentral],
) -> None:
    first, second, third = centrals
    become_member(second, invite(first, "central-2"))
    total(first, 1)
    total(second, 1)
    become_member(third, invite(second, "central-3"))
    for central in centrals:
        total(central, 2, promised(JOINED_WITHIN_S))
    assert first.peer_file("central-3").read_text().startswith("# zparkd roster")


def test_a_camera_joins_by_one_token_and_is_known_at_every_central(
    centrals: list[LoopbackCentral], tmp_path: Path
) -> None:
    first, second, _ = centrals
    become_member(second, invite(first, "central-2"))
    total(second, 1)
    token = invite(first, "--edge", "edge-1", "--direction", "ENTRY")
    file = tmp_path / "edge-1.json"
    with EdgeClient.join(token, file) as camera:
        assert camera.ping()["success"] is True
    assert file.stat().st_mode & 0o777 == 0o600
    wait_for("second knows it", lambda: second.edge_file("edge-1").exists(), PATIENCE_S)
    first.stop()
    with EdgeClient.join("", file, timeout_s=5) as camera:
        answer = camera.open_barrier("29A00001")
    assert (answer["success"], answer["action"]) == (True, "ENTRY")
    assert camera.centrals == (first.endpoint, second.endpoint)


def test_a_camera_learns_of_centrals_that_came_later_and_of_changed_keys(
    centrals: list[LoopbackCentral], tmp_path: Path
) -> None:
    first, second, _ = centrals
    file = tmp_path / "edge-1.json"
    with EdgeClient.join(invite(first, "--edge", "edge-1"), file, timeout_s=10) as camera:
        assert camera.ping()["success"] is True
        assert camera.centrals == (first.endpoint,)
        become_member(second, invite(first, "central-2"))
        total(first, 1)
        wait_for("second knows it", lambda: second.edge_file("edge-1").exists(), PATIENCE_S)
        answer = camera.ping()
        assert "centrals" not in answer, "that is for EdgeClient, not for who asks"
        assert camera.centrals == (first.endpoint, second.endpoint)
    done = zparkctl(second.config, "member", "rotate-key")
    assert done.returncode == 0, done.stderr
    with EdgeClient.join("", file, timeout_s=10) as camera:
        wait_for("it has one key of each", lambda: keys_in(camera, file) == 2, PATIENCE_S)
        first.stop()
        assert camera.open_barrier("29A00001", direction="ENTRY")["action"] == "ENTRY"
    assert (file.stat().st_mode & 0o777, len(edge_file.kept(file).centrals)) == (0o600, 2)


def keys_in(camera: EdgeClient, file: Path) -> int:
    """How many centrals with their keys are in a file, once a central was asked."""
    assert camera.ping()["success"] is True
    return len(edge_file.kept(file).public_keys)


def test_a_camera_that_was_removed_joins_anew_with_the_same_file(
    centrals: list[LoopbackCentral], tmp_path: Path
) -> None:
    first = centrals[0]
    file = tmp_path / "edge-1.json"
    token = invite(first, "--edge", "edge-1")
    EdgeClient.join(token, file).close()
    before = edge_file.kept(file)
    assert zparkctl(first.config, "member", "remove", "edge-1").returncode == 0
    again = invite(first, "--edge", "edge-1")
    with EdgeClient.join(again, file, timeout_s=10) as camera:
        assert edge_file.kept(file).secret != before.secret
        assert camera.ping()["success"] is True
    # The first token, or the same again, changes nothing.
    after = file.read_bytes()
    for said in (token, again):
        EdgeClient.join(said, file).close()
    assert edge_file.kept(file).secret in after.replace(b"\\u003c", b"<")


def refused(central: LoopbackCentral, token: str) -> str:
    """What is said to who may not join; nothing is written there."""
    before = sorted(path.name for path in (central.folder / "peers.d").iterdir())
    done = join(central, token)
    assert done.returncode == 1, done.stdout + done.stderr
    assert sorted(path.name for path in (central.folder / "peers.d").iterdir()) == before
    return done.stderr


def is_open(central: LoopbackCentral, id: str) -> bool:
    """Whether an invitation of this id can be used."""
    with ControlClient(central.folder / "control.sock") as daemon:
        rows = daemon.call("member.list")["invitations"]
    return any(row["open"] for row in rows if row["member"] == id)


def attempts(central: LoopbackCentral) -> list[str]:
    """Why somebody was turned away, as it is recorded for ever."""
    with closing(sqlite3.connect(f"{central.database.as_uri()}?mode=ro", uri=True)) as db:
        rows = db.execute("SELECT skeleton FROM events WHERE kind = 'MEMBER_JOIN_REFUSED'")
        return [json.loads(skeleton)["data"]["why"] for (skeleton,) in rows]


def test_a_token_lets_in_one_machine_and_says_to_the_next_who_used_it(
    centrals: list[LoopbackCentral],
) -> None:
    first, second, third = centrals
    token = invite(first, "central-2")
    assert "id is central-3, and the token is for central-2" in refused(third, token)
    become_member(second, token)
    total(first, 1)
    # The same machine again, as after a join that was cut off: the same answer, nothing new.
    (second.folder / "peers.d" / "central-1.toml").unlink()
    assert join(second, token).returncode == 0
    assert second.peer_file("central-1").exists()
    # A thief, with a key of its own.
    thief = LoopbackCentral(
        second.folder.parent / "thief", "central-2", more=QUICK, mode=SecurityMode.CURVE
    )
    said = refused(thief, token)
    assert second.public_key is not None
    assert f"used by {fingerprint(second.public_key)} from 127.0.0.1 at 2" in said
    wait_for("it is in the audit", lambda: len(attempts(first)) == 1, PATIENCE_S)
    assert attempts(first)[0].startswith("used by ")
    assert first.status()["total_peers"] == 1


def test_a_token_that_is_altered_or_over_or_of_another_site_lets_in_nobody(
    centrals: list[LoopbackCentral], tmp_path: Path
) -> None:
    first, second, third = centrals
    token = invite(first, "central-2")
    altered = token[:40] + ("A" if token[40] != "A" else "B") + token[41:]
    assert "altered or cut short" in refused(second, altered)
    elsewhere = LoopbackCentral(
        tmp_path / "elsewhere", "central-2", "lot-b", more=QUICK, mode=SecurityMode.CURVE
    )
    assert "site is lot-b, and the token is for lot-a" in refused(elsewhere, token)
    short = invite(first, "central-3", "--valid", "1s")
    wait_for("its time is over", lambda: not is_open(first, "central-3"), PATIENCE_S)
    assert "over since" in refused(third, short)
    wait_for("it is in the audit", lambda: len(attempts(first)) == 1, PATIENCE_S)


def test_who_lies_about_its_address_or_has_the_key_of_another_is_refused(
    centrals: list[LoopbackCentral],
) -> None:
    first, second, third = centrals
    become_member(second, invite(first, "central-2"))
    total(second, 1)
    token = invite(first, "central-3")
    third.ports = second.ports
    text = third.config.read_text()
    for port, other in zip(ports_in(text), second.ports, strict=True):
        text = text.replace(str(port), str(other))
    mine = third.config.read_text()
    third.config.write_text(text)
    assert "is that of central-2" in refused(third, token)
    third.config.write_text(mine)
    key = (third.folder / "central.key").read_bytes()
    (third.folder / "central.key").write_bytes((second.folder / "central.key").read_bytes())
    assert "the key is that of central-2" in refused(third, token)
    (third.folder / "central.key").write_bytes(key)
    assert join(third, token).returncode == 0


def in_audit(central: LoopbackCentral) -> list[dict[str, Any]]:
    """Who was turned away, as `zparkctl audit` tells it."""
    done = zparkctl(central.config, "audit", "--json")
    assert done.returncode == 0, done.stderr
    rows = json.loads(done.stdout)
    return [row for row in rows if row["kind"] == "MEMBER_JOIN_REFUSED"]


def test_who_lies_in_a_join_is_told_why_and_stands_in_the_audit(
    centrals: list[LoopbackCentral],
) -> None:
    first = centrals[0]
    token = decode(invite(first, "central-2"))
    other = decode(invite(first, "central-3"))
    who = pair("a machine")
    honest: dict[str, Any] = {
        "inviter_key": key_text(token.inviter_key),
        "onetime": (zmq.curve_public(key_text(token.secret).encode()).decode(), token.secret),
    }
    lies = {
        "another id": said_by(who, Role.CENTRAL, "central-3", **honest),
        "another site": said_by(who, Role.CENTRAL, "central-2", site="lot-b", **honest),
        "another number": said_by(who, Role.CENTRAL, "central-2", number=2, **honest),
        "another address": said_by(who, Role.CENTRAL, "central-2", **honest).replace(
            b"10.0.0.3", b"10.0.0.4"
        ),
    }
    for what, body in lies.items():
        answer = ask(token, body)
        assert (answer["success"], answer["error"]["code"]) == (False, "forged"), what
        assert "not signed by the key that it names" in answer["error"]["message"]
    # What was good for one invitation, said with the key of another.
    good = said_by(who, Role.CENTRAL, "central-2", address="127.0.0.1", **honest)
    assert ask(other, good)["error"]["code"] == "forged"
    told = {(row["about"], row["who"]) for row in in_audit(first)}
    assert told == {("central-2", "127.0.0.1"), ("central-3", "127.0.0.1")}
    assert all("not signed by" in row["why"] for row in in_audit(first))
    assert first.status()["total_peers"] == 0
    # A key that belongs to no invitation is not even heard.
    with pytest.raises(NotReached, match="no answer"):
        ask(token._replace(secret=other.inviter_key), good)
    wait_for("it is named", lambda: "KEY_REFUSED" in problems(first), PATIENCE_S)


def ports_in(text: str) -> list[int]:
    return [int(found) for found in re.findall(r"^(?:bus|sync|edge)_port = (\d+)", text, re.M)]


def test_a_removed_central_opens_nothing_any_more_and_hears_of_it(
    centrals: list[LoopbackCentral],
) -> None:
    first, second, third = centrals
    become_member(second, invite(first, "central-2"))
    become_member(third, invite(first, "central-3"))
    for central in centrals:
        total(central, 2)
    for words in (("peer", "remove", "central-3"),):
        done = zparkctl(first.config, *words)
        assert (done.returncode, "member remove central-3" in done.stderr) == (1, True)
    done = zparkctl(second.config, "member", "remove", "central-3")
    assert done.returncode == 0, done.stderr
    for central in (first, second):
        total(central, 1, promised(GONE_WITHIN_S))
        assert not central.peer_file("central-3").exists()
    wait_for("it is told", lambda: "REMOVED" in problems(third), PATIENCE_S)
    # By hand it gets no further, and the same machine joins anew only with a new key.
    first.knows(third)
    assert zparkctl(first.config, "reload").returncode == 0
    assert first.status()["total_peers"] == 1
    assert "central-3" in problems(first)["ROSTER_DIFFERS"]
    first.peer_file("central-3").unlink()
    done = zparkctl(first.config, "invite", "central-3")
    assert "who has its former key can go on signing as it" in done.stderr
    token = done.stdout.strip()
    assert "which was removed" in join(third, token).stderr
    third.stop()
    (third.folder / "central.key").unlink()
    become_member(third, token)
    for central in centrals:
        total(central, 2)


def test_a_key_is_changed_while_all_stay_connected(centrals: list[LoopbackCentral]) -> None:
    first, second, third = centrals
    become_member(second, invite(first, "central-2"))
    become_member(third, invite(first, "central-3"))
    for central in centrals:
        total(central, 2)
    third.stop()
    done = zparkctl(second.config, "member", "rotate-key", "--wait", "0")
    assert (done.returncode, "central-3" in done.stderr) == (1, True)
    assert "central-3" in problems(second)["KEY_AWAITED"]
    third.start()
    before = second.public_key
    done = zparkctl(second.config, "member", "rotate-key")
    assert done.returncode == 0, done.stderr
    total(second, 2)
    for central in (first, third):
        wait_for(
            f"{central.id} has the new key",
            lambda central=central: str(before) not in central.peer_file("central-2").read_text(),
            PATIENCE_S,
        )
        total(central, 2)


def as_user(uid: int, gid: int, file: Path) -> int:
    """With which code a process of this user that is to read a file ends.

    It stands in the folder already, as those above it may be closed to it.
    """
    words = ("/usr/bin/env", "cat", file.name)
    who: dict[str, Any] = {"user": uid, "group": gid, "extra_groups": ()}
    done = subprocess.run(words, capture_output=True, check=False, cwd=file.parent, **who)
    return done.returncode


@pytest.mark.parametrize("by_the_daemon", [False, True], ids=["by the command", "by the daemon"])
def test_after_a_change_of_key_the_service_can_read_it_and_the_gateway_can_not(
    centrals: list[LoopbackCentral], by_the_daemon: bool
) -> None:
    first, second, _ = centrals
    become_member(second, invite(first, "central-2"))
    total(first, 1)
    key = first.folder / "central.key"
    service, gateway = 61_234, 61_235  # of one group, as under the units
    is_root = os.getuid() == 0
    if is_root:
        os.chown(key, service, service)
        key.parent.chmod(0o711)
    before, found = key.read_bytes(), key.stat()
    if by_the_daemon:
        second.stop()
        assert zparkctl(first.config, "member", "rotate-key", "--wait", "0").returncode == 1
        second.start()
        wait_for("the daemon changed over", lambda: key.read_bytes() != before, PATIENCE_S)
    else:
        done = zparkctl(first.config, "member", "rotate-key")
        assert done.returncode == 0, done.stderr
        assert key.read_bytes() != before
    now = key.stat()
    assert stat.S_IMODE(now.st_mode) == 0o600
    assert (now.st_uid, now.st_gid, now.st_ino) == (found.st_uid, found.st_gid, found.st_ino)
    wait_for(
        "the next key is nowhere beside it",
        lambda: not key.with_name("central.key.next").exists(),
        PATIENCE_S,
    )
    if is_root:
        assert as_user(service, service, key) == 0
        assert as_user(gateway, service, key) != 0
    total(first, 1)


def test_a_change_of_key_goes_on_by_itself_when_the_member_it_waits_for_is_back(
    centrals: list[LoopbackCentral],
) -> None:
    first, second, _ = centrals
    become_member(second, invite(first, "central-2"))
    total(first, 1)
    second.stop()
    done = zparkctl(first.config, "member", "rotate-key", "--wait", "0")
    assert (done.returncode, "central-2" in done.stderr) == (1, True)
    key = first.folder / "central.key"
    before, mode = key.read_bytes(), key.stat().st_mode
    second.start()
    wait_for("the key is another", lambda: key.read_bytes() != before, PATIENCE_S)
    assert key.stat().st_mode == mode
    public = zparkctl(first.config, "keygen", "--public", str(key)).stdout.strip()
    wait_for(
        "the other has the new key alone",
        lambda: (
            tomllib.loads(second.peer_file("central-1").read_text()).get("public_key") == public
            and "next_public_key" not in second.peer_file("central-1").read_text()
        ),
        PATIENCE_S,
    )
    total(first, 1)
    assert "KEY_AWAITED" not in problems(first)


def test_a_central_that_was_away_during_ten_changes_is_right_within_5_s(
    centrals: list[LoopbackCentral],
) -> None:
    first, second, third = centrals
    become_member(second, invite(first, "central-2"))
    become_member(third, invite(first, "central-3"))
    for central in centrals:
        total(central, 2)
    os.kill(third.process.pid, signal.SIGSTOP)  # type: ignore[union-attr]
    for number in range(5):
        edge = EdgeClient.join(invite(first, "--edge", f"cam-{number}"), third.folder / "cam.json")
        edge.close()
        (third.folder / "cam.json").unlink()
    for number in range(4):
        assert zparkctl(second.config, "member", "remove", f"cam-{number}").returncode == 0
    assert zparkctl(second.config, "member", "address", "central-2", "localhost").returncode == 0
    os.kill(third.process.pid, signal.SIGCONT)  # type: ignore[union-attr]
    wait_for(
        "it has what is left of it",
        lambda: (
            [path.name for path in (third.folder / "edges.d").iterdir()] == ["cam-4.toml"]
            and 'address = "localhost"' in third.peer_file("central-2").read_text()
        ),
        promised(5.0),
    )
    for central in centrals:
        total(central, 2)
