"""Who is disowned, and up to where the events of such a one count: docs/protocol.md section 8.7.

Also what each central says last of another, which 8.8 asks for.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

from tests.sim.oracle.events import DISOWNED, JOINED, REMOVED, RESTORED, At, Said

Place = tuple[int, int]  # epoch and seq in the streams of one central


@dataclass
class Heads:
    """Up to where something of a central counts."""

    of_streams: dict[int, int] = field(default_factory=dict)
    whole_before: int = 0
    whole_from: int = 2**60

    def within(self, epoch: int, seq: int) -> bool:
        """Whether a position of that central is not beyond them."""
        if epoch < self.whole_before or epoch >= self.whole_from:
            return True
        return seq <= self.of_streams.get(epoch, 0)


@dataclass
class Word:
    """What a central said of another one."""

    by: str
    about: str
    place: Place
    against: bool
    heads: Heads
    removes: int | None = None  # the number of the membership that it says has ended


@dataclass
class Join:
    """That a central became a member again, as another one recorded it."""

    by: str
    about: str
    place: Place
    number: int
    from_epoch: int


@dataclass
class Council:
    """What all words come to: who is disowned, from which heads on, and the last words of each."""

    disowned: dict[str, Heads] = field(default_factory=dict)
    last: dict[str, list[Word]] = field(default_factory=dict)

    def ended(self, member: str, number: int) -> bool:
        """Whether the membership of a central with this number has ended (8.8)."""
        last = self.last.get(member, [])
        if not any(word.removes is not None and word.removes >= number for word in last):
            return False
        lower = sum(word.removes is not None and word.removes < number for word in last)
        against = sum(word.against for word in last)
        return against - lower > len(last) - against


def words_in(events: Iterable[Said]) -> list[Word]:
    """All words in these events."""
    return [
        _word(event)
        for event in events
        if event.kind in (DISOWNED, RESTORED, REMOVED)
        and event.data is not None
        and event.data["member"] != event.origin
    ]


def _word(event: Said) -> Word:
    data = event.data
    assert data is not None
    heads = Heads(whole_before=data.get("whole_before", 0))
    for epoch, seq in data.get("heads", ()):
        heads.of_streams[epoch] = max(seq, heads.of_streams.get(epoch, 0))
    against = event.kind != RESTORED
    removes = data["number"] if event.kind == REMOVED else None
    return Word(event.origin, data["member"], event.at[1:], against, heads, removes)


def joins_in(events: Iterable[Said]) -> list[Join]:
    """All joins of centrals in these events that another one recorded."""
    return [
        Join(
            event.origin,
            event.data["member"],
            event.at[1:],
            event.data["number"],
            event.data.get("from_epoch", 1),
        )
        for event in events
        if event.kind == JOINED
        and event.data is not None
        and event.data["role"] == "central"
        and event.data["member"] != event.origin
    ]


def _last_words(words: list[Word], about: str, gone_beyond: dict[str, Heads]) -> list[Word]:
    """The last word of each central about a member, of those that are not gone."""
    last: dict[str, Word] = {}
    for word in sorted(words, key=lambda it: it.place):
        bound = gone_beyond.get(word.by)
        if word.about == about and (bound is None or bound.within(*word.place)):
            last[word.by] = word
    return list(last.values())


def _excess(last: list[Word]) -> int:
    against = sum(word.against for word in last)
    return against - (len(last) - against)


def _heads(last: list[Word], joins: list[Join], gone_beyond: dict[str, Heads]) -> Heads:
    heads = Heads()
    for word in last:
        if word.against:
            heads.whole_before = max(heads.whole_before, word.heads.whole_before)
            for epoch, seq in word.heads.of_streams.items():
                heads.of_streams[epoch] = max(seq, heads.of_streams.get(epoch, 0))
    ended = [word.removes for word in last if word.against]
    if None in ended:
        return heads
    for join in joins:
        bound = gone_beyond.get(join.by)
        not_gone = bound is None or bound.within(*join.place)
        if not_gone and join.about == last[0].about and join.number > max(it or 0 for it in ended):
            heads.whole_from = min(heads.whole_from, join.from_epoch)
    return heads


def council(words: list[Word], joins: list[Join]) -> Council:
    """What all of it comes to."""
    found = Council()
    judged: dict[str, Heads] = {}
    open_ = {word.about for word in words}
    while open_:
        last = {member: _last_words(words, member, judged) for member in open_}
        most = max(_excess(words_) for words_ in last.values())
        if most <= 0:
            break
        these = [member for member in open_ if _excess(last[member]) == most]
        heads = {member: _heads(last[member], joins, judged) for member in these}
        firm = []
        for member in these:
            gone = judged | {other: heads[other] for other in these if other != member}
            if _excess(_last_words(words, member, gone)) > 0:
                firm.append(member)
        for member in firm or these:
            judged[member] = heads[member]
            found.last[member] = last[member]
            open_.discard(member)
        for member in firm:
            found.disowned[member] = heads[member]
    for member in open_:
        found.last[member] = _last_words(words, member, judged)
    return found


def disowned(words: list[Word]) -> dict[str, Heads]:
    """Who is disowned by these words alone, from which heads on."""
    return council(words, []).disowned


def counts(at: At, verdict: dict[str, Heads]) -> bool:
    """Whether the event at a position means what it says."""
    heads = verdict.get(at[0])
    return heads is None or heads.within(*at[1:])
