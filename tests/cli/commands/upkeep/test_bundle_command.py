"""`zparkctl bundle`, between real centrals that no network connects."""

import json
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from click.testing import CliRunner, Result

from tests.support.harness import enter, leave, shared
from zparkd.cli.main import main
from zparkd.config.load import SecurityMode
from zparkd.testbed.loopback import LoopbackCentral, LoopbackSite, wait_for

PLATE = "29A12345"


@contextmanager
def cut_off(mode: SecurityMode, count: int) -> Iterator[LoopbackSite]:
    """Centrals that have each other's files, but at an address where nobody listens."""
    with (
        TemporaryDirectory(prefix="zp-") as folder,
        LoopbackSite(Path(folder), count, mode=mode, links=[]) as site,
    ):
        for here in site.centrals:
            if mode is SecurityMode.CURVE:
                here.admits("in-1", "out-1")
            for there in site.centrals:
                if here is not there:
                    here.knows(there)
                    file = here.peer_file(there.id)
                    file.write_text(file.read_text().replace('"127.0.0.1"', '"127.0.0.9"'))
        site.start()
        yield site


@pytest.fixture(scope="module")
def keyed() -> Iterator[LoopbackSite]:
    with cut_off(SecurityMode.CURVE, 3) as site:
        yield site


def run(central: LoopbackCentral, *arguments: str) -> Result:
    return CliRunner().invoke(main, ["-c", str(central.config), "bundle", *arguments])


def answer(result: Result) -> dict[str, object]:
    found = json.loads(result.stdout)
    assert isinstance(found, dict)
    return found


def test_a_stay_that_began_on_one_side_ends_on_the_other(
    keyed: LoopbackSite, tmp_path: Path
) -> None:
    one, two, three = keyed.centrals
    enter(one, PLATE)
    there, back = tmp_path / "there", tmp_path / "back"
    done = run(one, "export", str(there), "--for", "central-2")
    assert (done.exit_code, done.stdout) == (0, f"{there}: 2 events, for central-2\n")
    assert stat.S_IMODE(there.stat().st_mode) == 0o600
    assert PLATE.encode() not in there.read_bytes()
    again = run(one, "export", str(there), "--for", "central-2")
    assert (again.exit_code, "is not overwritten" in again.stderr) == (1, True)
    refused = run(three, "import", str(there))
    assert refused.exit_code == 1
    assert "is encrypted for central-2; import it there" in refused.stderr
    taken = answer(run(two, "import", str(there), "--json"))
    assert taken == {
        "success": True,
        "path": str(there),
        "events": 2,
        "known": 0,
        "left_out": [],
    }
    twice = run(two, "import", str(there))
    assert twice.stdout == f"{there}: 0 events taken in, 2 were here already\n"
    leave(two, PLATE)
    exported = answer(run(two, "export", str(back), "--json"))
    assert (exported["events"], exported["signed"], exported["sealed_for"]) == (3, True, None)
    for central, new in ((one, 1), (three, 3)):
        assert answer(run(central, "import", str(back), "--json"))["events"] == new
    assert shared(one) == shared(two) == shared(three)
    [row] = shared(three)
    assert (row["status"], row["exit_central"]) == ("OUT", "central-2")
    told = "bundle from central-2 imported: 1 events are new"
    wait_for("the log says so", lambda: told in one.log.read_text())


def test_a_bundle_that_was_changed_on_its_way_gets_nothing_in(
    keyed: LoopbackSite, tmp_path: Path
) -> None:
    one, _, three = keyed.centrals
    enter(one, "30F11111")
    before = three.status()["events"]
    sealed = tmp_path / "sealed"
    assert run(one, "export", str(sealed), "--for", "central-3").exit_code == 0
    data = bytearray(sealed.read_bytes())
    data[-60] ^= 1
    sealed.write_bytes(data)
    refused = run(three, "import", str(sealed))
    assert refused.exit_code == 1
    assert "can't be opened with the key of this central" in refused.stderr
    assert three.status()["events"] == before


def test_what_is_no_bundle_and_whom_nobody_knows(keyed: LoopbackSite, tmp_path: Path) -> None:
    one = keyed.centrals[0]
    other = tmp_path / "other"
    other.write_text("hello")
    assert "is no bundle of zparkd" in run(one, "import", str(other)).stderr
    assert "No such file" in run(one, "import", str(tmp_path / "none")).stderr
    unknown = run(one, "export", str(tmp_path / "x"), "--for", "central-9")
    assert unknown.exit_code == 1
    assert "central-9 is no peer of this central; known are central-2, central-3" in unknown.stderr
    assert "is this central" in run(one, "export", str(other), "--for", "central-1").stderr


def test_in_plain_mode_it_says_that_the_chain_alone_counts(tmp_path: Path) -> None:
    with cut_off(SecurityMode.PLAIN, 2) as site:
        one, two = site.centrals
        enter(one, PLATE)
        file = tmp_path / "bundle"
        exported = run(one, "export", str(file), "--for", "central-2")
        assert exported.exit_code == 0
        assert "its chain alone is checked" in exported.stderr
        imported = run(two, "import", str(file))
        assert imported.exit_code == 0
        assert "its chain alone is checked" in imported.stderr
        assert shared(one) == shared(two)
        two.stop()
        away = run(two, "import", str(file))
        assert away.exit_code == 69
