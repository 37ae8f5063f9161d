"""Who is disowned: what the words of centrals about each other come to.

A pure function of the set of events. For each central the last word of every other one counts,
by the position of who says it; a disowning holds while more say so than deny it. Up to the heads
that those who say so list (of several the greatest) the events of a disowned central count, and
so do its words; beyond, neither does.

Whose words count would depend on itself where two disown each other. So who has most against it
is judged first, and its words beyond its heads are gone before the next is judged. Of several
with as many against them, none is judged by the words of the others: where nothing is left
against any of them, they contradict each other, none is disowned, and what they say of others
beyond their heads does not count either.
"""

from bisect import bisect_right
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from zparkd.core import limits
from zparkd.core.events.event import Event, Position, Stream
from zparkd.core.members.roster_words import Joined, Role
from zparkd.core.members.words import (
    Against,
    Cut,
    MemberAdmitted,
    MemberRemoved,
    MemberSaid,
)

_At = tuple[int, int]  # epoch and seq in the streams of one central
_WHOLE = Cut({}, limits.EPOCH_MAX + 1)


class Voices(NamedTuple):
    """Which centrals say that one is disowned, and which deny it; of those that count.

    `removed` has of those who say that a membership ended the number.
    """

    against: frozenset[str]
    for_it: frozenset[str]
    removed: Mapping[str, int] = {}

    def ends(self, number: int) -> bool:
        """Whether the membership of this number has ended."""
        spent = sum(ended < number for ended in self.removed.values())
        if not any(ended >= number for ended in self.removed.values()):
            return False
        return len(self.against) - spent > len(self.for_it)


class Verdicts(NamedTuple):
    """Who is disowned, and up to where its events count; who says what of whom."""

    disowned: Mapping[str, Cut]
    voices: Mapping[str, Voices]

    def counts(self, position: Position) -> bool:
        """Whether an event means what it says."""
        cut = self.disowned.get(position.origin)
        return cut is None or position.seq <= cut.up_to(position.epoch)

    def up_to(self, stream: Stream) -> int:
        """The last seq of a stream that counts."""
        cut = self.disowned.get(stream.origin)
        return cut.up_to(stream.epoch) if cut is not None else limits.SEQ_MAX


class Words:
    """What centrals said of each other: kept by who says it of whom, in the order of positions."""

    def __init__(self) -> None:
        self._said: dict[tuple[str, str], list[tuple[_At, MemberSaid]]] = {}
        self._admits: set[tuple[str, str]] = set()
        self._joins: dict[str, set[tuple[str, _At, int, int]]] = {}

    def joined(self, position: Position, said: Joined) -> None:
        """Note that a central became a member: from its epoch on an older removal ends nothing."""
        if said.role is Role.CENTRAL:
            at = (position.epoch, position.seq)
            join = (position.origin, at, said.number, said.from_epoch)
            self._joins.setdefault(said.member, set()).add(join)

    def hear(self, event: Event) -> bool:
        """Note what an event says of members; whether it could change who is disowned."""
        said = event.reference
        if isinstance(said, MemberSaid):
            self.add(event.position, said)
        elif isinstance(said, Joined):
            self.joined(event.position, said)
        else:
            return False
        return True

    def add(self, position: Position, said: MemberSaid) -> None:
        """Note a word; one that was noted before changes nothing."""
        voice = (position.origin, said.member)
        at = (position.epoch, position.seq)
        if isinstance(said, MemberAdmitted):
            self._admits.add(voice)
            return
        words = self._said.setdefault(voice, [])
        found = bisect_right(words, at, key=lambda word: word[0])
        if found == 0 or words[found - 1][0] != at:
            words.insert(found, (at, said))

    def admits(self, voice: str, member: str) -> bool:
        """Whether a central said that it takes in what another one records."""
        return (voice, member) in self._admits

    def verdicts(self) -> Verdicts:
        """Who is disowned."""
        cuts: dict[str, Cut] = {}  # of whose words only those within count any more
        disowned: dict[str, Cut] = {}
        voices: dict[str, Voices] = {}
        left = {member for voice, member in self._said if voice != member}
        while left:
            heard = {member: self._heard(member, cuts) for member in left}
            most = max(_margin(words) for words in heard.values())
            if most <= 0:
                break
            top = {member for member in left if _margin(heard[member]) == most}
            among = {member: self._cut(member, heard[member], cuts) for member in top}
            firm = set()
            for member in top:
                others = {id: cut for id, cut in among.items() if id != member}
                if _margin(self._heard(member, cuts | others)) > 0:
                    firm.add(member)
            judged = firm or top
            for member in judged:
                cuts[member] = among[member]
                voices[member] = _voices(heard[member])
            disowned |= {member: among[member] for member in firm}
            left -= judged
        voices |= {member: _voices(self._heard(member, cuts)) for member in left}
        return Verdicts(disowned, voices)

    def _heard(self, member: str, cuts: Mapping[str, Cut]) -> dict[str, MemberSaid]:
        """The last word that counts of each other central about one."""
        heard: dict[str, MemberSaid] = {}
        for (voice, about), words in self._said.items():
            if about != member or voice == member:
                continue
            cut = cuts.get(voice, _WHOLE)
            for (epoch, seq), said in reversed(words):
                if seq <= cut.up_to(epoch):
                    heard[voice] = said
                    break
        return heard

    def _cut(self, member: str, heard: Mapping[str, MemberSaid], cuts: Mapping[str, Cut]) -> Cut:
        """Up to where the events of a central count, by those who are against it."""
        cut = _cut(heard)
        against = [said for said in heard.values() if isinstance(said, Against)]
        ended = [said.number for said in against if isinstance(said, MemberRemoved)]
        if len(ended) < len(against):
            return cut  # disowned: that has no number, and a new membership changes nothing
        later = [
            from_epoch
            for voice, (epoch, seq), number, from_epoch in self._joins.get(member, ())
            if number > max(ended)
            and voice != member
            and seq <= cuts.get(voice, _WHOLE).up_to(epoch)
        ]
        return cut._replace(whole_from=min(later)) if later else cut


def _margin(heard: Mapping[str, MemberSaid]) -> int:
    """How many more disown than deny it."""
    return sum(1 if isinstance(said, Against) else -1 for said in heard.values())


def _voices(heard: Mapping[str, MemberSaid]) -> Voices:
    against = frozenset(id for id, said in heard.items() if isinstance(said, Against))
    removed = {id: said.number for id, said in heard.items() if isinstance(said, MemberRemoved)}
    return Voices(against, frozenset(heard) - against, removed)


def _cut(heard: Mapping[str, MemberSaid]) -> Cut:
    heads: dict[int, int] = {}
    whole_before = 0
    for said in heard.values():
        if isinstance(said, Against):
            whole_before = max(whole_before, said.whole_before or 0)
            for epoch, seq in said.heads:
                heads[epoch] = max(seq, heads.get(epoch, 0))
    return Cut(heads, whole_before)


def counting(events: Iterable[Event]) -> list[Event]:
    """Those of a set of events that mean what they say: all but those of the disowned."""
    held = list(events)
    words = Words()
    for event in held:
        words.hear(event)
    verdicts = words.verdicts()
    return [event for event in held if verdicts.counts(event.position)]
