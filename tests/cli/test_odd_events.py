"""What reads the database goes on, whatever a member of the site put into its events."""

from contextlib import closing, suppress
from itertools import count
from zoneinfo import ZoneInfo

import orjson
import pytest

from tests.cli.conftest import Central
from tests.storage.test_conflicts_view import ODD
from tests.support.vehicles import Book
from zparkd.cli.commands.look.tail import said
from zparkd.core.errors import ProtocolError
from zparkd.core.events.event import Event, Kind, digest, read
from zparkd.storage.store import Store

_ABSURD_MS = (0, 1, 2**53 - 1)
_ODD_PERSONAL = (
    b'"reason":"\\ud800",',
    b'"x":"\xff",',
    b'"plate_view":"\\u0000\\u001b[2J",',
    b'"plate_id":"29A00001",',
)


def odd_events() -> list[Event]:
    """Events of origins of their own, each odd in one way; those that are events at all."""
    origins = (f"origin-{number}" for number in count())
    found = []

    def keep(skeleton: bytes, sealed: bytes) -> None:
        with suppress(ProtocolError):  # then nobody holds it
            found.append(read(skeleton, sealed))

    book = Book()
    for kind in (Kind.ENTRY, Kind.EXIT, Kind.SEEN, Kind.MANUAL):
        for odd in ODD:
            event = book.write(next(origins), kind, 0, fee=5)
            keep(event.skeleton.replace(b'"data":{', b'"data":{' + odd), event.personal_part)
        for ms in _ABSURD_MS:
            event = book.write(next(origins), kind, 0, fee=5)
            old = b'"timestamp":%d,"order":%d' % (event.timestamp, event.order)
            assert old in event.skeleton
            new = b'"timestamp":%d,"order":%d' % (ms, ms)
            keep(event.skeleton.replace(old, new), event.personal_part)
        for odd in _ODD_PERSONAL:
            event = book.write(next(origins), kind, 0, fee=5)
            sealed = event.personal_part.replace(b"{", b"{" + odd, 1)
            keep(
                event.skeleton.replace(
                    digest(event.personal_part).encode(), digest(sealed).encode()
                ),
                sealed,
            )
    return found


ODD_EVENTS = odd_events()


@pytest.fixture
def odd(central: Central) -> Central:
    with closing(Store(central.database, "central-1", "lot-a", "Asia/Ho_Chi_Minh")) as store:
        for event in ODD_EVENTS:
            store.append(event)
        store.settle()
        store.writing().execute(
            "INSERT INTO outages (peer, why, lost_ms, lost_no) VALUES ('origin-1', 'DEAF', 1, 0)"
        )
        store.commit()
    return central


@pytest.mark.parametrize(
    "command",
    [
        ("conflicts",),
        ("conflicts", "--why"),
        ("conflicts", "--json"),
        ("history", "--limit", "0"),
        ("history", "--json"),
        ("incidents",),
        ("incidents", "--json"),
        ("sync-state",),
        ("tariff", "show"),
        ("pass", "list"),
        ("staff", "list"),
    ],
)
def test_what_only_reads_goes_on(odd: Central, command: tuple[str, ...]) -> None:
    result = odd.run(*command)
    assert result.exit_code == 0, result.output
    if "--json" in command:
        orjson.loads(result.stdout)
    assert "\x1b[2J" not in result.stdout


def test_what_tail_says_of_each_is_json() -> None:
    assert len(ODD_EVENTS) > 40
    for event in ODD_EVENTS:
        orjson.dumps(said(event, ZoneInfo("Asia/Ho_Chi_Minh")))
