"""What is wrong with an event stops its stream there, from that peer; forks are proven."""

import base64
import hashlib
import json
import secrets
from collections.abc import Iterable

import pytest
from msgspec import structs
from nacl.signing import VerifyKey

from tests.support.centrals import T0_MS, Driven, identity, meet, success
from tests.support.positions import key_of
from zparkd.core.events.event import Event, Facts, Kind, Personal, Position, Stream, write
from zparkd.core.events.signing import StreamKey
from zparkd.core.replication import forks, limits
from zparkd.core.replication.encoding import (
    write_body,
    write_certificates,
    write_header,
    write_signed,
)
from zparkd.core.replication.refusals import Why
from zparkd.core.replication.wire import TOPIC_EVENTS, Live, Page, read_message
from zparkd.core.turn import FromBus, Incoming, NotSent, SyncAnswer, SyncRequest

ONE, TWO, THREE, LIAR = "central-1", "central-2", "central-3", "central-9"


def talk(*centrals: Driven, seconds: float = 10) -> None:
    """Let centrals hear each other for a while, whatever comes of it."""
    inbox: dict[str, list[Incoming]] = {driven.id: [] for driven in centrals}
    for _ in range(round(seconds / 0.05)):
        arrived, inbox = inbox, {driven.id: [] for driven in centrals}
        for driven in centrals:
            driven.wait(0.05)
            output = driven.step(*arrived[driven.id])
            for other in centrals:
                if other is not driven and driven.id in other.central.peers.states:
                    inbox[other.id] += [FromBus(driven.id, frames) for frames in output.published]
            for peer_id, frames in output.asks:
                if peer_id in inbox:
                    inbox[peer_id].append(SyncRequest((driven.id.encode(),), frames))
                else:
                    driven.not_sent.append(NotSent(peer_id))
            for request in output.to_serve:
                page = driven.central.serve(driven.now, request)
                if page is not None:
                    inbox[request.token[0].decode()].append(SyncAnswer(driven.id, page))


class Origin:
    """A machine with the key of a central, that records whatever a test wants."""

    def __init__(self, id: str, *, keyed: bool = True) -> None:
        self.id = id
        self._keyed = keyed
        self.keys: dict[Stream, StreamKey] = {}
        self.identity = identity(id)

    def event(self, epoch: int, after: Event | None, plate: str) -> Event:
        seq = after.position.seq + 1 if after is not None else 1
        return write(
            Position(self.id, epoch, seq),
            Kind.ENTRY,
            timestamp=T0_MS,
            order=T0_MS,
            prev=after.hash if after is not None else "",
            facts=Facts("gate-x", camera_type="car"),
            personal=Personal(secrets.token_hex(16), plate_id=plate),
        )

    def says(self, *events: Event, sender: str | None = None) -> FromBus:
        """A message with these events, signed at the last of each stream."""
        last = {event.position.stream: event for event in events}
        live = Live("lot-a")
        if self._keyed:
            keys = {s: self.keys.setdefault(s, StreamKey(secrets.token_bytes(32))) for s in last}
            live = Live(
                "lot-a",
                write_signed(keys[s].sign("lot-a", e.position, e.hash) for s, e in last.items()),
                write_certificates(
                    self.identity.certify("lot-a", s, key.public) for s, key in keys.items()
                ),
            )
        body = write_body((event.skeleton, event.personal_part) for event in events)
        sender = sender or self.id
        return FromBus(sender, [TOPIC_EVENTS, write_header(sender, T0_MS, live), body])


def site(*ids: str, keyed: bool = True, more: Iterable[str] = (LIAR,)) -> list[Driven]:
    return [
        Driven(
            id,
            peers=[other for other in (*ids, *more) if other != id],
            key=id if keyed else None,
        )
        for id in ids
    ]


def held(driven: Driven, origin: str = LIAR) -> dict[int, int]:
    return {s.epoch: head for s, head in driven.store.heads.items() if s.origin == origin}


def why(driven: Driven, peer: str = LIAR) -> dict[int, Why]:
    refusals = driven.central.peers.states[peer].requests.refusals
    return {stream.epoch: refused.refusal.why for stream, refused in refusals}


# --- one stream of a message --------------------------------------------------------------------


def test_an_event_that_is_none_stops_its_stream_there_and_no_other_of_the_message() -> None:
    (one,) = site(ONE, keyed=False)
    liar = Origin(LIAR, keyed=False)
    good = [liar.event(1, None, "51A00001")]
    bad = [liar.event(2, None, "51A00002")]
    bad.append(replace_sealed(liar.event(2, bad[0], "51A00003")))
    bad.append(liar.event(2, bad[1], "51A00004"))
    one.step(liar.says(*bad, *good))
    assert held(one) == {1: 1, 2: 1}
    assert why(one) == {2: Why.BROKEN}


def replace_sealed(event: Event) -> Event:
    """The event with another personal part than it seals."""
    data = bytearray(event.personal_part)
    data[12] ^= 1
    return type(event)(
        **{f: getattr(event, f) for f in event.__struct_fields__} | {"personal_part": bytes(data)}
    )


def test_bytes_that_name_no_stream_stop_that_of_the_event_before_them() -> None:
    (one,) = site(ONE, keyed=False)
    liar = Origin(LIAR, keyed=False)
    first, other = liar.event(1, None, "51A00001"), liar.event(2, None, "51A00002")
    message = liar.says(first, other)
    body = write_body(
        [
            (first.skeleton, first.personal_part),
            (b'{"no":1}', b"{}"),
            (other.skeleton, other.personal_part),
        ]
    )
    one.step(FromBus(LIAR, [*message.frames[:2], body]))
    assert held(one) == {1: 1, 2: 1}
    assert why(one) == {1: Why.BROKEN}


def test_a_stream_that_nobody_signed_keeps_nothing_from_the_others() -> None:
    (one,) = site(ONE, more=(TWO, LIAR))
    liar, thief = Origin(LIAR), Origin(TWO)
    mine, stolen = liar.event(1, None, "51A00001"), thief.event(1, None, "51A00002")
    one.step(liar.says(stolen, mine))
    assert held(one) == {1: 1}
    assert held(one, TWO) == {}
    assert one.central.peers.states[LIAR].keys.forged is not None


def test_a_chain_that_breaks_within_a_message_is_taken_up_to_there() -> None:
    (one,) = site(ONE, keyed=False)
    liar = Origin(LIAR, keyed=False)
    first = liar.event(1, None, "51A00001")
    second = liar.event(1, liar.event(1, None, "51A00009"), "51A00002")
    one.step(liar.says(first, second))
    assert held(one) == {1: 1}
    assert why(one) == {1: Why.BROKEN}


def test_what_is_signed_before_a_signature_that_is_none_is_taken() -> None:
    (one,) = site(ONE)
    liar = Origin(LIAR)
    first = liar.event(1, None, "51A00001")
    second = liar.event(1, first, "51A00002")
    sound, whole = liar.says(first), liar.says(first, second)
    heads = [read_message(message.frames[1:]).data.signed[0] for message in (sound, whole)]
    live = read_message(whole.frames[1:]).data
    spoilt = (*heads[1][:3], bytes(64))
    header = write_header(LIAR, T0_MS, structs.replace(live, signed=[heads[0], spoilt]))
    one.step(FromBus(LIAR, [TOPIC_EVENTS, header, whole.frames[2]]))
    assert held(one) == {1: 1}
    assert why(one) == {1: Why.FORGED}
    one.step(whole)
    assert held(one) == {1: 2}


# --- forks --------------------------------------------------------------------------------------


def forked(liar: Origin) -> tuple[list[Event], list[Event]]:
    """Two branches of two events each that begin with the same one."""
    first = liar.event(1, None, "51A00000")
    one, other = liar.event(1, first, "51A00001"), liar.event(1, first, "51A00002")
    return [first, one], [first, other, liar.event(1, other, "51A00003")]


@pytest.mark.parametrize("told", [1, 2], ids=["at the position", "after it"])
def test_two_signed_events_at_one_position_are_kept_as_proof_by_themselves(told: int) -> None:
    (one,) = site(ONE)
    liar = Origin(LIAR)
    here, there = forked(liar)
    one.step(liar.says(*here))
    one.step(liar.says(*there[1 : told + 1] if told == 1 else there[told:]))
    assert why(one) == {1: Why.FORKED}
    assert held(one) == {1: 2}
    assert dict(one.store.signed.forks()) == {Stream(LIAR, 1): 2}
    (proof,) = one.store.connection.execute("SELECT proof FROM forks").fetchone()
    assert contradicts(json.loads(proof))
    fork = forks.read(proof)
    assert fork is not None
    assert forks.is_proof("lot-a", fork)
    assert not forks.is_proof("lot-b", fork)
    same = fork._replace(branches=(fork.branches[0], fork.branches[0]))
    assert not forks.is_proof("lot-a", same)
    assert not forks.is_proof("lot-a", fork._replace(position=Position(LIAR, 1, 1)))


def contradicts(proof: list[object]) -> bool:
    """Whether a proof holds, looked at without any code that made it."""
    (origin, epoch, seq), key, _, _, branches = proof  # type: ignore[misc]
    hashes = set()
    for skeletons, last, signature in branches:
        read = [json.loads(skeleton) for skeleton in skeletons]
        digests = [hashlib.blake2b(each.encode(), digest_size=32).hexdigest() for each in skeletons]
        for before, after in zip(digests, read[1:], strict=False):
            assert after["prev"] == before
        assert (read[-1]["source_central"], read[-1]["epoch"], read[-1]["seq"]) == (
            origin,
            epoch,
            last,
        )
        text = f"zparkd.1.head\nlot-a\n{origin}\n{epoch}\n{last}\n{digests[-1]}\n".encode()
        VerifyKey(base64.b64decode(key)).verify(text, base64.b64decode(signature))
        hashes.add(digests[0] if read[0]["seq"] == seq else read[0]["prev"])
    return len(hashes) == 2


def test_what_is_told_twice_is_no_fork() -> None:
    (one,) = site(ONE)
    liar = Origin(LIAR)
    here, _ = forked(liar)
    one.step(liar.says(*here))
    one.step(liar.says(*here))
    one.step(liar.says(here[0]))
    assert why(one) == {}
    assert not one.store.signed.forks()


def test_a_fork_that_its_origin_did_not_sign_is_none() -> None:
    (one,) = site(ONE, more=(TWO, LIAR))
    thief = Origin(TWO)
    here, there = forked(thief)
    one.step(thief.says(*here))
    assert held(one, TWO) == {1: 2}
    thief.identity, thief.keys = identity(LIAR), {}
    one.step(thief.says(*there, sender=LIAR))
    assert not one.store.signed.forks()
    assert one.central.peers.states[LIAR].keys.forged is not None


@pytest.mark.parametrize("keyed", [True, False])
def test_a_liar_that_tells_each_something_else_keeps_nobody_apart_in_all_else(keyed: bool) -> None:
    """In stream k each central holds one event of its branch, but central k holds two."""
    victims = site(ONE, TWO, THREE, keyed=keyed)
    liar = Origin(LIAR, keyed=keyed)
    for epoch, favoured in enumerate(victims, 10):
        rest = liar.event(epoch, None, f"51A000{epoch}")
        first = liar.event(epoch, None, f"51B000{epoch}")
        for victim in victims:
            mine = victim is favoured
            told = [first, liar.event(epoch, first, f"51C000{epoch}")] if mine else [rest]
            victim.step(liar.says(*told))
    for number, victim in enumerate(victims):
        success(victim.open(plate_id=f"30A0000{number}"))
        victim.wait(1)
    talk(*victims)
    for victim in victims:
        plates = {row["plate_id"] for row in victim.history()}
        assert plates >= {"30A00000", "30A00001", "30A00002"}
        peers = victim.central.peers
        missing = [peers.behind(peer, victim.store.heads) for peer in peers.states.values()]
        if keyed:
            assert missing.count(0) == 2
            assert len(victim.store.signed.forks()) >= 2
        assert {peer.error for peer in peers.states.values()} == {None}


def test_the_proofs_of_the_newest_forks_of_each_origin_are_kept() -> None:
    (one,) = site(ONE, more=(TWO, LIAR))
    for id, epochs in ((TWO, [5]), (LIAR, range(1, limits.FORKS_KEPT + 3))):
        origin = Origin(id)
        for epoch in epochs:
            one.step(origin.says(origin.event(epoch, None, "51A00001")))
            one.step(origin.says(origin.event(epoch, None, "51A00002")))
    newest = [Stream(LIAR, epoch) for epoch in range(3, limits.FORKS_KEPT + 3)]
    assert sorted(one.store.signed.forks()) == [Stream(TWO, 5), *newest]


# --- keys ---------------------------------------------------------------------------------------


def test_nobody_speaks_for_a_central_that_was_removed() -> None:
    one, two = site(ONE, TWO)
    success(one.open(plate_id="29A11111"))
    talk(one, two, seconds=2)
    stream = Stream(ONE, 1)
    assert held(two, ONE) == {1: 1}
    two.configure(peers=tuple(peer for peer in two.settings.peers if peer.id != ONE))
    two.start()
    genuine = two.store.signed.certificate(stream)
    liar = Origin(ONE)
    liar.identity = identity(LIAR)
    last = two.store.event(Position(*stream, 1))
    two.step(liar.says(liar.event(1, last, "66X66666"), sender=LIAR))
    two.step(liar.says(liar.event(7, None, "66X66667"), sender=LIAR))
    assert held(two, ONE) == {1: 1}
    assert two.store.signed.certificate(stream) == genuine
    assert two.store.signed.signed_head(stream, 0, 1) is not None
    assert two.central.peers.states[LIAR].keys.forged is not None


def test_the_key_of_a_stream_never_changes_not_even_by_its_own_identity() -> None:
    (one,) = site(ONE)
    liar = Origin(LIAR)
    first = liar.event(1, None, "51A00001")
    one.step(liar.says(first))
    genuine = one.store.signed.certificate(Stream(LIAR, 1))
    liar.keys.clear()
    one.step(liar.says(liar.event(1, first, "51A00002")))
    assert held(one) == {1: 1}
    assert one.store.signed.certificate(Stream(LIAR, 1)) == genuine
    assert why(one) == {1: Why.FORGED}


# --- our own disk -------------------------------------------------------------------------------


@pytest.mark.parametrize("keyed", [True, False])
@pytest.mark.parametrize("part", ["skeleton", "sealed"])
@pytest.mark.parametrize("seq", [1, 4, 8])
def test_what_our_disk_gives_back_otherwise_is_not_sent_and_all_else_is(
    keyed: bool, part: str, seq: int
) -> None:
    one, _ = site(ONE, TWO, keyed=keyed, more=())
    for number in range(8):
        success(one.open(plate_id=f"29A0000{number}"))
    rotten = Stream(ONE, 1)
    one.start()
    success(one.open(plate_id="29A00010"))
    run = one.store.connection.execute
    at = key_of(one.store.connection, Position(*rotten, seq))
    (data,) = run(f"SELECT {part} FROM events WHERE at=?", (at,)).fetchone()
    for place in range(0, len(data), 37):
        spoilt = bytes([*data[:place], data[place] ^ 1, *data[place + 1 :]])
        one.store.writing().execute(f"UPDATE events SET {part}=? WHERE at=?", (spoilt, at))
        one.store.commit()
        fresh = site(TWO, keyed=keyed, more=(ONE,))[0]
        one.central.peers.states[TWO].sync.heads = None
        talk(one, fresh, seconds=3)
        assert fresh.store.heads.get(rotten, 0) == seq - 1
        assert fresh.store.heads[Stream(ONE, 2)] == 1
        assert one.central.serving.corrupt == {rotten: seq}
        assert why(fresh, ONE) == {1: Why.WITHHELD}
    one.store.writing().execute(f"UPDATE events SET {part}=? WHERE at=?", (data, at))
    one.store.commit()
    talk(one, fresh, seconds=5)
    assert fresh.store.heads == one.store.heads
    assert one.central.serving.corrupt == {}


def test_a_page_ends_before_a_stream_whose_next_signature_does_not_fit(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(limits, "PAGE_EVENTS", 10)
    monkeypatch.setattr(limits, "SIGNED_EVENTS", 9)
    one, two = site(ONE, TWO, more=())
    for plate in ("29A00001", "29A00002"):
        success(one.open(plate_id=plate))
    one.start()
    asked = {"type": "BARRIER_OPEN", "edge_id": "edge-1"}
    opens = [json.dumps({**asked, "plate_id": f"29B0000{n}"}).encode() for n in range(9)]
    one.ask_bytes(*opens)  # one turn: one signature at the end
    one.start()
    success(one.open(plate_id="29A00003"))
    meet(one, two)
    assert two.store.heads == one.store.heads
    assert list(two.central.peers.states[ONE].requests.refusals) == []


def test_an_event_counts_also_where_the_vector_beside_it_is_of_no_use() -> None:
    (one,) = site(ONE, keyed=False)
    event = Origin(LIAR, keyed=False).event(1, None, "51A00001")

    def answer(asks: list[tuple[str, list[bytes]]], *events: Event) -> SyncAnswer:
        """A page with the same part of a vector each time, and with these events."""
        ask = read_message(dict(asks)[LIAR]).data
        page = Page("lot-a", ask.id, T0_MS, heads=[(LIAR, 1, 1)], more=True)
        body = write_body((event.skeleton, event.personal_part) for event in events)
        return SyncAnswer(LIAR, [write_header(LIAR, T0_MS, page), body])

    first = one.step()
    second = one.step(answer(first.asks))
    one.step(answer(second.asks, event))
    assert held(one) == {1: 1}
    assert "does not go on" in str(one.central.peers.states[LIAR].error)
