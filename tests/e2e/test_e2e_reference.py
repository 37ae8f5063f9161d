"""Tariff, passes and staff of a real site: set at one central, and at all a moment later."""

import json
import time
from pathlib import Path
from typing import Any

from tests.support.harness import PATIENCE_S, ask, enter, promised, zparkctl
from tests.support.tariffs import AIRPORT, CENTRE, flat
from zparkd.client.control import ControlClient
from zparkd.testbed.loopback import LoopbackCentral, LoopbackSite, wait_for

WITHIN_S = 1.0  # what is promised of a tariff that was set
PASS = {"camera_type": "car", "valid_from": "2000-01-01", "valid_until": "2099-12-31"}


def ctl(central: LoopbackCentral, *words: str) -> Any:
    """What zparkctl prints as JSON."""
    done = zparkctl(central.config, *words, "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def written(folder: Path, value: object) -> str:
    file = folder / "document.json"
    file.write_text(json.dumps(value))
    return str(file)


def leave_fee(central: LoopbackCentral, plate: str) -> int:
    """What a car that entered a moment ago pays where it leaves."""
    answer = ask(central, "out-1", "BARRIER_OPEN", plate_id=plate, direction="EXIT")
    assert answer["success"], answer
    fee = answer["fee"]
    assert isinstance(fee, int)
    return fee


def told(central: LoopbackCentral, command: str, **fields: object) -> Any:
    """What the daemon answers to a command."""
    with ControlClient(central.folder / "control.sock", PATIENCE_S) as daemon:
        answer = daemon.call(command, **fields)
    assert answer["success"], answer
    return answer


def shown(central: LoopbackCentral) -> tuple[int | None, Any]:
    """Version and document that count at a central."""
    answer = told(central, "tariff.show")
    return answer["version"], answer["document"]


def wait_version(central: LoopbackCentral, version: int) -> None:
    wait_for(f"{central.id} has it", lambda: shown(central)[0] == version, PATIENCE_S)


def test_a_tariff_set_at_one_central_prices_at_all_others_within_a_second(
    three: LoopbackSite,
) -> None:
    for number, central in enumerate(three.centrals):
        enter(central, f"29A0000{number}")
    three.wait_equal()
    for amount, setter in enumerate(three.centrals, 1):
        version = told(setter, "tariff.set", document=flat(amount))["version"]
        set_at = time.monotonic()
        for central in three.centrals:
            wait_version(central, version)
        assert time.monotonic() - set_at < promised(WITHIN_S)
    for number, central in enumerate(reversed(three.centrals)):
        assert leave_fee(central, f"29A0000{number}") == 3


def test_lists_imported_at_one_central_count_at_all(three: LoopbackSite, tmp_path: Path) -> None:
    first, second, third = three.centrals
    passes = [PASS | {"plate_id": f"30F{number:05}", "holder": "B"} for number in range(450)]
    done = ctl(first, "pass", "import", written(tmp_path, passes))
    assert done == {"success": True, "added": 450, "changed": 0, "removed": 0}
    ctl(first, "staff", "import", written(tmp_path, [{"staff_id": "nv01", "name": "C"}]))
    three.wait_equal()
    listed = ctl(third, "pass", "list")
    assert [{key: row[key] for key in passes[0]} for row in listed] == passes
    assert {row["changed_by"] for row in listed} == {first.id}
    [member] = ctl(third, "staff", "list")
    assert (member["staff_id"], member["name"]) == ("nv01", "C")

    enter(second, "30F00007")
    three.wait_equal()
    answer = ask(third, "out-1", "BARRIER_OPEN", plate_id="30F00007", direction="EXIT")
    assert (answer["fee"], answer["pass"]) == (0, {"holder": "B", "valid_until": "2099-12-31"})
    forced = {"plate_id": "30F00008", "direction": "EXIT", "force": True, "reason": "test"}
    refused = ask(third, "out-1", "BARRIER_OPEN", **forced)
    assert refused["error"]["code"] == "bad_request"
    assert refused["error"]["message"].startswith("staff_id: ")
    assert ask(third, "out-1", "BARRIER_OPEN", **forced, staff_id="nv01")["success"]

    changed = [passes[0] | {"holder": "D"}, *passes[2:]]
    done = ctl(second, "pass", "import", written(tmp_path, changed))
    assert done == {"success": True, "added": 0, "changed": 1, "removed": 1}
    again = told(second, "pass.import", entries=changed)
    assert [again[name] for name in ("added", "changed", "removed", "left")] == [0, 0, 0, 0]
    [left] = ctl(second, "pass", "list", "--plate", "30F-000.00")
    assert (left["holder"], left["changed_by"]) == ("D", second.id)
    told(second, "staff.import", entries=[])


def test_a_bad_document_changes_nothing_and_is_refused_with_line_and_key(
    three: LoopbackSite, tmp_path: Path
) -> None:
    central = three.centrals[0]
    three.wait_equal()
    before = central.status()["events"], shown(central)
    file = tmp_path / "bad"
    for command, text, said in (
        ("tariff set", '[[rate]]\ncamera_type = "car"\ncap = 1\n', ":3: rate[0].cap: unknown key"),
        ("pass import", '[\n{"plate_id": 1}]', ":2: [0].plate_id: 1 is no string"),
        ("staff import", '[{"staff_id":\n"a", "age": 3}]', ":2: [0].age: unknown key"),
        ("staff import", "{", ":1: document: is not JSON"),
    ):
        file.write_text(text)
        done = zparkctl(central.config, *command.split(), str(file))
        assert done.returncode == 1
        assert f"{file}{said}" in done.stderr
    assert (central.status()["events"], shown(central)) == before


def test_after_a_cut_all_agree_on_one_tariff(make_site) -> None:
    site: LoopbackSite = make_site(2)
    one, other = site.centrals
    one.start()
    for document in (flat(1), AIRPORT):
        told(one, "tariff.set", document=document)
    one.stop()
    other.start()
    alone = told(other, "tariff.set", document=CENTRE)
    assert (alone["version"], alone["incomplete"]) == (1, [one.id])
    one.start()
    site.wait_equal()
    assert shown(one) == shown(other) == (2, AIRPORT)
    enter(one, "29A12345")
    site.wait_equal()
    assert leave_fee(other, "29A12345") == 0


def test_without_a_daemon_lists_are_shown_and_not_changed(make_site, tmp_path: Path) -> None:
    [central] = make_site(1).centrals
    assert zparkctl(central.config, "tariff", "show").returncode == 1  # there is no database yet
    central.start()
    central.stop()
    for words in (("tariff", "show"), ("pass", "list"), ("staff", "list")):
        done = zparkctl(central.config, *words)
        assert (done.returncode, "none" in done.stdout) == (0, True)
    for words, value in ((("tariff", "set"), AIRPORT), (("pass", "import"), [])):
        done = zparkctl(central.config, *words, written(tmp_path, value))
        assert done.returncode == 69
        assert "systemctl start zparkd" in done.stderr


def test_the_tariff_that_is_shown_can_be_set_again(make_site, tmp_path: Path) -> None:
    [central] = make_site(1).centrals
    central.start()
    ctl(central, "tariff", "set", written(tmp_path, AIRPORT))
    shown_file = tmp_path / "shown.toml"
    shown_file.write_text(zparkctl(central.config, "tariff", "show").stdout)
    assert ctl(central, "tariff", "set", str(shown_file))["version"] == 1
    times = ("--entry", "2025-12-02 10:30:00", "--exit", "2025-12-02 11:31:00")
    quoted = ctl(central, "tariff", "quote", "--camera-type", "car", *times)
    assert (quoted["fee"], quoted["minutes"]) == (20_000, 61)
    assert central.status()["events"] == 1
