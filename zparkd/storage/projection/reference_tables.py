"""The tables `tariffs`, `policies`, `passes`, `staff`, `acks`: what reference data comes to.

Kept up to date event by event, in whatever order they come: of two changes of one entry the one
that is later in order stays, so the rows are the same on every central that holds the events. The
tariff and policy that count are kept in memory, and whether there are passes at all, since gates
ask for them with each vehicle.
"""

import sqlite3
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any

import orjson

from zparkd.core.errors import ProtocolError
from zparkd.core.events.event import Event, Position, SortKey, read
from zparkd.core.events.payloads import (
    Acknowledged,
    Pass,
    PassChanged,
    PolicySet,
    SitePolicy,
    SiteTariff,
    Staff,
    StaffChanged,
    TariffSet,
    pass_on,
)
from zparkd.core.policy import WATCH, read_policy, written
from zparkd.core.tariff.document import read_tariff
from zparkd.core.tariff.pricing import Tariff
from zparkd.storage.stream_table import Streams

_TARIFF = "SELECT at, version, place, timestamp, document FROM tariffs "
_POLICY = "SELECT at, version, place, timestamp, document, watch FROM policies "
_PUT_PASS = "INSERT OR REPLACE INTO passes VALUES (?,?,?,?,?,?,?,?,?)"
_PUT_STAFF = "INSERT OR REPLACE INTO staff VALUES (?,?,?,?,?,?)"
_PASS = "plate_id=? AND camera_type=? AND valid_from=?"


class ReferenceTables:
    """Reference data in the database. All within the caller's transaction."""

    def __init__(
        self,
        connection: sqlite3.Connection,
        streams: Streams,
        counts: Callable[[Position], bool],
    ) -> None:
        """`counts` says whether the event at a position that is held means anything."""
        self._counts = counts
        self._run = connection.execute
        self._streams = streams
        self.changes = 0
        self.reload()

    def reload(self) -> None:
        """Forget what is remembered: a transaction was undone."""
        self.changes += 1
        self._tariff: SiteTariff | None = None
        self._tariff_known = False
        self._policy: SitePolicy | None = None
        self._policy_known = False
        self._any_passes: bool | None = None

    # --- an event ---------------------------------------------------------------------------

    def add(self, event: Event, *, counts: bool = True) -> None:
        """Note an event of reference data, and project it where it counts."""
        entry = _entry(event)
        if entry is not None:
            self._run("INSERT INTO changes VALUES (?,?)", (entry, self._streams.at(event.position)))
        if counts:
            self.count_again(event)

    def count_again(self, event: Event) -> None:
        """Project an event of reference data; those of gates change nothing here."""
        self.changes += 1
        match event.reference:
            case TariffSet():
                self._add_tariff(event, event.reference)
            case PolicySet():
                self._add_policy(event, event.reference)
            case PassChanged():
                self._add_pass(event, event.reference)
            case StaffChanged():
                self._add_staff(event, event.reference)
            case Acknowledged(conflict, about):
                values = (self._streams.at(event.position), conflict, *about)
                self._run("INSERT OR REPLACE INTO acks VALUES (?,?,?,?,?)", values)

    def count_no_more(self, event: Event) -> None:
        """Make the tables what they would be without an event that is projected.

        Its row in `events` is one that counts no more.
        """
        at = self._streams.at(event.position)
        self.changes += 1
        match event.reference:
            case TariffSet():
                self._run("DELETE FROM tariffs WHERE at=?", (at,))
                self._tariff_known = False
            case PolicySet():
                self._run("DELETE FROM policies WHERE at=?", (at,))
                self._policy_known = False
            case PassChanged():
                self._fall_back(event, self._run("DELETE FROM passes WHERE at=?", (at,)))
                self._any_passes = None
            case StaffChanged():
                self._fall_back(event, self._run("DELETE FROM staff WHERE at=?", (at,)))
            case Acknowledged():
                self._run("DELETE FROM acks WHERE at=?", (at,))

    def forget(self, event: Event) -> None:
        """Make the tables what they are without the personal part of an event that is projected.

        A pass is no more, nor a member of staff; a policy goes on without its watch list.
        """
        at = self._streams.at(event.position)
        if isinstance(event.reference, PolicySet):
            self.changes += 1
            self._run("UPDATE policies SET watch=NULL WHERE at=?", (at,))
            self._policy_known = False
        elif isinstance(event.reference, PassChanged | StaffChanged):
            self.count_no_more(event)
            self._run("DELETE FROM changes WHERE at=?", (at,))

    def _fall_back(self, event: Event, deleted: sqlite3.Cursor) -> None:
        """Where this event counted for its entry, let the last of the others count."""
        if deleted.rowcount == 0:
            return
        rows = self._run(
            "SELECT e.skeleton, e.sealed FROM changes c JOIN events e ON e.at = c.at"
            " WHERE c.entry=? AND c.at <> ?",
            (_entry(event), self._streams.at(event.position)),
        ).fetchall()
        for skeleton, sealed in rows:
            with suppress(ProtocolError):  # rot; the check of the log says so
                other = read(skeleton, sealed)
                if self._counts(other.position):
                    self.count_again(other)

    def _add_tariff(self, event: Event, data: TariffSet) -> None:
        at = self._streams.at(event.position)
        document = orjson.dumps(data.document).decode()
        row = (at, data.version, event.order, event.timestamp, document)
        self._run("INSERT INTO tariffs VALUES (?,?,?,?,?)", row)
        self._tariff_known = False

    def _add_policy(self, event: Event, data: PolicySet) -> None:
        at = self._streams.at(event.position)
        document = orjson.dumps(data.document).decode()
        watch = event.personal.watch if event.personal is not None else None
        said = orjson.dumps(watch).decode() if watch else None
        row = (at, data.version, event.order, event.timestamp, document, said)
        self._run("INSERT INTO policies VALUES (?,?,?,?,?,?)", row)
        self._policy_known = False

    def _add_pass(self, event: Event, data: PassChanged) -> None:
        assert event.personal is not None
        key = (event.personal.plate_id, data.camera_type, data.valid_from)
        row = self._run(f"SELECT at, place FROM passes WHERE {_PASS}", key).fetchone()
        if self._is_last(event, row):
            value = (data.valid_until, event.personal.holder, data.removed)
            self._run(_PUT_PASS, (*key, *value, *self._stamps(event)))
            self._any_passes = None

    def _add_staff(self, event: Event, data: StaffChanged) -> None:
        assert event.personal is not None
        key = (event.personal.staff_id,)
        row = self._run("SELECT at, place FROM staff WHERE staff_id=?", key).fetchone()
        if self._is_last(event, row):
            value = (event.personal.name, data.removed)
            self._run(_PUT_STAFF, (*key, *value, *self._stamps(event)))

    def _is_last(self, event: Event, held: tuple[int, int] | None) -> bool:
        return held is None or event.key > SortKey(held[1], *self._streams.position(held[0]))

    def _stamps(self, event: Event) -> tuple[int | None, int, int]:
        return self._streams.at(event.position), event.order, event.timestamp

    # --- what counts: see core.log ----------------------------------------------------------

    def tariff(self) -> SiteTariff | None:
        """The tariff that counts; None where none was ever set."""
        if not self._tariff_known:
            rows = self._run(_TARIFF + "WHERE version = (SELECT max(version) FROM tariffs)")
            last = self._last(rows)
            self._tariff = self._site_tariff(last) if last is not None else None
            self._tariff_known = True
        return self._tariff

    def _site_tariff(self, row: tuple[Any, ...]) -> SiteTariff:
        at, version, place, timestamp, text = row
        document = orjson.loads(text)
        tariff = Tariff(version, read_tariff(document), self._streams.position(at))
        return SiteTariff(tariff, document, place, timestamp)

    def policy(self) -> SitePolicy | None:
        """The policy that counts; None where none was ever set."""
        if not self._policy_known:
            rows = self._run(_POLICY + "WHERE version = (SELECT max(version) FROM policies)")
            last = self._last(rows)
            self._policy = self._site_policy(last) if last is not None else None
            self._policy_known = True
        return self._policy

    def _site_policy(self, row: tuple[Any, ...]) -> SitePolicy:
        at, version, place, timestamp, text, watch = row
        document = orjson.loads(text)
        if watch is not None:
            document[WATCH] = orjson.loads(watch)
        document = written(document)
        set_by = self._streams.position(at)
        return SitePolicy(read_policy(document), version, set_by, document, place, timestamp)

    def _last(self, rows: Iterable[tuple[Any, ...]]) -> tuple[Any, ...] | None:
        """Of rows of one version the one that is last in order."""
        # Streams are compared as they are in memory: the table has those of this turn later.
        return max(rows, key=lambda row: (row[2], self._streams.position(row[0])), default=None)

    def pass_of(self, plate_id: str, camera_type: str, day: str) -> Pass | None:
        """The pass of a vehicle that is valid on a day of the site."""
        if self._any_passes is None:
            row = self._run("SELECT EXISTS (SELECT 1 FROM passes WHERE NOT removed)").fetchone()
            self._any_passes = bool(row[0])
        if not self._any_passes:
            return None
        rows = self._run(
            "SELECT plate_id, camera_type, valid_from, valid_until, holder FROM passes"
            " WHERE plate_id=? AND camera_type=? AND NOT removed",
            (plate_id, camera_type),
        )
        return pass_on((Pass(*row) for row in rows), day)

    def passes(self) -> list[Pass]:
        """All passes, sorted by plate, type and first day."""
        rows = self._run(
            "SELECT plate_id, camera_type, valid_from, valid_until, holder FROM passes"
            " WHERE NOT removed ORDER BY plate_id, camera_type, valid_from"
        )
        return [Pass(*row) for row in rows]

    def staff(self) -> list[Staff]:
        """All staff, sorted by id."""
        rows = self._run("SELECT staff_id, name FROM staff WHERE NOT removed ORDER BY staff_id")
        return [Staff(*row) for row in rows]

    def is_staff(self, staff_id: str | None) -> bool:
        """Whether somebody of this id may override: one who is on the list, or there is no list."""
        row = self._run(
            "SELECT EXISTS (SELECT 1 FROM staff WHERE staff_id=? AND NOT removed)"
            " OR NOT EXISTS (SELECT 1 FROM staff WHERE NOT removed)",
            (staff_id,),
        ).fetchone()
        return bool(row[0])

    def counts(self) -> dict[str, int | None]:
        """How many passes and staff there are, and when the last of them changed, in ms."""
        row = self._run(
            "SELECT (SELECT count(*) FROM passes WHERE NOT removed),"
            " (SELECT max(timestamp) FROM passes),"
            " (SELECT count(*) FROM staff WHERE NOT removed), (SELECT max(timestamp) FROM staff)"
        ).fetchone()
        return dict(
            zip(("passes", "passes_changed_ms", "staff", "staff_changed_ms"), row, strict=True)
        )

    def last_change(self, entry: Pass | Staff) -> SortKey | None:
        """The key of the last change of an entry; None for one that never was."""
        if isinstance(entry, Pass):
            row = self._run(f"SELECT at, place FROM passes WHERE {_PASS}", entry.key).fetchone()
        else:
            where = "SELECT at, place FROM staff WHERE staff_id=?"
            row = self._run(where, (entry.key,)).fetchone()
        return SortKey(row[1], *self._streams.position(row[0])) if row is not None else None


def _entry(event: Event) -> str | None:
    """The entry of a list that an event changes, as the table `changes` names it."""
    data, personal = event.reference, event.personal
    match data:
        case PassChanged() if personal is not None:
            return f"pass {personal.plate_id} {data.camera_type} {data.valid_from}"
        case StaffChanged() if personal is not None:
            return f"staff {personal.staff_id}"
    return None
