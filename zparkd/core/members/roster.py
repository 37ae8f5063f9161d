"""Who belongs to the site: what the events of the roster come to.

A pure function of the set of events that count. A membership has a number; of an id the highest
counts. Of two joins with one number the older counts, and who joined by the other has lost. Changes
and removals name the number that they are about: of two changes the later counts, and a removal
ends its membership whatever came before or after it.

For those who are configured by hand alone there is nothing here.
"""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from zparkd.core.events.event import Event, Position, SortKey
from zparkd.core.members.roster_words import (
    Changed,
    EdgeRemoved,
    Invited,
    Joined,
    JoinRefused,
    Role,
    RosterSaid,
)
from zparkd.core.members.votes import Verdicts, Voices
from zparkd.core.site import Direction

MemberKey = tuple[Role, str]
_Numbered = tuple[Role, str, int]
_NO_VOICES = Voices(frozenset(), frozenset())


class Member(NamedTuple):
    """One membership, as it stands; a key as Z85, `joined` the event by which it began."""

    role: Role
    id: str
    number: int
    public_key: str
    next_public_key: str | None
    address: str | None
    bus_port: int | None
    sync_port: int | None
    edge_port: int | None
    direction: Direction | None
    camera_type: str | None
    reports_close: bool
    removed: bool
    joined: Position
    joined_ms: int

    @property
    def public_keys(self) -> tuple[str, ...]:
        """The keys by which it may prove who it is."""
        keys = (self.public_key, self.next_public_key)
        return tuple(key for key in keys if key is not None)


class Use(NamedTuple):
    """By whom an invitation was used: the public key, from where, and when in ms."""

    public_key: str
    came_from: str | None
    at_ms: int


class Invitation(NamedTuple):
    """An invitation, and its use; None where it was not used."""

    position: Position
    said: Invited
    made_ms: int
    used: Use | None


class RosterState(NamedTuple):
    """The roster: members by role and id, who lost a join to an older one, and invitations.

    `keys` are all keys that ever were those of a central, by its id; `highest` has the numbers
    taken, and `announced` the events that named the next key of a member.
    """

    members: Mapping[MemberKey, Member]
    lost: frozenset[tuple[Role, str, str]]
    invitations: Mapping[str, Invitation]
    keys: Mapping[str, frozenset[str]]
    highest: Mapping[MemberKey, int]
    announced: Mapping[MemberKey, Position]

    def active(self, role: Role) -> list[Member]:
        """The members of a role whose membership has not ended, by id."""
        found = [m for m in self.members.values() if m.role is role and not m.removed]
        return sorted(found, key=lambda member: member.id)

    def removed(self, role: Role) -> frozenset[str]:
        """The ids of those whose membership has ended."""
        return frozenset(m.id for m in self.members.values() if m.role is role and m.removed)

    def next_number(self, role: Role, id: str) -> int:
        """The number of the next membership of an id."""
        return self.highest.get((role, id), 0) + 1


EMPTY = RosterState({}, frozenset(), {}, {}, {}, {})


class Told(NamedTuple):
    """One event of the roster."""

    key: SortKey
    at_ms: int
    said: RosterSaid

    @property
    def position(self) -> Position:
        """Where it stands."""
        return Position(*self.key[1:])


class Roster:
    """All events of the roster that are held, in whatever order they came."""

    def __init__(self) -> None:
        self._told: dict[Position, Told] = {}

    def add(self, event: Event) -> None:
        """Note an event; one that was noted before changes nothing."""
        if isinstance(event.reference, RosterSaid):
            told = Told(event.key, event.timestamp, event.reference)
            self._told[event.position] = told

    def refusals(self) -> Iterable[tuple[Told, JoinRefused]]:
        """Who was turned away, the oldest first."""
        for told in sorted(self._told.values()):
            if isinstance(told.said, JoinRefused):
                yield told, told.said

    def state(self, verdicts: Verdicts) -> RosterState:
        """What they come to, of those that count."""
        told = sorted(
            (one for one in self._told.values() if verdicts.counts(one.position)),
            key=lambda one: one.key,
        )
        return _state(told, verdicts) if told else EMPTY


def _state(told: list[Told], verdicts: Verdicts) -> RosterState:
    """The roster of these events, which are in their order."""
    joins = _joins(told)
    ended: dict[str, int] = {}
    changes: dict[_Numbered, list[Changed]] = {}
    announced: dict[MemberKey, Position] = {}
    for one in told:
        match one.said:
            case EdgeRemoved() as said:
                ended[said.member] = max(said.number, ended.get(said.member, 0))
            case Changed() as said:
                changes.setdefault((said.role, said.member, said.number), []).append(said)
                if said.next_public_key:
                    announced[said.role, said.member] = one.position
    members: dict[MemberKey, Member] = {}
    keys: dict[str, set[str]] = {}
    for (role, id, number), one in sorted(joins.winners.items()):
        changed = changes.get((role, id, number), [])
        member = _member(one, changed, verdicts, ended)
        members[role, id] = member  # the highest number comes last
        if role is Role.CENTRAL:
            of_it = keys.setdefault(id, set())
            of_it.update((_joined(one).public_key, *member.public_keys))
            of_it.update(key for it in changed for key in _keys_in(it))
    for role, id, key in joins.lost:
        if role is Role.CENTRAL:  # what it recorded counts all the same
            keys[id].add(key)
    invitations = {
        one.said.key: Invitation(one.position, one.said, one.at_ms, joins.uses.get(one.position))
        for one in told
        if isinstance(one.said, Invited)
    }
    return RosterState(
        members,
        frozenset(joins.lost),
        invitations,
        {id: frozenset(some) for id, some in keys.items()},
        {key: member.number for key, member in members.items()},
        announced,
    )


class _Joins(NamedTuple):
    """The join that counts of each number, the keys of the others, who used which invitation."""

    winners: dict[_Numbered, Told]
    lost: set[tuple[Role, str, str]]
    uses: dict[Position, Use]


def _joins(told: list[Told]) -> _Joins:
    joins = _Joins({}, set(), {})
    for one in told:
        if not isinstance(one.said, Joined):
            continue
        said = one.said
        first = joins.winners.setdefault((said.role, said.member, said.number), one)
        if _joined(first).public_key != said.public_key:
            joins.lost.add((said.role, said.member, said.public_key))
        if said.invitation is not None:
            use = Use(said.public_key, said.came_from, one.at_ms)
            joins.uses.setdefault(Position(*said.invitation), use)
    return joins


def _joined(one: Told) -> Joined:
    assert isinstance(one.said, Joined)
    return one.said


def _keys_in(changed: Changed) -> list[str]:
    return [key for key in (changed.public_key, changed.next_public_key) if key]


def _member(
    one: Told, changes: list[Changed], verdicts: Verdicts, ended: Mapping[str, int]
) -> Member:
    """A membership with its changes, which are in their order."""
    said = _joined(one)
    if said.role is Role.CENTRAL:
        removed = verdicts.voices.get(said.member, _NO_VOICES).ends(said.number)
    else:
        removed = ended.get(said.member, 0) >= said.number
    member = Member(
        said.role,
        said.member,
        said.number,
        said.public_key,
        None,
        said.address,
        said.bus_port,
        said.sync_port,
        said.edge_port,
        said.direction,
        said.camera_type,
        said.reports_close,
        removed,
        one.position,
        one.at_ms,
    )
    for change in changes:
        new = {
            name: getattr(change, name)
            for name in ("address", "bus_port", "sync_port", "edge_port", "public_key")
            if getattr(change, name) is not None
        }
        if change.next_public_key is not None:
            new["next_public_key"] = change.next_public_key or None
        member = member._replace(**new)
    return member


def roster_of(events: Iterable[Event], verdicts: Verdicts) -> RosterState:
    """The roster that a set of events comes to."""
    roster = Roster()
    for event in events:
        roster.add(event)
    return roster.state(verdicts)
