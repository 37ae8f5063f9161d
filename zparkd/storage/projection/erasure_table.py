"""The tables of erasure, and how a personal part comes to be in no byte of the database.

    erasures  erases that count: the digest by which other events of the plate are known
    erased    every position that an erase names, and what stands for its plate
    unnamed   events that were forgotten here by their digest, and are to be named by an erase
    leaving   vehicles whose plate goes once nothing is under it any more

What is deleted is overwritten (`secure_delete`); the log of commits is emptied by the store.
"""

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import suppress

from zparkd.core.errors import ProtocolError
from zparkd.core.events.event import (
    ERASED,
    Event,
    Kind,
    Position,
    SortKey,
    VehicleKey,
    read,
)
from zparkd.core.events.ids import is_nameless, nameless
from zparkd.core.events.payloads import VehicleErased
from zparkd.core.stays.corrections import NAMING
from zparkd.core.stays.erasure import digest, forgotten, plates_said, positions, root_of
from zparkd.storage.projection.following import Following
from zparkd.storage.projection.reference_tables import ReferenceTables
from zparkd.storage.stream_table import Streams

_DROP = "UPDATE events SET sealed=? WHERE at=? AND sealed<>?"
_EVERY_PLATE = (
    "SELECT plate_id FROM vehicles UNION SELECT plate_id FROM passes"
    " UNION SELECT plate_read FROM sessions WHERE plate_read IS NOT NULL"
    " UNION SELECT w.key FROM policies p, json_each(p.watch) w"
)
_AT_ONCE = 20  # vehicles that are looked up at once
_EVENTS_AT_ONCE = 400  # of one of them
_LOOKED_AT = 5_000  # stays that are looked at for that
_NAMING = tuple(kind.value for kind in NAMING)
_GONE = ("sessions", "verdicts", "corrected", "unsettled")  # by `vehicle`


class Erasures:
    """Forgets personal parts. All within the caller's transaction."""

    def __init__(
        self,
        connection: sqlite3.Connection,
        streams: Streams,
        projection: Following,
        reference: ReferenceTables,
    ) -> None:
        self._run = connection.execute
        self._streams = streams
        self._projection = projection
        self._reference = reference
        self.reload()
        self.any_forgotten = self._any  # since the log of commits was emptied

    def reload(self) -> None:
        """Look again what there is: a transaction was undone."""
        row = self._run("SELECT max(place) FROM erasures WHERE digest <> ''").fetchone()
        self._last: int = row[0] or 0
        self._any: bool = self._run("SELECT EXISTS (SELECT 1 FROM erased)").fetchone()[0] == 1
        self.any_unnamed: bool = (
            self._run("SELECT EXISTS (SELECT 1 FROM unnamed)").fetchone()[0] == 1
        )
        self.unsettled = bool(self._run("SELECT EXISTS (SELECT 1 FROM leaving)").fetchone()[0])

    def as_known(self, event: Event, at: int) -> Event:
        """An event that comes to be held, without what an erase says is to be forgotten."""
        plate_id = self.plate_of(event.position) if self._any else None
        if plate_id is None and event.order <= self._last:
            plate_id = self._by_digest(event, at)
        if plate_id is None or event.personal is None:
            return event
        self.any_forgotten |= event.personal_part != ERASED
        return forgotten(event, plate_id)

    def plate_of(self, position: Position) -> str | None:
        """What stands for the plate of an event that an erase names."""
        row = self._run(
            "SELECT plate FROM erased WHERE origin=? AND epoch=? AND seq=?", position
        ).fetchone()
        return row[0] if row is not None else None

    def _by_digest(self, event: Event, at: int) -> str | None:
        """The same for one that no erase names yet, and that one is meant for all the same."""
        camera_type, plates = plates_said(event)
        if not plates:
            return None
        for erase, salt, said, of, plate in self._run(
            "SELECT at, salt, digest, camera_type, plate FROM erasures"
            " WHERE place >= ? AND digest <> '' ORDER BY place, at",
            (event.order,),
        ).fetchall():
            meant = any(digest(plate_id, salt) == said for plate_id in plates)
            if meant and of in (None, camera_type):
                self._keep_unnamed(event.position, at, erase, plate)
                return str(plate)
        return None

    def _keep_unnamed(self, position: Position, at: int, erase: int, plate: str) -> None:
        self._run("INSERT OR REPLACE INTO unnamed VALUES (?,?)", (at, erase))
        self.any_unnamed = True
        self._run("INSERT OR IGNORE INTO erased VALUES (?,?,?,?,?)", (*position, plate, erase))
        self._any = True

    def after(self, plate_id: str, order: int) -> int:
        """An order, raised above the erases of a plate: none of them means what comes after."""
        if order > self._last:
            return order
        rows = self._run(
            "SELECT place, salt, digest FROM erasures WHERE place >= ? AND digest <> ''", (order,)
        )
        meant = [place for place, salt, said in rows if digest(plate_id, salt) == said]
        return max(meant) + 1 if meant else order

    def ended_between(self, from_ms: int, to_ms: int) -> tuple[list[list[Position]], int]:
        """The events before `to_ms` of vehicles of which a stay ended in a time, by vehicle.

        Of some vehicles that have a name and are not inside since before; and up to when those are
        all.
        """
        rows = self._run(
            "SELECT s.exit_ms, s.vehicle, v.plate_id FROM sessions s"
            " JOIN vehicles v ON v.no = s.vehicle WHERE s.exit_ms >= ? AND s.exit_ms < ?"
            " ORDER BY s.exit_ms LIMIT ?",
            (from_ms, to_ms, _LOOKED_AT),
        ).fetchall()
        found: dict[int, list[Position]] = {}
        for exit_ms, number, plate_id in rows:
            if is_nameless(plate_id) or number in found:
                continue
            if len(found) == _AT_ONCE:
                return list(found.values()), exit_ms
            found[number] = self._before(number, to_ms)
        done_ms = to_ms if len(rows) < _LOOKED_AT else rows[-1][0]
        return [positions for positions in found.values() if positions], done_ms

    def _before(self, number: int, to_ms: int) -> list[Position]:
        """The first events of a vehicle before a time; none where it is inside since then."""
        inside = self._run(
            "SELECT 1 FROM sessions WHERE vehicle=? AND closed_by IS NULL AND entry_order < ?",
            (number, to_ms),
        ).fetchone()
        if inside is not None:
            return []
        rows = self._run(
            "SELECT at FROM places WHERE vehicle=? AND place < ? ORDER BY place, at LIMIT ?",
            (number, to_ms, _EVENTS_AT_ONCE),
        )
        return [self._streams.position(at) for (at,) in rows.fetchall()]

    def unnamed(self, limit: int) -> list[tuple[Position, Position]]:
        """Events that are to be named by a further erase, each with the one that it is meant by."""
        position = self._streams.position
        rows = self._run("SELECT at, erase FROM unnamed ORDER BY at LIMIT ?", (limit,)).fetchall()
        self.any_unnamed = bool(rows)
        return [(position(at), position(erase)) for at, erase in rows]

    # --- an erase ----------------------------------------------------------------------------

    def add(self, event: Event, said: VehicleErased, at: int) -> None:
        """Forget what an erase names, and what else it is meant for."""
        root = root_of(event, said)
        plate = nameless(root)
        self._run(
            "INSERT OR REPLACE INTO erasures VALUES (?,?,?,?,?,?)",
            (at, event.order, said.salt, said.digest, said.camera_type, plate),
        )
        self._last = max(self._last, event.order if said.digest else 0)
        self._any = True
        held = []
        for position in positions(said):
            named = self._streams.at(position)
            if named is not None:
                self._run("DELETE FROM unnamed WHERE at=?", (named,))
            if not self._is_named_before(position, event):
                self._run(
                    "INSERT OR REPLACE INTO erased VALUES (?,?,?,?,?)", (*position, plate, at)
                )
                if named is not None:
                    held.append(named)
        plates = self._forget(held, plate)
        if said.digest:
            self._forget_others(event, said, at, plate, plates)

    def count_no_more(self, event: Event, said: VehicleErased) -> None:
        """An erase means nothing any more: who recorded it is disowned.

        What it had forgotten here is gone for ever. So that all centrals show the same it is to be
        named by a further erase.
        """
        at = self._streams.at(event.position)
        self._run("DELETE FROM erasures WHERE at=?", (at,))
        gone: list[Position] = []
        for position in positions(said):
            row = self._run(
                "SELECT erase FROM erased WHERE origin=? AND epoch=? AND seq=?", position
            ).fetchone()
            if row is None or row[0] != at:
                continue  # an older erase counts
            held = self._streams.at(position)
            if held is not None and self._is_forgotten(held):
                self._run("INSERT OR REPLACE INTO unnamed VALUES (?,?)", (held, at))
                continue
            gone.append(position)
            self._run("DELETE FROM erased WHERE origin=? AND epoch=? AND seq=?", position)
        if gone:
            self._named_by_others(set(gone))
        self.reload()

    def _is_forgotten(self, at: int) -> bool:
        row = self._run("SELECT 1 FROM events WHERE at=? AND sealed=?", (at, ERASED)).fetchone()
        return row is not None

    def _named_by_others(self, gone: set[Position]) -> None:
        """Note of positions by which of the erases that count they are named, if by any."""
        rows = self._run(
            "SELECT m.at, m.plate, e.skeleton, e.sealed FROM erasures m"
            " JOIN events e ON e.at = m.at"
        ).fetchall()
        erases = [(read(skeleton, sealed), at, plate) for at, plate, skeleton, sealed in rows]
        for event, at, plate in sorted(erases, key=lambda it: it[0].key):
            assert isinstance(event.reference, VehicleErased)
            for position in gone.intersection(positions(event.reference)):
                gone.discard(position)
                self._run("INSERT INTO erased VALUES (?,?,?,?,?)", (*position, plate, at))

    def held_again(self, event: Event, at: int) -> Event:
        """An event that is held and comes to count, without what is to be forgotten."""
        known = self.as_known(event, at)
        if known is not event:
            self._run(_DROP, (ERASED, at, ERASED))
        return known

    def _is_named_before(self, position: Position, erase: Event) -> bool:
        """Whether an older erase names a position: that one counts."""
        row = self._run(
            "SELECT m.at, m.place FROM erased e JOIN erasures m ON m.at = e.erase"
            " WHERE e.origin=? AND e.epoch=? AND e.seq=?",
            position,
        ).fetchone()
        return row is not None and SortKey(row[1], *self._streams.position(row[0])) < erase.key

    def _forget_others(
        self, erase: Event, said: VehicleErased, at: int, plate: str, known: Iterable[str]
    ) -> None:
        """Forget what no erase names and this one is meant for."""
        plates = [it for it in known if digest(it, said.salt) == said.digest]
        if not plates:
            every = self._run(_EVERY_PLATE).fetchall()
            plates = [it for (it,) in every if digest(it, said.salt) == said.digest]
        for plate_id in plates:
            found = [
                (other, event)
                for other, event in self.of_plate(plate_id, said.camera_type)
                if event.order <= erase.order and event.personal_part != ERASED
            ]
            for other, event in found:
                self._keep_unnamed(event.position, other, at, plate)
            self._forget([other for other, _ in found], plate)
            self._run("DELETE FROM set_aside WHERE instr(message, ?)", (plate_id,))

    def of_plate(self, plate_id: str, camera_type: str | None) -> Iterator[tuple[int, Event]]:
        """The events that say a plate: at gates, of passes, and where it was misread."""
        rows = self._run(
            "SELECT e.at, e.skeleton, e.sealed FROM places p JOIN events e ON e.at = p.at"
            " JOIN vehicles v ON v.no = p.vehicle"
            " WHERE v.plate_id = ? AND (? IS NULL OR v.camera_type = ?)"
            " UNION SELECT e.at, e.skeleton, e.sealed FROM changes c JOIN events e ON e.at = c.at"
            " WHERE c.entry LIKE 'pass ' || ? || ' ' || coalesce(?, '%') || ' %'"
            " UNION SELECT e.at, e.skeleton, e.sealed FROM sessions s JOIN events e"
            " ON e.at = s.closer WHERE s.plate_read = ?",
            (plate_id, camera_type, camera_type, plate_id, camera_type, plate_id),
        ).fetchall()
        # What was recorded of an entry after it was corrected stands where the entry does.
        rows += self._run(
            "SELECT e.at, e.skeleton, e.sealed FROM vehicles v JOIN places c ON c.vehicle = v.no"
            " JOIN corrections k ON k.at = c.at JOIN places n ON n.at = k.named"
            " JOIN places p ON p.vehicle = n.vehicle AND p.vehicle <> v.no"
            " JOIN events e ON e.at = p.at"
            " WHERE v.plate_id = ? AND (? IS NULL OR v.camera_type = ?)",
            (plate_id, camera_type, camera_type),
        ).fetchall()
        seen: set[int] = set()
        for at, skeleton, sealed in rows:
            with suppress(ProtocolError):
                event = read(skeleton, sealed)
                if at not in seen and plate_id in plates_said(event)[1]:
                    seen.add(at)
                    yield at, event
        if camera_type is None:
            yield from self._watching_once(plate_id)

    def _watching_once(self, plate_id: str) -> Iterator[tuple[int, Event]]:
        """The policies that count no more and watched for a plate; the one that does is kept."""
        policy = self._reference.policy()
        rows = self._run(
            "SELECT e.at, e.skeleton, e.sealed FROM policies p JOIN events e ON e.at = p.at"
            " WHERE p.at <> ? AND EXISTS (SELECT 1 FROM json_each(p.watch) w WHERE w.key = ?)",
            (self._streams.at(Position(*policy.set_by)) if policy is not None else None, plate_id),
        ).fetchall()
        for at, skeleton, sealed in rows:
            with suppress(ProtocolError):
                yield at, read(skeleton, sealed)

    def _forget(self, held: Iterable[int], plate: str) -> set[str]:
        """Forget the personal parts of these events; the plates that they said."""
        plates = set()
        left: set[int] = set()
        events = []
        for at in held:
            row = self._run("SELECT skeleton, sealed FROM events WHERE at=?", (at,)).fetchone()
            if row is None:
                continue
            with suppress(ProtocolError):
                events.append((at, read(*row)))
        # Entries first: what names one of them goes where it goes.
        for at, event in sorted(events, key=lambda it: (it[1].kind != Kind.ENTRY, it[0])):
            if event.personal is not None and event.personal.plate_id is not None:
                plates.add(event.personal.plate_id)
            if self._run(_DROP, (ERASED, at, ERASED)).rowcount:
                self.any_forgotten = True
                if event.reference is not None:
                    self._reference.forget(event)
            old = self._move(at, event, plate)
            left |= {old} if old is not None and event.kind == Kind.ENTRY else set()
        for old in sorted(left):
            self._follow(old)
        for plate_id in plates:  # also where what waited under one was placed elsewhere meanwhile
            self._run(
                "INSERT OR IGNORE INTO leaving SELECT no FROM vehicles WHERE plate_id=?",
                (plate_id,),
            )
            self.unsettled = True
        return plates

    def _follow(self, old: int) -> None:
        """Have what names an entry that stood under a vehicle go where the entry went."""
        rows = self._run(
            "SELECT p.at, e.skeleton, e.sealed FROM places p JOIN events e ON e.at = p.at"
            f" WHERE p.vehicle=? AND e.kind IN ({','.join('?' * len(_NAMING))})",
            (old, *_NAMING),
        ).fetchall()
        for at, skeleton, sealed in rows:
            with suppress(ProtocolError):
                number = self._where_named(read(skeleton, sealed))
                if number not in (None, old):
                    self._stand(at, old, number)

    def _where_named(self, event: Event) -> int | None:
        """The vehicle of the entry that an event names, where that is here."""
        if event.kind not in NAMING or event.names is None:
            return None
        row = self._run(
            "SELECT p.vehicle FROM places p JOIN events e ON e.at = p.at WHERE p.at=? AND e.kind=?",
            (self._streams.at(event.names), Kind.ENTRY.value),
        ).fetchone()
        return int(row[0]) if row is not None else None

    def _move(self, at: int, event: Event, plate: str) -> int | None:
        """Have an event stand under the nameless vehicle; under which it stood before."""
        if event.facts is None or event.facts.camera_type is None:
            return None
        row = self._run("SELECT vehicle FROM places WHERE at=?", (at,)).fetchone()
        number = self._projection.vehicles.get(VehicleKey(event.facts.camera_type, plate)).no
        self._projection.to_tables()  # it may be new
        named = self._where_named(event)
        number = named if named is not None else number
        if row is None:  # it was erased before it came
            self._projection.place_erased(event, at, number)
            return None
        self._stand(at, row[0], number)
        return int(row[0])

    def _stand(self, at: int, old: int, number: int) -> None:
        """Have an event stand under another vehicle than before."""
        self._run("UPDATE places SET vehicle=? WHERE at=?", (number, at))
        self._run("UPDATE verdicts SET vehicle=? WHERE at=?", (number, at))
        self._run("UPDATE sessions SET vehicle=? WHERE entry=? AND vehicle=?", (number, at, old))
        # Its stay may be one of a vehicle to which it was corrected.
        self._projection.erased(old, number, *self._projection.corrections.concerned(at))
        if old != number:
            self._run("INSERT OR IGNORE INTO leaving VALUES (?)", (old,))
            self.unsettled = True

    def settled(self) -> None:
        """Let the plates go under which nothing is any more, once all is folded again."""
        if not self.unsettled or self._projection.unsettled:
            return
        self._projection.to_tables()
        for (number,) in self._run("SELECT vehicle FROM leaving").fetchall():
            self._run("DELETE FROM leaving WHERE vehicle=?", (number,))
            if self._run("SELECT 1 FROM places WHERE vehicle=? LIMIT 1", (number,)).fetchone():
                continue
            self._projection.vehicles.changed(number)
            for table in _GONE:
                self._run(f"DELETE FROM {table} WHERE vehicle=?", (number,))
            self._run("DELETE FROM vehicles WHERE no=?", (number,))
        self.unsettled = False

    def drop_forgotten(self) -> None:
        """Leave no byte of what was forgotten in the log of commits, after a commit.

        Where a reader is in the way of that, it is left for the next time.
        """
        if not self.any_forgotten or self.unsettled:
            return
        (waits_ms,) = self._run("PRAGMA busy_timeout").fetchone()
        self._run("PRAGMA busy_timeout = 0")
        with suppress(sqlite3.OperationalError):
            busy = self._run("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
            self.any_forgotten = bool(busy)
        self._run(f"PRAGMA busy_timeout = {waits_ms}")
