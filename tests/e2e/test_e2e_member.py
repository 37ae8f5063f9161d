"""A central that is disowned at one central of a real site means nothing at all of them."""

import json
from typing import Any

from tests.e2e.harness import PATIENCE_S, enter, zparkctl
from zparkd.cli.loopback import LoopbackCentral, LoopbackSite, wait_for


def inside(central: LoopbackCentral) -> list[str]:
    done = zparkctl(central.config, "history", "--inside", "--json")
    assert done.returncode == 0, done.stderr
    return sorted(row["plate_id"] for row in json.loads(done.stdout))


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
        wait_for(f"{central.id} drops it", lambda c=central: inside(c) == one, PATIENCE_S)  # type: ignore[misc]
    three.wait_equal()
    listed = members(second)[third.id]
    assert (listed["disowned"], listed["disowned_by"]) == (True, [first.id])
    assert zparkctl(second.config, "verify").returncode == 0

    # One against one: it does not hold any more; both who said so are told how it stands.
    done = zparkctl(second.config, "member", "restore", third.id)
    assert done.returncode == 0, done.stderr
    for central in three.centrals:
        wait_for(f"{central.id} counts it", lambda c=central: inside(c) == both, PATIENCE_S)  # type: ignore[misc]
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
