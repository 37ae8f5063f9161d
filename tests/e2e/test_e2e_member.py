"""A central that is disowned at one central of a real site means nothing at all of them."""

import json
from pathlib import Path
from typing import Any

from tests.support.harness import PATIENCE_S, enter, zparkctl
from tests.support.tariffs import flat
from zparkd.testbed.loopback import LoopbackCentral, LoopbackSite, wait_for


def inside(central: LoopbackCentral) -> list[str]:
    done = zparkctl(central.config, "history", "--inside", "--json")
    assert done.returncode == 0, done.stderr
    return sorted(row["plate_id"] for row in json.loads(done.stdout))


def wait_inside(central: LoopbackCentral, plates: list[str]) -> None:
    wait_for(f"{central.id} has {plates}", lambda: inside(central) == plates, PATIENCE_S)


def members(central: LoopbackCentral) -> dict[str, Any]:
    done = zparkctl(central.config, "member", "list", "--json")
    assert done.returncode == 0, done.stderr
    return {row["member"]: row for row in json.loads(done.stdout)}


def test_what_a_disowned_central_says_counts_nowhere_until_it_is_restored(
    three: LoopbackSite,
) -> None:
    first, second, third = three.centrals
    enter(first, "29A00001")
    enter(third, "29A00003")
    three.wait_equal()
    both, one = ["29A00001", "29A00003"], ["29A00001"]
    assert [inside(central) for central in three.centrals] == [both] * 3

    since = ("--since", "2020-01-01 00:00:00")
    done = zparkctl(first.config, "member", "disown", third.id, *since)
    assert (done.returncode, done.stderr) == (0, "")
    assert "2 events so far without effect" in done.stdout
    for central in three.centrals:
        wait_inside(central, one)
    three.wait_equal()
    listed = members(second)[third.id]
    assert (listed["disowned"], listed["disowned_by"]) == (True, [first.id])
    assert zparkctl(second.config, "verify").returncode == 0

    # One against one: it does not hold any more; both who said so are told how it stands.
    done = zparkctl(second.config, "member", "restore", third.id)
    assert done.returncode == 0, done.stderr
    for central in three.centrals:
        wait_inside(central, both)
    wait_for("the word came", lambda: not members(first)[third.id]["disowned"], PATIENCE_S)
    done = zparkctl(first.config, "member", "disown", third.id)
    assert done.returncode == 1
    assert "does not hold" in done.stderr


def test_a_word_about_nobody_or_oneself_is_refused(three: LoopbackSite) -> None:
    first = three.centrals[0]
    for id, said in (("central-77", "not known here"), (first.id, "does not count")):
        done = zparkctl(first.config, "member", "disown", id)
        assert done.returncode == 1
        assert said in done.stderr


def test_who_sets_a_tariff_that_would_not_count_is_told_the_remedy(
    three: LoopbackSite, tmp_path: Path
) -> None:
    first, second, _ = three.centrals
    staff = tmp_path / "staff.json"
    staff.write_text('[{"staff_id": "nv01"}]')
    tariff = tmp_path / "tariff.json"
    tariff.write_text(json.dumps(flat(1)))
    assert zparkctl(first.config, "member", "disown", second.id).returncode == 0
    wait_for("the word came", lambda: members(second)[second.id]["disowned"], PATIENCE_S)
    for words in (("tariff", "set", str(tariff)), ("staff", "import", str(staff))):
        done = zparkctl(second.config, *words)
        assert done.returncode == 1
        assert "this central is disowned" in done.stderr
        assert "zparkctl member restore" in done.stderr
