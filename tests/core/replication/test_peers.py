"""What to ask of which peer, and what is known of it."""

from unittest.mock import patch

import pytest

from tests.support.replication import KnownPeers
from zparkd.core.clock import Now
from zparkd.core.errors import ProtocolError
from zparkd.core.events.event import Stream
from zparkd.core.events.heads import Heads, HeadVector, digest
from zparkd.core.replication import limits, peer_notes
from zparkd.core.replication.encoding import beat_heads
from zparkd.core.replication.refusals import Refusal, Refusals, Why

OWN = Stream("central-1", 50)
OTHERS = Stream("central-2", 7)
THIRD = Stream("central-3", 9)


def at(ms: int) -> Now:
    return Now(1_800_000_000_000 + ms, ms)


def site(*ids: str) -> KnownPeers:
    return KnownPeers(OWN, *ids)


def test_a_lost_last_event_is_asked_for_after_the_next_heartbeat_of_its_origin() -> None:
    peers = site("central-2")
    peers.hear("central-2", {OTHERS: 5}, at(0))
    ((id, ask),) = peers.next_asks({OTHERS: 4}, at(0))
    assert (id, ask.after) == ("central-2", [("central-2", 7, 4)])


def test_a_peer_that_begins_to_hear_us_is_asked_at_once_so_an_old_refusal_goes() -> None:
    peers = site("central-2")
    peer = peers.states["central-2"]
    peers.hear("central-2", {}, at(0))
    assert peers.next_asks({}, at(0))
    peers.answer(peer.id, at(10))
    peer.sync.wants_vector = False
    peers.hear("central-2", {}, at(100))
    assert peers.next_asks({}, at(100)) == []
    peers.hear("central-2", {}, at(200), hears=("central-1",))
    assert peers.next_asks({}, at(200))
    peers.answer(peer.id, at(210))
    peers.hear("central-2", {}, at(300), hears=("central-1",))
    assert peers.next_asks({}, at(300)) == []


def forked(heads: Heads) -> tuple[KnownPeers, Refusals]:
    """A peer that has another branch of THIRD."""
    peers = site("central-2")
    peers.hear("central-2", heads, at(0), hears=("central-1",))
    refusals = peers.states["central-2"].requests.refusals
    refusals.refuse(THIRD, Refusal(Why.FORKED, "has another event"), 2, 0)
    return peers, refusals


def test_a_peer_that_holds_less_of_a_stream_than_before_has_no_other_branch_of_it() -> None:
    peers, refusals = forked({THIRD: 5})
    peers.hear("central-2", {THIRD: 5}, at(100), hears=("central-1",))
    assert refusals.forked == {THIRD}
    peers.hear("central-2", {THIRD: 4}, at(200), hears=("central-1",))
    assert refusals.forked == set()


@pytest.mark.parametrize("more", [False, True])
def test_a_vector_with_less_of_a_stream_says_so_too_where_it_is_whole(more: bool) -> None:
    peers, refusals = forked({THIRD: 5})
    for ms, heads in ((100, {OTHERS: 1, THIRD: 5}), (200, {OTHERS: 1})):
        assert refusals.forked == {THIRD}
        with patch.object(limits, "STREAMS_OF_A_PEER", 0):
            peers.answer("central-2", at(ms), heads, more=more)
        assert peers.states["central-2"].sync.heads == heads
    assert refusals.forked == ({THIRD} if more else set())


def test_behind_a_new_link_may_be_another_disk() -> None:
    peers, refusals = forked({THIRD: 5})
    refusals.refuse(OTHERS, Refusal(Why.BROKEN, "sent no event"), 1, 0)
    peers.link("central-2", None)
    assert refusals.forked == {THIRD}
    peers.asking.linked_anew("central-2")
    assert refusals.forked == set()
    assert refusals.put_off(OTHERS, 1), "who hangs up again and again is not asked each time"


def test_one_request_at_a_time_is_under_way_to_a_peer() -> None:
    peers = site("central-2")
    peers.hear("central-2", {OTHERS: 5}, at(0))
    assert peers.next_asks({}, at(0))
    peers.hear("central-2", {OTHERS: 9}, at(100))
    assert peers.next_asks({}, at(100)) == []


def test_a_stream_is_asked_of_one_peer_at_a_time() -> None:
    peers = site("central-2", "central-3")
    for id in ("central-2", "central-3"):
        peers.hear(id, {Stream("central-9", 1): 5}, at(0))
    asked = [ask.after for _, ask in peers.next_asks({}, at(0))]
    assert sorted(asked) == [[], [("central-9", 1, 0)]]


def test_what_a_third_party_has_may_still_come_from_its_origin_for_a_moment() -> None:
    peers = site("central-2", "central-3")
    peers.hear("central-3", {THIRD: 4}, at(0))
    peers.hear("central-2", {THIRD: 5}, at(0))
    ours = {THIRD: 4}
    assert all(not ask.after for _, ask in peers.next_asks(ours, at(0)))
    for peer in peers.states.values():
        peers.answer(peer.id, at(1))
    assert peers.next_asks(ours, at(limits.THIRD_PARTY_GRACE_MS - 1)) == []
    ((id, ask),) = peers.next_asks(ours, at(limits.THIRD_PARTY_GRACE_MS))
    assert (id, ask.after) == ("central-2", [("central-3", 9, 4)])


def test_what_a_third_party_has_is_asked_for_at_once_where_its_origin_is_away() -> None:
    peers = site("central-2", "central-3")
    peers.hear("central-2", {THIRD: 5}, at(0))
    asks = dict(peers.next_asks({}, at(0)))
    assert asks["central-2"].after == [("central-3", 9, 0)]


def test_a_peer_that_does_not_answer_is_asked_last() -> None:
    peers = site("central-2", "central-3")
    stream = Stream("central-9", 1)
    for id in ("central-2", "central-3"):
        peers.hear(id, {stream: 5}, at(0))
    first = next(id for id, ask in peers.next_asks({}, at(0)) if ask.after)
    later = limits.ASK_TIMEOUT_MS + 1
    other = next(id for id in peers.states if id != first)
    peers.answer(other, at(10))
    for id in ("central-2", "central-3"):
        peers.hear(id, {stream: 5}, at(later))
    asks = [(id, ask.after) for id, ask in peers.next_asks({}, at(later)) if ask.after]
    assert asks == [(other, [("central-9", 1, 0)])]


def test_our_own_stream_of_this_run_is_never_asked_for() -> None:
    peers = site("central-2")
    peers.hear("central-2", {OWN: 99}, at(0))
    assert all(not ask.after for _, ask in peers.next_asks({OWN: 3}, at(0)))
    assert peers.behind(peers.states["central-2"], {OWN: 3}) == 0


def test_our_own_past_is_asked_for_like_any_other() -> None:
    peers = site("central-2")
    past = Stream("central-1", 20)
    peers.hear("central-2", {past: 99}, at(0))
    ((_, ask),) = peers.next_asks({}, at(0))
    assert ask.after == [("central-1", 20, 0)]


def test_a_peer_that_lost_its_disk_is_known_to_have_nothing() -> None:
    peers = site("central-2")
    peer = peers.states["central-2"]
    peers.hear("central-2", {OTHERS: 5}, at(0))
    peers.hear("central-2", {}, at(1_000))
    ((_, ask),) = peers.next_asks({OTHERS: 5}, at(1_000))
    assert ask.vector == ("", 0)
    peers.answer("central-2", at(1_001), {})
    assert peers.lag(peer, {OTHERS: 5}) == 5
    assert peers.only_here({OTHERS: 5}) == 5


def test_older_epochs_are_known_from_a_vector_in_parts() -> None:
    peers = site("central-2")
    peer = peers.states["central-2"]
    heads = {Stream("central-2", epoch): epoch for epoch in range(1, 6)}
    peers.hear("central-2", heads, at(0))
    assert peers.behind(peer, {}) is None
    ((_, ask),) = peers.next_asks({}, at(0))
    assert ask.vector == ("", 0)
    first, rest = dict(list(heads.items())[:3]), dict(list(heads.items())[3:])
    peers.answer("central-2", at(1), first, more=True)
    ((_, ask),) = peers.next_asks({}, at(2))
    assert ask.vector == ("central-2", 3)
    peers.answer("central-2", at(3), rest)
    assert peers.behind(peer, {}) == sum(heads.values())
    peers.hear("central-2", heads, at(1_000))
    assert not peer.sync.wants_vector


def test_a_peer_is_connected_once_it_hears_us_too() -> None:
    peers = site("central-2")
    peer = peers.states["central-2"]
    peers.hear("central-2", {}, at(0))
    assert peers.fresh(peer, 0)
    assert not peers.connected(peer, 0)
    peers.hear("central-2", {}, at(1_000), hears=("central-1",))
    assert peers.connected(peer, 1_000)
    assert not peers.connected(peer, 4_001)


def test_incomplete_names_peers_that_are_unheard_or_ahead() -> None:
    peers = site("central-2", "central-3", "central-4")
    peers.hear("central-2", {}, at(0))
    peers.hear("central-3", {THIRD: 1}, at(0))
    assert peers.incomplete({}, 0) == ["central-3", "central-4"]
    peers.took({THIRD: 1}, THIRD)
    assert peers.incomplete({THIRD: 1}, 0) == ["central-4"]


def test_the_offset_of_a_clock_is_measured_on_the_round_trip() -> None:
    peers = site("central-2")
    peer = peers.states["central-2"]
    peers.next_asks({}, at(0))
    peers.answer(peer.id, at(20), wall_ms=at(10).wall_ms + 60_000)
    peers.hear("central-2", {}, at(20))
    assert peers.offset_ms(peer, at(20)) == 60_000


def test_the_offset_of_a_clock_is_right_also_after_our_own_was_set() -> None:
    peers = site("central-2")
    peer = peers.states["central-2"]
    peers.next_asks({}, at(0))
    peers.answer(peer.id, at(20), wall_ms=at(10).wall_ms + 60_000)
    peers.hear("central-2", {}, at(20))
    later = Now(at(1_000).wall_ms + 3_600_000, 1_000)
    assert peers.offset_ms(peer, later) == 60_000 - 3_600_000


def test_a_peer_whose_clock_was_set_is_measured_anew_at_once_but_not_all_the_time() -> None:
    peers = site("central-2")
    peer = peers.states["central-2"]
    peers.next_asks({}, at(0))
    peers.answer(peer.id, at(20))
    peer.sync.wants_vector = False
    asked = 0
    for ms in range(1_000, 4_000, 10):
        peers.hear("central-2", {}, at(ms), wall_ms=at(ms).wall_ms + 60_000)
        if peers.next_asks({}, at(ms)):
            asked += 1
            peers.answer(peer.id, at(ms))  # with its old clock: it may lie
    assert asked == 3


def test_the_offset_of_a_peer_that_is_not_heard_is_not_known() -> None:
    peers = site("central-2")
    peer = peers.states["central-2"]
    peers.next_asks({}, at(0))
    peers.answer(peer.id, at(20), wall_ms=at(10).wall_ms)
    assert peers.offset_ms(peer, at(20)) is None
    peers.hear("central-2", {}, at(100))
    assert peers.offset_ms(peer, at(3_100)) == 0
    assert peers.offset_ms(peer, at(3_101)) is None
    assert peers.offsets(at(3_101)) == []


def test_synced_is_the_time_of_the_newest_heartbeat_whose_events_are_all_here() -> None:
    peers = site("central-2")
    peer = peers.states["central-2"]
    peers.hear("central-2", {OTHERS: 5}, at(1_000))
    peers.note_synced({OTHERS: 4})
    assert peer.sync.synced_ms == 0
    peers.took({OTHERS: 5}, OTHERS)
    peers.note_synced({OTHERS: 5})
    assert peer.sync.synced_ms == at(1_000).wall_ms


def test_synced_goes_back_with_the_clock_of_the_peer() -> None:
    peers = site("central-2")
    peer = peers.states["central-2"]
    peers.hear("central-2", {OTHERS: 5}, at(3_600_000))  # an hour ahead, for a moment
    peers.note_synced({OTHERS: 5})
    peers.hear("central-2", {OTHERS: 5}, at(1_000))
    peers.note_synced({OTHERS: 5})
    assert peer.sync.synced_ms == at(1_000).wall_ms


@pytest.mark.parametrize("absurd", [-(2**53), -1, 0, 2**53])
def test_synced_is_never_a_time_that_is_none(absurd: int) -> None:
    peers = site("central-2")
    peer = peers.states["central-2"]
    peers.hear("central-2", {OTHERS: 5}, at(0), wall_ms=absurd)
    peers.note_synced({OTHERS: 5})
    assert peer.sync.synced_ms == 0


def test_what_was_noted_of_peers_counts_after_a_restart() -> None:
    before = site("central-2")
    before.hear("central-2", {OTHERS: 5}, at(0))
    before.note_synced({OTHERS: 5})
    after = site("central-2")
    peer_notes.restore(after.states, peer_notes.to_note(before.states, at(0)))
    assert after.only_here({OTHERS: 6}) == 1
    assert after.states["central-2"].sync.synced_ms == at(0).wall_ms


def test_a_digest_covers_all_streams_that_a_heartbeat_does_not_name() -> None:
    heads = {Stream("central-2", epoch): 1 for epoch in range(1, 5)}
    listed, older = beat_heads(HeadVector(heads))
    assert listed == [("central-2", 3, 1), ("central-2", 4, 1)]
    rest = {Stream("central-2", 1): 1, Stream("central-2", 2): 1}
    assert older == digest(rest, ())


def test_of_a_very_long_vector_the_first_are_asked_for_and_then_the_rest(monkeypatch) -> None:
    monkeypatch.setattr(limits, "STREAMS_OF_A_PEER", 3)
    peers = site("central-2")
    peer = peers.states["central-2"]
    streams = [Stream("central-3", epoch) for epoch in range(1, 10)]
    theirs = dict.fromkeys(streams, 1)
    peers.hear("central-2", theirs, at(0))
    peers.next_asks({}, at(0))
    for first in (0, 2):
        part = dict.fromkeys(streams[first : first + 2], 1)
        peers.answer("central-2", at(1), part, more=True)
        ((_, ask),) = peers.next_asks({}, at(1))
    assert (ask.vector, len(ask.after)) == (None, 4), "what is named comes first"
    assert peers.behind(peer, {}) == 4
    assert peer.sync.wants_vector, "more is there, and nobody says that all is here"
    ours = dict.fromkeys(streams[:4], 1)
    peers.answer("central-2", at(2))
    peers.took(ours, *ours)
    ((_, ask),) = peers.next_asks(ours, at(3))
    assert ask.vector == ("", 0)
    peers.answer("central-2", at(4), dict.fromkeys(streams[:6], 1), more=True, ours=ours)
    assert peer.sync.heads is None or len(peer.sync.heads) <= 4, (
        "no more than three beyond what is here"
    )
    ((_, ask),) = peers.next_asks(ours, at(5))
    peers.answer("central-2", at(6), dict.fromkeys(streams[6:], 1), ours=ours)
    assert not peer.sync.wants_vector
    assert peers.behind(peer, ours) == 5


def test_what_a_peer_names_and_never_gives_keeps_the_rest_away_for_a_minute(monkeypatch) -> None:
    monkeypatch.setattr(limits, "STREAMS_OF_A_PEER", 3)
    peers = site("central-2")
    peer = peers.states["central-2"]
    ghosts = {Stream(f"ghost-{number}", 1): 9 for number in range(5)}
    peers.next_asks({}, at(0))
    peers.answer("central-2", at(1), ghosts, more=True)
    asked = []
    for ms in range(2, 121_000, 500):
        peers.hear("central-2", {OTHERS: 1}, at(ms))
        for _, ask in peers.next_asks({OTHERS: 1}, at(ms)):
            asks_for_it = ask.vector is not None
            peers.answer("central-2", at(ms), ghosts if asks_for_it else None, more=asks_for_it)
            if asks_for_it:
                asked.append(ms)
    assert [ms // 60_000 for ms in asked] == [1, 2]
    assert peer.sync.heads is not None


def test_a_peer_whose_heartbeats_name_streams_without_end_is_at_fault(monkeypatch) -> None:
    monkeypatch.setattr(limits, "STREAMS_OF_A_PEER", 3)
    peers = site("central-2")
    peer = peers.states["central-2"]
    peers.hear("central-2", {OTHERS: 5}, at(0))
    ghosts = {Stream(f"ghost-{number}", 1): 9 for number in range(7)}
    with pytest.raises(ProtocolError, match="more than 6 streams"):
        peers.hear("central-2", ghosts, at(10))
    assert (peer.sync.heads, peer.sync.ahead, peer.sync.wants_vector) == (None, {}, True)


def test_a_vector_that_does_not_go_on_is_no_vector() -> None:
    peers = site("central-2")
    peer = peers.states["central-2"]
    peers.next_asks({}, at(0))
    assert peers.answer("central-2", at(0), {THIRD: 1}, more=True) is None
    assert "does not go on" in str(peers.answer("central-2", at(0), {THIRD: 1}, more=True))
    assert peer.sync.arriving == {}


def test_a_peer_that_comes_back_is_asked_at_once_whatever_was_lost_in_the_cut() -> None:
    peers = site("central-2")
    peers.hear("central-2", {OTHERS: 5}, at(0), hears=("central-1",))
    assert peers.next_asks({}, at(0)), "lost in the cut that begins now"
    peers.next_asks({}, at(3_500))
    assert peers.states["central-2"].requests.rest_until_ms > 4_000
    peers.hear("central-2", {OTHERS: 6}, at(4_000), hears=("central-1",))
    assert peers.next_asks({}, at(4_000))


def test_a_peer_that_hears_us_again_is_asked_at_once() -> None:
    peers = site("central-2")
    peers.hear("central-2", {OTHERS: 5}, at(0), hears=())
    assert peers.next_asks({}, at(0)), "it does not arrive"
    peers.hear("central-2", {OTHERS: 5}, at(1_000), hears=())
    assert not peers.next_asks({}, at(1_000))
    peers.hear("central-2", {OTHERS: 5}, at(2_000), hears=("central-1",))
    assert peers.next_asks({}, at(2_000))


def test_a_request_that_was_just_sent_is_waited_for_when_its_peer_is_first_heard() -> None:
    peers = site("central-2")
    assert peers.next_asks({}, at(0)), "the first probe"
    peers.hear("central-2", {OTHERS: 5}, at(20))
    assert not peers.next_asks({}, at(20))
