"""One turn: messages of several sites become events and stays, in one transaction.

With them goes how far the messages of each site were taken, so a turn that is undone is as if it
had never been, and one that was committed is never done again. Whoever calls holds the locks of
the sites (`assignment`), so what is remembered of them between turns is what the database has.
"""

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import psycopg

from zparkd.core.events.event import ERASED, Event, Position, Stream, VehicleKey
from zparkd.core.events.payloads import TariffSet, VehicleErased
from zparkd.core.members.votes import Verdicts, Words
from zparkd.core.stays.corrections import CORRECTIONS, NAMING
from zparkd.core.stays.erasure import forgotten
from zparkd.core.stays.fold import Stay
from zparkd.fleet import event_tables, site_tables, stay_tables
from zparkd.fleet.event_tables import Row
from zparkd.fleet.fold import (
    HeldStay,
    Judged,
    Steps,
    Vehicles,
    fold_again,
    kept_ids,
    vehicle_number,
)
from zparkd.fleet.intake import Held, Taken, Waiting, sort_out, take
from zparkd.fleet.site_tables import Connection, Cursor, Moved, Progress

_log = logging.getLogger("zparkd.fleet")
Keys = Mapping[str, Mapping[str, frozenset[bytes]]]  # of sites, of origins
_LINKING = NAMING | CORRECTIONS  # what may be about an event of another vehicle
_AT_ONCE = 2_000  # vehicles folded again together, and messages that waited taken together


class Message(NamedTuple):
    """A message of a site, where it stands in its stream, and how many wait after it."""

    site: str
    subject: str
    data: bytes
    at: Cursor
    pending: int


@dataclass(slots=True)
class _Site:
    """What is remembered of a site between turns."""

    held: Held
    words: Words
    verdicts: Verdicts
    links: dict[Position, set[int]]
    any_erased: bool


class Turns:
    """Takes messages in, turn by turn, over one connection."""

    def __init__(self, connection: Connection, keys: Keys | None = None) -> None:
        self._connection = connection
        self._keys = keys or {}
        self._sites: dict[str, _Site] = {}
        self._vehicles = Vehicles()
        self._moved: list[Moved] = []

    def forget(self, site: str | None = None) -> None:
        """Remember nothing of a site, or of any: somebody else may fold it from now on."""
        if site is None:
            self._sites.clear()
        else:
            self._sites.pop(site, None)
        self._vehicles.clear()

    def take(self, messages: Sequence[Message]) -> int:
        """Take messages in, and commit; how many events are new.

        What the rules can't bear is kept apart and changes nothing. Raises
        psycopg.OperationalError where the database can't be had.
        """
        try:
            return self._take(messages, apart=False)
        except (psycopg.OperationalError, psycopg.InterfaceError):
            self.forget()
            raise
        except Exception:
            self.forget()
            if len(messages) > 1:
                half = len(messages) // 2
                return self.take(messages[:half]) + self.take(messages[half:])
            _log.exception("an event of %s is kept and changes nothing", messages[0].site)
            return self._take(messages, apart=True)

    def resume(self, site: str) -> int:
        """Take what waits of a site and can be taken by now: other keys may be named."""
        self.forget(site)
        try:
            return self._take([], apart=False, resumed=[site])
        except (psycopg.OperationalError, psycopg.InterfaceError):
            raise
        except Exception:
            _log.exception("what waits of %s is kept and changes nothing", site)
            self.forget(site)
            return self._take([], apart=True, resumed=[site])

    def _take(
        self, messages: Sequence[Message], *, apart: bool, resumed: Sequence[str] = ()
    ) -> int:
        by_site: dict[str, list[Message]] = {site: [] for site in resumed}
        for message in messages:
            by_site.setdefault(message.site, []).append(message)
        with self._connection.transaction():
            site_tables.lock_against_turns(self._connection, by_site)
            self._moved = []
            taken = {site: self._intake(site, some) for site, some in by_site.items()}
            touched = {} if apart else {site: self._erase(site, got) for site, got in taken.items()}
            rows = [
                event_tables.row(site, sent, not apart)
                for site, got in taken.items()
                for sent in got.events
            ]
            acts = self._look_up(rows)
            event_tables.copy_events(self._connection, rows)
            if not apart:
                self._fold(rows, acts, taken, touched)
            if self._moved:
                site_tables.write_heads(self._connection, self._moved)
            made = []
            for site, some in by_site.items():
                if not some:
                    continue
                last = max(some, key=lambda message: message.at.seq)
                aside, problem = taken[site].aside, taken[site].problem
                problem = aside[-1].why if aside else problem
                made.append(Progress(site, last.at, last.pending, problem))
            if made:
                site_tables.write_progress(self._connection, made)
        self._vehicles.tidy()
        return len(rows)

    # --- taking in

    def _site(self, site: str) -> _Site:
        known = self._sites.get(site)
        if known is None:
            held = site_tables.load_held(self._connection, site, self._keys.get(site, {}))
            words = event_tables.load_words(self._connection, site)
            links = event_tables.load_links(self._connection, site)
            any_erased = event_tables.any_erased(self._connection, site)
            known = _Site(held, words, words.verdicts(), links, any_erased)
            self._sites[site] = known
        return known

    def _intake(self, site: str, messages: Iterable[Message]) -> Taken:
        held = self._site(site).held
        taken = Taken()
        pairs = [(message.subject, message.data) for message in messages]
        streams = sort_out(held, pairs, taken)
        if not pairs:
            streams = {stream: [] for stream in list(held.waits)}
        moved = set()
        for stream, offered in streams.items():
            head = held.heads.get(stream, (0, ""))[0]
            some_wait = bool(held.waits.get(stream))
            next_waits = head + 1 in held.waits.get(stream, ())
            before = self._waited(held, stream) if next_waits else []
            take(held, stream, [*before, *offered], taken)
            while (now := held.heads.get(stream, (0, ""))[0]) > head:
                moved.add(stream)
                head = now
                if head + 1 not in held.waits.get(stream, ()):
                    break
                here = [one for one in taken.waiting if one.sent.event.position.stream == stream]
                take(held, stream, [*self._waited(held, stream), *here], taken)
            if some_wait:
                site_tables.wait_no_more(self._connection, site, stream, head)
        for stream in moved:
            certificate = taken.certified.get(stream)
            self._moved.append(Moved(site, stream, *held.heads[stream], certificate))
        if taken.pinned:
            site_tables.write_keys(self._connection, site, taken.pinned)
        still = [
            one
            for one in taken.waiting
            if one.sent.event.position.seq > held.heads.get(one.sent.event.position.stream, (0,))[0]
        ]
        if sum(map(len, held.waits.values())) > site_tables.WAITING_OF_A_SITE:
            for one in still:  # it will be sent again: the heads that the site hears stand still
                held.waits[one.sent.event.position.stream].discard(one.sent.event.position.seq)
        elif still:
            site_tables.write_waiting(self._connection, site, still)
        if taken.aside:
            _log.warning(
                "%s: %d messages put aside: %s", site, len(taken.aside), taken.aside[0].why
            )
            site_tables.write_aside(self._connection, site, taken.aside)
        return taken

    def _waited(self, held: Held, stream: Stream) -> list[Waiting]:
        head = held.heads.get(stream, (0, ""))[0]
        messages = site_tables.waiting(self._connection, held.site, stream, head, _AT_ONCE)
        again = [(f"zparkd.{held.site}.{stream.origin}.OTHER", message) for message in messages]
        return sort_out(held, again, Taken()).get(stream, [])

    def _erase(self, site: str, taken: Taken) -> set[int]:
        """Forget what the erases in these events name, and what earlier ones name of them.

        The vehicles that are to be folded again for it.
        """
        known = self._sites[site]
        fresh = {sent.event.position for sent in taken.events}
        erases = [
            sent.event
            for sent in taken.events
            if isinstance(sent.event.reference, VehicleErased)
            and known.verdicts.counts(sent.event.position)
        ]
        named = event_tables.note_erases(self._connection, site, erases) if erases else set()
        known.any_erased = known.any_erased or bool(named)
        if not known.any_erased:
            return set()
        at = event_tables.erased_at(self._connection, site, fresh | named)
        never = {it.event.position for it in taken.events if it.event.personal_part == ERASED}
        event_tables.not_outdated(self._connection, site, never & at.keys())
        taken.events = [
            sent._replace(event=forgotten(sent.event, at[sent.event.position]))
            if sent.event.position in at
            else sent
            for sent in taken.events
        ]
        before = {position: plate for position, plate in at.items() if position not in fresh}
        return event_tables.forget(self._connection, site, before)

    # --- folding

    def _look_up(self, rows: Sequence[Row]) -> set[int | None]:
        """Remember the vehicles of events; which of their acts are held already."""
        keys: dict[int, VehicleKey] = {}
        acts: dict[int, list[int]] = {}
        for _, sent, _, no, act in rows:
            if no is None:
                continue
            if act is not None:
                acts.setdefault(no, []).append(act)
            if self._vehicles.get(no) is None and sent.event.vehicle is not None:
                keys[no] = sent.event.vehicle
        found, known = stay_tables.load_vehicles(self._connection, keys)
        for no, vehicle in found.items():
            self._vehicles.put(no, vehicle)
        asked = [act for no, of in acts.items() if no in known or no not in keys for act in of]
        return event_tables.acts_held(self._connection, asked) if asked else set()

    def _fold(
        self,
        rows: Sequence[Row],
        acts: set[int | None],
        taken: Mapping[str, Taken],
        touched: Mapping[str, set[int]],
    ) -> None:
        steps: dict[str, Steps] = {}
        for site in taken:
            known = self._sites[site]
            again = self._judge_origins(site, [sent.event for sent in taken[site].events])
            steps[site] = Steps(site, self._vehicles, acts, known.links, known.verdicts)
            steps[site].again |= again | touched[site]
            for sent in taken[site].erased:
                vehicle = event_tables.drop_personal(self._connection, site, sent.event.position)
                if vehicle is not None:
                    steps[site].again.add(vehicle)
        for site, sent, _, no, act in rows:
            if no is not None:
                steps[site].take(sent.event, no, act)
        self._write_stays(steps)
        tariffs = [
            (row.site, row.sent.event)
            for row in rows
            if isinstance(row.sent.event.reference, TariffSet)
        ]
        if tariffs:
            verdicts = {site: self._sites[site].verdicts for site in taken}
            event_tables.write_tariffs(self._connection, tariffs, verdicts)

    def _write_stays(self, steps: Mapping[str, Steps]) -> None:
        """Store what the steps of all sites came to, and what had to be folded again."""
        written: list[tuple[object, ...]] = []
        replaced: list[tuple[str, Stay]] = []
        judged: list[Judged] = []
        new: list[tuple[str, Position]] = []
        for site, step in steps.items():
            seen = self._fold_again(site, step)
            for entry, (before, stay) in step.stays.items():
                no = vehicle_number(site, stay.vehicle)
                if no in seen:
                    continue
                if before is None:
                    new.append((site, entry))
                elif before.stored:
                    replaced.append((site, stay))
                    written.append(stay_tables.stay_row(before.id, site, no, stay))
                    self._stored(no, before.id, stay)
            judged += [one for one in step.judged if one.vehicle not in seen]
        ids = stay_tables.new_ids(self._connection, len(new)) if new else []
        for id, (site, entry) in zip(ids, new, strict=True):
            stay = steps[site].stays[entry][1]
            no = vehicle_number(site, stay.vehicle)
            written.append(stay_tables.stay_row(id, site, no, stay))
            self._stored(no, id, stay)
        stay_tables.drop_stays(self._connection, replaced)
        if written:
            stay_tables.copy_stays(self._connection, written)
        if judged:
            stay_tables.write_verdicts(self._connection, judged)

    def _stored(self, no: int, id: int, stay: Stay) -> None:
        """A stay has its row: remember its number where it is open."""
        state = self._vehicles.get(no)
        if state is not None and state.open is not None and state.open.stay.entry == stay.entry:
            state.open = HeldStay(id, state.open.stay, stored=True)

    def _judge_origins(self, site: str, events: Iterable[Event]) -> set[int]:
        """Take in what centrals say of each other; the vehicles for which that changes anything."""
        known = self._sites[site]
        said = [event for event in events if known.words.hear(event)]
        before = known.verdicts.disowned
        if not said:
            return set()
        known.verdicts = known.words.verdicts()
        now = known.verdicts.disowned
        changed = {origin for origin in {*before, *now} if before.get(origin) != now.get(origin)}
        if not changed:
            return set()
        event_tables.judge_tariffs(self._connection, site, known.verdicts)
        return set(event_tables.vehicles_of(self._connection, site, changed))

    def _fold_again(self, site: str, step: Steps) -> set[int]:
        """Fold vehicles again from all their events; all that were folded so."""
        seen: set[int] = set()
        left = sorted(step.again)
        while left:
            part = [no for no in left[:_AT_ONCE] if no not in seen]
            left = left[_AT_ONCE:]
            if part:
                seen |= self.fold_vehicles(site, part)
        return seen

    def fold_vehicles(self, site: str, vehicles: Iterable[int]) -> set[int]:
        """Fold these vehicles, and those that they are linked to, from all their events."""
        known = self._site(site)
        events, seen, links = component(self._connection, site, known.links, vehicles)
        for position, nos in links.items():
            known.links.setdefault(position, set()).update(nos)
        if links:
            event_tables.write_links(self._connection, site, links)
        folded = fold_again(site, events.values(), known.verdicts)
        before = stay_tables.drop_fold(self._connection, site, seen)
        ids = kept_ids(before, folded)
        fresh = [entry for entry in folded.stays if entry not in ids]
        made = stay_tables.new_ids(self._connection, len(fresh)) if fresh else []
        ids |= dict(zip(fresh, made, strict=True))
        rows = []
        for entry, stay in folded.stays.items():
            no = vehicle_number(site, stay.vehicle)
            rows.append(stay_tables.stay_row(ids[entry], site, no, stay))
            if stay.closed_by is None and no in folded.states:
                folded.states[no].open = HeldStay(ids[entry], stay, stored=True)
        if rows:
            stay_tables.copy_stays(self._connection, rows)
        judged = []
        for position, judgement in folded.judged.items():
            key = events[position].vehicle
            assert key is not None
            no = vehicle_number(site, key)
            judged.append(Judged(site, no, events[position], judgement.verdict))
        if judged:
            stay_tables.write_verdicts(self._connection, judged)
        charges = [
            (vehicle_number(site, key), events[position])
            for position in folded.charged
            if (key := events[position].vehicle) is not None
        ]
        if charges:
            stay_tables.write_charges(self._connection, site, charges)
        for no in seen:
            self._vehicles.drop(no)
            if no in folded.states:
                self._vehicles.put(no, folded.states[no])
        return seen


def component(
    connection: Connection,
    site: str,
    links: Mapping[Position, set[int]],
    vehicles: Iterable[int],
) -> tuple[dict[Position, Event], set[int], dict[Position, set[int]]]:
    """The events of vehicles and of all that they are linked to, these vehicles, and new links.

    A link is an event of one vehicle that names one of another, or one that is not held.
    """
    events: dict[Position, Event] = {}
    seen: set[int] = set()
    found: dict[Position, set[int]] = {}
    todo = set(vehicles)
    while todo:
        seen |= todo
        fresh = {event.position: event for event in event_tables.events_of(connection, site, todo)}
        events |= fresh
        named = {
            event.names: event
            for event in fresh.values()
            if event.names is not None and event.kind in _LINKING and event.names not in fresh
        }
        at = event_tables.vehicles_at(connection, site, [*named])
        todo = {no for position in fresh for no in links.get(position, ())}
        todo |= set(at.values())
        todo -= seen
        for event in fresh.values():
            if event.names is None or event.kind not in _LINKING or event.vehicle is None:
                continue
            own = vehicle_number(site, event.vehicle)
            other = events[event.names].vehicle if event.names in events else None
            there = vehicle_number(site, other) if other is not None else at.get(event.names)
            if there != own and own not in links.get(event.names, ()):
                found.setdefault(event.names, set()).add(own)
    return events, seen, found
