"""The table of messages, what says them, and the catalogs that explain them."""

import re
import shutil
import string
import subprocess
import uuid
from pathlib import Path

import pytest

from tests.support.tariffs import AIRPORT
from zparkd.core.events.event import Event, Facts, Kind, Personal, Position, write
from zparkd.core.events.payloads import (
    Acknowledged,
    PassChanged,
    PolicySet,
    Reference,
    StaffChanged,
    TariffSet,
    VehicleErased,
)
from zparkd.core.members.roster_words import (
    Changed,
    EdgeRemoved,
    Invited,
    Joined,
    JoinRefused,
    Role,
)
from zparkd.core.members.words import (
    MemberAdmitted,
    MemberDisowned,
    MemberRemoved,
    MemberRestored,
)
from zparkd.core.site import Direction
from zparkd.daemon import log_lines
from zparkd.daemon.log_lines import OF_KIND, say_recorded
from zparkd.logs.messages import Message

SYSTEMD = Path(__file__).resolve().parents[2] / "systemd"
CATALOGS = ["zparkd.catalog", "zparkd.vi.catalog"]
REFERENCE: dict[Kind, Reference] = {
    Kind.TARIFF: TariffSet(3, AIRPORT),
    Kind.POLICY: PolicySet(2, {"exit": {"misread": "accept"}}),
    Kind.PASS: PassChanged("car", "2025-12-01", "2025-12-31"),
    Kind.STAFF: StaffChanged(removed=True),
    Kind.ACKNOWLEDGED: Acknowledged("FORCED", ("central-1", 1, 1), "seen", "nv02"),
    Kind.ERASED: VehicleErased((("central-1", 7, 1, 3),)),
    Kind.DISOWNED: MemberDisowned("central-9", ((1, 5),)),
    Kind.RESTORED: MemberRestored("central-9"),
    Kind.ADMITTED: MemberAdmitted("central-9"),
    Kind.REMOVED: MemberRemoved("central-9", 1, ((1, 5),)),
    Kind.INVITED: Invited(Role.EDGE, "edge-9", 1, "0" * 40, 5),
    Kind.JOINED: Joined(Role.EDGE, "edge-9", 1, "0" * 40),
    Kind.CHANGED: Changed(Role.EDGE, "edge-9", 1),
    Kind.EDGE_REMOVED: EdgeRemoved("edge-9", 1),
    Kind.JOIN_REFUSED: JoinRefused(Role.EDGE, "edge-9", "why", "127.0.0.1", ("central-1", 1, 1)),
}
OF_VEHICLES = {message for kind, message in OF_KIND.items() if kind not in REFERENCE}
Said = list[tuple[Message, dict[str, object]]]


def fields(message: Message) -> set[str]:
    """The named fields of a text."""
    return {name for _, name, _, _ in string.Formatter().parse(message.value.text) if name}


def explained(catalog: str) -> dict[str, str]:
    """The entries of a catalog by their ids."""
    text = (SYSTEMD / catalog).read_text("utf-8")
    parts = re.split(r"^-- (.*)$", text, flags=re.MULTILINE)[1:]
    assert len(parts) == 2 * len(set(parts[::2])), "each id once"
    return dict(zip(parts[::2], parts[1::2], strict=True))


# --- the table


def test_every_message_has_an_id_of_its_own_and_a_level() -> None:
    ids = [message.value.id for message in Message]
    assert len(set(ids)) == len(ids)
    for message in Message:
        assert uuid.UUID(message.value.id).hex == message.value.id
        assert message.value.level in ("INFO", "WARNING", "ERROR", "CRITICAL")
        assert message.value.text.isprintable()


def test_a_plate_stands_in_the_lines_of_vehicles_alone() -> None:
    for message in Message:
        personal = fields(message) & {"plate", "event_id"}
        assert not personal or message in OF_VEHICLES
        assert not fields(message) & {"key", "secret", "secret_key"}


def test_every_kind_of_event_has_a_line() -> None:
    assert OF_KIND.keys() == set(Kind)


# --- the catalogs


@pytest.mark.parametrize("catalog", CATALOGS)
def test_every_message_is_explained_and_nothing_else(catalog: str) -> None:
    assert explained(catalog).keys() == {message.value.id for message in Message}


@pytest.mark.parametrize("catalog", CATALOGS)
def test_an_explanation_names_only_fields_that_its_message_has(catalog: str) -> None:
    entries = explained(catalog)
    for message in Message:
        head, _, body = entries[message.value.id].strip().partition("\n\n")
        assert re.fullmatch(r"Subject: \S.*\nDefined-By: zparkd", head), message
        assert body
        named = {name.lower() for name in re.findall(r"@([A-Z_]+)@", head + body)}
        assert named <= fields(message), message


def test_the_two_languages_say_the_same_commands() -> None:
    english, vietnamese = map(explained, CATALOGS)
    for id, text in english.items():
        commands = re.findall("^    (.*)$", text, flags=re.MULTILINE)
        assert re.findall("^    (.*)$", vietnamese[id], flags=re.MULTILINE) == commands


@pytest.mark.skipif(not shutil.which("journalctl"), reason="journalctl is not installed")
def test_the_journal_takes_the_catalogs(tmp_path: Path) -> None:
    place = tmp_path / "usr/lib/systemd/catalog"
    place.mkdir(parents=True)
    (tmp_path / "var/lib/systemd/catalog").mkdir(parents=True)
    for catalog in CATALOGS:
        shutil.copy(SYSTEMD / catalog, place)

    def journalctl(option: str) -> "subprocess.CompletedProcess[str]":
        command = ["journalctl", f"--root={tmp_path}", option]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    done = journalctl("--update-catalog")
    assert (done.returncode, done.stderr) == (0, "")
    listed = journalctl("--list-catalog").stdout
    assert {line[:32] for line in listed.splitlines()} == {m.value.id for m in Message}


# --- recorded events


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch) -> Said:
    lines: Said = []
    monkeypatch.setattr(log_lines, "put", lines.extend)
    return lines


def events_of(*kinds: Kind) -> list[Event]:
    """One event of each kind, with all that it may say."""
    return [
        write(
            Position("central-1", 7, seq),
            kind,
            timestamp=1_733_140_800_000 + seq,
            order=1_733_140_800_000 + seq,
            prev="",
            facts=REFERENCE.get(kind)
            or Facts(
                edge_id="edge-1",
                request_id="r",
                camera_type="car",
                direction=Direction.EXIT,
                confidence=0.5,
                captured_ms=1,
                names=("central-2", 3, 4),
                entry_ms=1_733_140_000_000,
                fee=25_000,
                currency="VND",
                duration_s=60,
                forced=True,
                marked=True,
                amount=5_000,
                staff_id="nv01",
                reason="because",
            ),
            personal=Personal("s" * 32, "29A12345", "29A-123.45", "nv01", "because", "1.jpg"),
        )
        for seq, kind in enumerate(kinds, 1)
    ]


def test_each_kind_is_said_with_all_fields_of_its_text(said: Said) -> None:
    say_recorded(events_of(*Kind))
    assert [message for message, _ in said] == [OF_KIND[kind] for kind in Kind]
    for message, given in said:
        assert "29A12345" in message.value.text.format_map(given) or "plate" not in fields(message)
        forced = message in OF_VEHICLES or message is Message.OPENED_BY_HAND
        told = ("nv01", "because") if forced else (None, None)
        if message is Message.CONFLICT_ACKNOWLEDGED:
            told = ("nv02", "seen")
        assert (given.get("by"), given.get("reason")) == told


def test_an_exit_and_a_confirmation_are_found_by_the_id_of_their_entry(said: Said) -> None:
    say_recorded(events_of(Kind.ENTRY, Kind.CONFIRM, Kind.EXIT))
    assert [given["event_id"] for _, given in said] == [
        "central-1_1733140800001_29A12345",
        "central-2_1733140000000_29A12345",
        "central-2_1733140000000_29A12345",
    ]
