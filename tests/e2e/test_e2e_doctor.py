"""`zparkctl doctor` and `zparkctl top` on sites that run: what is well, and what is not."""

import orjson

from tests.e2e.conftest import MakeSite
from tests.support.harness import enter, leave, zparkctl
from zparkd.config.load import SecurityMode
from zparkd.testbed.loopback import LoopbackCentral, new_key


def looks(central: LoopbackCentral) -> list[dict[str, str]]:
    done = zparkctl(central.config, "doctor", "--json")
    assert done.returncode in (0, 1), done.stderr
    return list(orjson.loads(done.stdout)["findings"])


def of(central: LoopbackCentral, part: str) -> list[tuple[str, str]]:
    return [(one["verdict"], one["text"]) for one in looks(central) if one["part"] == part]


def test_a_site_with_keys_is_well_until_a_peer_is_stopped_or_has_another_key(
    make_site: MakeSite,
) -> None:
    site = make_site(3, mode=SecurityMode.CURVE)
    one, two, three = site.centrals
    site.start()
    site.wait_connected()
    found = looks(one)
    assert [one_ for one_ in found if one_["verdict"] == "fault"] == []
    peers = [one_["text"] for one_ in found if one_["part"].startswith("peer ")]
    assert len(peers) == 2
    assert all("key and site are right, zparkd " in text for text in peers)
    assert any("this central's key is there, fingerprint " in text for _, text in of(one, "keys"))
    assert [verdict for verdict, _ in of(one, "ports")] == ["good"] * 3
    two.stop()
    [(verdict, text)] = of(one, "peer central-2")
    assert (verdict, "nothing listens" in text) == ("fault", True)
    file = one.peer_file("central-3")
    assert three.public_key is not None
    another = new_key(one.folder / "another.key")
    file.write_text(file.read_text().replace(three.public_key, another))
    [(verdict, text)] = of(one, "peer central-3")
    assert verdict == "fault", text


def test_a_central_of_another_site_is_named(make_site: MakeSite) -> None:
    site = make_site(2)
    one, two = site.centrals
    two.config.write_text(two.config.read_text().replace('"lot-a"', '"lot-b"'))
    site.start()
    [(verdict, text)] = of(one, "peer central-2")
    assert verdict == "fault"
    assert "lot-b" in text


def test_top_shows_status_rates_and_who_came_and_went(make_site: MakeSite) -> None:
    site = make_site(1)
    [one] = site.centrals
    site.start()
    enter(one, "29A12345")
    enter(one, "30F99999")
    leave(one, "29A12345")
    done = zparkctl(one.config, "top", "--once", "--interval", "0.2")
    assert done.returncode == 0, done.stderr
    lines = [line.split() for line in done.stdout.splitlines()]
    assert any(words[1:4] == ["29A12345", "car", "out"] for words in lines)
    assert any(words[1:4] == ["30F99999", "car", "in"] for words in lines)
    assert "in the last hour: 2 in, 1 out" in done.stdout
    assert "events/s" in done.stdout
    assert done.stdout.startswith("central-1 of site lot-a")
