"""Messages of sites as a sender makes them, and turns over a real database. No test lives here."""

import itertools
from collections.abc import Iterable, Sequence
from typing import Any

import psycopg

from tests.support.centrals import identity
from zparkd.core.events.event import Event, Stream
from zparkd.core.events.signing import StreamKey
from zparkd.core.fleet import Proof, SiteHeads, event_subject, told_of, write_event
from zparkd.core.site import Told
from zparkd.fleet import site_tables
from zparkd.fleet.schema import migrate
from zparkd.fleet.site_tables import Cursor
from zparkd.fleet.turn import Keys, Message, Turns

KEY = b"k" * 40
_SITES = itertools.count()


def message(
    site: str, event: Event, *, told: Told = Told.FULL, proof: Proof | None = None, at: int = 1
) -> Message:
    """The message of an event."""
    personal = told_of(event.personal_part, told, KEY)
    data = write_event(event.skeleton, personal, told, proof)
    subject = event_subject(site, event.position.origin, event.kind)
    return Message(site, subject, data, Cursor("made", at), 0)


class Fleet:
    """One site in a fleet's database, fed by hand."""

    def __init__(self, database: str, keys: Keys | None = None) -> None:
        self.connection: psycopg.Connection[Any] = psycopg.connect(database, autocommit=True)
        migrate(self.connection)
        self._site_keys = dict((keys or {}).get("site", {}))
        self.renew()

    def renew(self) -> None:
        """Another site from now on, of which nothing is held."""
        self.site = f"site-{next(_SITES)}"
        self.keys: Keys = {self.site: self._site_keys}
        said = SiteHeads(1, self.site, "central-1", "Asia/Ho_Chi_Minh", Told.FULL, [])
        site_tables.note_site(self.connection, said)
        self.restart()

    def restart(self) -> None:
        """Nothing is remembered but what is in the database."""
        self.turns = Turns(self.connection, self.keys)

    def take(self, *events: Event, **more: Any) -> int:
        """One turn with these events."""
        return self.turns.take([message(self.site, event, **more) for event in events])

    def takes(self, messages: Sequence[Message]) -> int:
        return self.turns.take(messages)

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        return self.connection.execute(query.encode(), (self.site,)).fetchall()

    @property
    def heads(self) -> dict[Stream, int]:
        rows = self.rows("SELECT origin, epoch, head FROM streams WHERE site = %s")
        return {Stream(origin, epoch): head for origin, epoch, head in rows}

    @property
    def aside(self) -> list[str]:
        return [why for (why,) in self.rows("SELECT why FROM aside WHERE site = %s ORDER BY no")]

    @property
    def waiting(self) -> int:
        return int(self.rows("SELECT count(*) FROM ahead WHERE site = %s")[0][0])

    def close(self) -> None:
        self.connection.close()


class Signer:
    """The keys of one origin: of its identity, and of each of its streams."""

    def __init__(self, site: str, name: str) -> None:
        self._site = site
        self.identity = identity(name)
        self._keys: dict[Stream, StreamKey] = {}

    def proof(self, event: Event) -> Proof:
        """The signature of an event, as a sender hands it on."""
        stream = event.position.stream
        if stream not in self._keys:
            self._keys[stream] = self.identity.new_stream_key()
        key = self._keys[stream]
        head = key.sign(self._site, event.position, event.hash)
        certificate = self.identity.certify(self._site, stream, key.public)
        return Proof(head.signature, *certificate[1:])


def heads_of(events: Iterable[Event]) -> dict[Stream, int]:
    """How far each stream goes in a set of whole streams."""
    heads: dict[Stream, int] = {}
    for event in events:
        stream = event.position.stream
        heads[stream] = max(event.position.seq, heads.get(stream, 0))
    return heads


def found_in(connection: psycopg.Connection[Any], word: bytes) -> set[str]:
    """The tables, parts of others among them, of which a row has these bytes somewhere."""
    tables = connection.execute(
        "SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace"
    ).fetchall()
    found = set()
    for (table,) in tables:
        rows = connection.execute(f'SELECT to_jsonb(t)::text FROM "{table}" t'.encode()).fetchall()
        if any(word.decode() in row or word.hex() in row for (row,) in rows):
            found.add(table)
    return found
