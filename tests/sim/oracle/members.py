"""Who is disowned, and up to where the events of such a one count: docs/protocol.md section 8.7."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from tests.sim.oracle.events import DISOWNED, RESTORED, At, Said

Place = tuple[int, int]  # epoch and seq in the streams of one central


@dataclass
class Heads:
    """Up to where something of a central counts."""

    of_streams: dict[int, int] = field(default_factory=dict)
    whole_before: int = 0

    def within(self, epoch: int, seq: int) -> bool:
        """Whether a position of that central is not beyond them."""
        return epoch < self.whole_before or seq <= self.of_streams.get(epoch, 0)


@dataclass
class Word:
    """What a central said of another one."""

    by: str
    about: str
    place: Place
    against: bool
    heads: Heads


def words_in(events: Iterable[Said]) -> list[Word]:
    """All words in these events."""
    return [
        _word(event)
        for event in events
        if event.kind in (DISOWNED, RESTORED)
        and event.data is not None
        and event.data["member"] != event.origin
    ]


def _word(event: Said) -> Word:
    data = event.data
    assert data is not None
    heads = Heads(whole_before=data.get("whole_before", 0))
    for epoch, seq in data.get("heads", ()):
        heads.of_streams[epoch] = max(seq, heads.of_streams.get(epoch, 0))
    return Word(event.origin, data["member"], event.at[1:], event.kind == DISOWNED, heads)


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


def _heads(last: list[Word]) -> Heads:
    heads = Heads()
    for word in last:
        if word.against:
            heads.whole_before = max(heads.whole_before, word.heads.whole_before)
            for epoch, seq in word.heads.of_streams.items():
                heads.of_streams[epoch] = max(seq, heads.of_streams.get(epoch, 0))
    return heads


def disowned(words: list[Word]) -> dict[str, Heads]:
    """Who is disowned, from which heads on."""
    found: dict[str, Heads] = {}
    judged: dict[str, Heads] = {}
    open_ = {word.about for word in words}
    while open_:
        last = {member: _last_words(words, member, judged) for member in open_}
        most = max(_excess(words_) for words_ in last.values())
        if most <= 0:
            break
        these = [member for member in open_ if _excess(last[member]) == most]
        heads = {member: _heads(last[member]) for member in these}
        firm = []
        for member in these:
            gone = judged | {other: heads[other] for other in these if other != member}
            if _excess(_last_words(words, member, gone)) > 0:
                firm.append(member)
        for member in firm or these:
            judged[member] = heads[member]
            open_.discard(member)
        for member in firm:
            found[member] = heads[member]
    return found


def counts(at: At, verdict: dict[str, Heads]) -> bool:
    """Whether the event at a position means what it says."""
    heads = verdict.get(at[0])
    return heads is None or heads.within(*at[1:])
