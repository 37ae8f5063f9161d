"""`zparkctl incidents`, of two real centrals that were cut off from each other for a while."""

import orjson
import pytest

from tests.cli.conftest import Central
from tests.daemon.test_outages import Noting
from tests.support.centrals import success


@pytest.fixture
def site() -> Noting:
    site = Noting()
    site.talk()
    return site


def look(site: Noting, central: Central, *arguments: str) -> str:
    """What the command prints about the first central."""
    central.database.unlink(missing_ok=True)
    site.one.store.connection.execute("VACUUM INTO ?", (str(central.database),))
    result = central.run("incidents", *arguments)
    assert result.exit_code == 0, result.stderr
    return result.stdout


def both_let_it_in_and_out(site: Noting) -> None:
    """One vehicle, let in and out on both sides of a cut."""
    site.cut(5)
    for driven in (site.one, site.two):
        assert success(driven.open(plate_id="29A00001", direction="ENTRY"))
    assert success(site.one.open(plate_id="29A00002", direction="ENTRY"))
    site.cut(3600)
    assert success(site.one.open(plate_id="29A00001", direction="EXIT"))
    site.two.wait(60)
    site.one.wait(60)
    assert success(site.two.open(plate_id="29A00001", direction="EXIT"))
    site.cut(5)


def test_none_are_none(site: Noting, central: Central) -> None:
    assert look(site, central) == "incidents: none\n"
    assert orjson.loads(look(site, central, "--json")) == []


def test_it_tells_who_was_cut_off_and_what_came_of_it(site: Noting, central: Central) -> None:
    both_let_it_in_and_out(site)
    (lasting,) = orjson.loads(look(site, central, "--json"))
    assert lasting["lasts"] is True
    assert (lasting["to"], lasting["to_ms"], lasting["caught_up"]) == (None, None, None)
    assert (lasting["events_here"], lasting["events_there"]) == (3, 0)
    assert lasting["conflicts"] == {}
    site.talk()
    (story,) = orjson.loads(look(site, central, "--json"))
    assert story["this_central"] == "central-1"
    assert (story["cut_off"], story["why"]) == (["central-2"], "NOT_HEARD")
    assert story["lasts"] is False
    assert story["from"].startswith("2025-12-02 10:30:0")
    assert story["to_ms"] <= story["caught_up_ms"]
    assert 3600 < story["duration_s"] < 3700
    assert story["events"] == {"central-1": 3, "central-2": 2}
    assert (story["events_here"], story["events_there"]) == (3, 2)
    assert story["conflicts"] == {"ENDED_NOTHING": 1, "SUPERSEDED": 1}
    assert len(story["conflict_events"]) == 2
    assert story["money"] == 50_000, "charged for nothing"


def test_people_are_told_the_same_in_words(site: Noting, central: Central) -> None:
    both_let_it_in_and_out(site)
    assert "now, it lasts" in look(site, central).splitlines()[0]
    site.talk()
    lines = look(site, central).splitlines()
    assert lines[0].startswith("2025-12-02 10:30:0")
    assert lines[0].endswith("(1 h 1 min): central-2 not heard")
    assert lines[1:] == [
        "  made meanwhile: 3 events on this side, 2 events on the other; central-1 3,",
        "    central-2 2",
        lines[3],
        "  conflicts: 1 ENDED_NOTHING, 1 SUPERSEDED",
        "  money affected: 50,000",
    ]
    assert lines[3].startswith("  all that is known of is here since 2025-12-02 11:3")


def test_the_newest_comes_first_and_the_limit_holds(site: Noting, central: Central) -> None:
    for _ in range(3):
        site.cut(60)
        site.talk()
    stories = orjson.loads(look(site, central, "--json", "--limit", "2"))
    assert len(stories) == 2
    assert stories[0]["from_ms"] > stories[1]["from_ms"]
    assert len(orjson.loads(look(site, central, "--json", "--limit", "0"))) == 3


def test_peers_lost_and_back_together_are_one_incident(site: Noting, central: Central) -> None:
    both_let_it_in_and_out(site)
    site.talk()
    for peer, shift_ms in (("central-3", 900), ("central-4", 20_000)):
        site.one.store.writing().execute(
            "INSERT INTO outages (peer, why, lost_ms, lost_no, back_ms, over_ms, over_no)"
            " SELECT ?, why, lost_ms + ?, lost_no, back_ms, over_ms, over_no FROM outages LIMIT 1",
            (peer, shift_ms),
        )
    site.one.store.commit()
    stories = orjson.loads(look(site, central, "--json"))
    assert [story["cut_off"] for story in stories] == [["central-4"], ["central-2", "central-3"]]
