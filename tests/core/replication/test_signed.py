"""Events are in the name of who signed them: a relaying peer can't invent, alter or take away."""

from collections.abc import Callable

import pytest
from msgspec import UNSET, structs

from tests.support.centrals import (
    Driven,
    identity,
    meet,
    peer_of,
    public_key,
    success,
)
from zparkd.core.events.event import (
    Facts,
    Kind,
    Personal,
    Position,
    Stream,
    digest,
    read,
    write,
)
from zparkd.core.events.signing import Certificate, StreamKey, is_signed
from zparkd.core.replication import limits, serving
from zparkd.core.replication.encoding import (
    write_body,
    write_certificates,
    write_header,
    write_signed,
)
from zparkd.core.replication.wire import TOPIC_EVENTS, Ask, Live, Page, read_message
from zparkd.core.turn import FromBus, FromEdge, Identify, SyncAnswer

ONE, TWO, THREE = "central-1", "central-2", "central-3"


def keyed(id: str, *peers: str, **more: object) -> Driven:
    return Driven(id, peers=peers, key=more.pop("key", id), **more)


def chain() -> tuple[Driven, Driven, Driven]:
    """1 and 3 know 2, and not each other."""
    return keyed(ONE, TWO), keyed(TWO, ONE, THREE), keyed(THREE, TWO)


def all_of(driven: Driven) -> list[tuple[bytes, bytes]]:
    return [(event.skeleton, event.personal_part) for event in driven.events()]


def test_in_a_chain_each_gets_what_the_others_signed() -> None:
    one, two, three = chain()
    success(one.open(plate_id="29A11111"))
    success(three.open(plate_id="29A33333"))
    meet(one, two, three)
    assert all_of(one) == all_of(two) == all_of(three)
    assert len(all_of(one)) == 2
    for driven in (one, two, three):
        assert [peer.error for peer in driven.central.peers.states.values() if peer.error] == []


def test_whatever_is_committed_ends_with_a_signature() -> None:
    one = keyed(ONE)
    for number in range(3):
        success(one.open(plate_id=f"29A0000{number}"))
        stream = Stream(ONE, one.epoch)
        head = one.store.signed.signed_head(stream, 0, one.store.heads[stream])
        certificate = one.store.signed.certificate(stream)
        assert head is not None
        assert certificate is not None
        assert head.position.seq == one.store.heads[stream]
        assert is_signed("lot-a", certificate.stream_key, head, one.store.head_hash(stream))


def test_what_was_undone_leaves_no_signature() -> None:
    one = keyed(ONE)
    success(one.open(plate_id="29A11111"))
    before = one.store.signed.signed_head(Stream(ONE, 1), 0, 10**6)
    asked = b'{"type":"BARRIER_OPEN","edge_id":"e","plate_id":"29A2222"}'
    one.central.step(one.now, [FromEdge((), asked)])
    one.store.rollback()
    one.central.forget()
    one.step()
    assert one.store.signed.signed_head(Stream(ONE, 1), 0, 10**6) == before


# --- a liar ------------------------------------------------------------------------------------


class Lie:
    """central-2 answers central-3 with a page about central-1, who recorded two events."""

    def __init__(self) -> None:
        self.one, self.two, self.three = (
            keyed(ONE, TWO, THREE),
            keyed(TWO, ONE),
            keyed(THREE, ONE, TWO),
        )
        success(self.one.open(plate_id="29A11111"))
        success(self.one.open(plate_id="29A22222"))
        meet(self.one, self.two)
        self.stream = Stream(ONE, 1)
        contents = serving.contents(self.two.store, Ask("lot-a", 1, [(ONE, 1, 0)]), signed=True)
        self.events = contents.events
        self.signed = contents.signed
        self.certificates = contents.certificates

    def tell(self, **other: object) -> str | None:
        """Send the page, and say what central-3 found wrong with it."""
        data = Page(
            "lot-a",
            1,
            0,
            signed=write_signed(self.signed),
            certificates=write_certificates(self.certificates),
        )
        header = write_header(TWO, 0, structs.replace(data, **other))
        self.three.step(SyncAnswer(TWO, [header, write_body(self.events)]))
        return self.three.central.peers.states[TWO].keys.forged

    @property
    def taken(self) -> int:
        return self.three.store.heads.get(self.stream, 0)

    def truth_comes(self) -> None:
        """What was refused is fetched from who has it."""
        self.three.central.peers.states[TWO].requests.under_way = None
        meet(self.one, self.three)
        assert self.taken == 2


def forged_event(after: tuple[bytes, bytes]) -> tuple[bytes, bytes]:
    """An event that continues a stream as its chain wants it, made by somebody else."""
    before = read(*after)
    event = write(
        before.position._replace(seq=before.position.seq + 1),
        Kind.ENTRY,
        timestamp=before.timestamp,
        order=before.order,
        prev=before.hash,
        facts=Facts("e", camera_type="car"),
        personal=Personal("salt", "66X66666"),
    )
    return event.skeleton, event.personal_part


def test_the_page_as_it_is_is_taken() -> None:
    lie = Lie()
    assert lie.tell() is None
    assert lie.taken == 2


def test_events_without_a_signature_are_refused_and_fetched_elsewhere() -> None:
    lie = Lie()
    assert lie.tell(signed=UNSET) == f"sent events of {ONE} that nobody signed"
    assert lie.taken == 0
    lie.truth_comes()


def test_without_a_certificate_nobody_signed() -> None:
    lie = Lie()
    assert lie.tell(certificates=UNSET) == f"sent events of {ONE} that nobody signed"
    assert lie.taken == 0


def test_an_invented_event_is_refused() -> None:
    lie = Lie()
    invented = forged_event(lie.events[1])
    lie.events.append(invented)
    lie.signed = [lie.signed[0]._replace(position=Position(ONE, 1, 3))]
    assert lie.tell() == f"sent events that {ONE} did not sign"
    assert lie.taken == 0
    lie.events.pop()
    lie.truth_comes()


def test_an_event_put_in_place_of_another_is_refused() -> None:
    lie = Lie()
    lie.events[1] = forged_event(lie.events[0])
    assert lie.tell() == f"sent events that {ONE} did not sign"
    assert lie.taken == 0


def test_what_follows_the_last_signature_is_not_stored() -> None:
    lie = Lie()
    lie.events.append(forged_event(lie.events[1]))
    assert lie.tell() is None
    assert lie.taken == 2


def test_a_liar_who_certifies_its_own_key_for_another_is_refused() -> None:
    lie = Lie()
    key = StreamKey(bytes(32))
    hash = digest(lie.events[1][0])
    lie.signed = [key.sign("lot-a", Position(ONE, 1, 2), hash)]
    lie.certificates = [identity(TWO).certify("lot-a", lie.stream, key.public)]
    assert lie.tell() == f"sent events of {ONE} signed by a key that is not one of {ONE}"
    assert lie.taken == 0


def test_a_certificate_with_anothers_name_on_it_is_refused() -> None:
    lie = Lie()
    key = StreamKey(bytes(32))
    lie.signed = [key.sign("lot-a", Position(ONE, 1, 2), digest(lie.events[1][0]))]
    made = identity(TWO).certify("lot-a", lie.stream, key.public)
    lie.certificates = [made._replace(identity_key=identity(ONE).public)]
    assert lie.tell() == f"sent events of {ONE} with a certificate that {ONE} did not make"
    assert lie.taken == 0


@pytest.mark.parametrize("site", ["lot-b", "lot-a\n"])
def test_a_signature_for_another_site_is_none_here(site: str) -> None:
    lie = Lie()
    key = StreamKey(bytes(32))
    lie.signed = [key.sign(site, Position(ONE, 1, 2), digest(lie.events[1][0]))]
    lie.certificates = [identity(ONE).certify("lot-a", lie.stream, key.public)]
    assert lie.tell() == f"sent events that {ONE} did not sign"


def test_what_a_peer_publishes_must_be_signed_too() -> None:
    lie = Lie()
    header = write_header(ONE, 0, Live("lot-a"))
    lie.three.step(FromBus(ONE, [TOPIC_EVENTS, header, write_body(lie.events)]))
    assert lie.three.central.peers.states[ONE].keys.forged is not None
    assert lie.taken == 0


def test_a_message_of_an_honest_peer_carries_what_proves_it() -> None:
    one = keyed(ONE)
    one.step()
    output = one.central.step(one.now, [])
    assert not output.recorded
    one.central.answer(
        one.now, FromEdge((), b'{"type":"BARRIER_OPEN","edge_id":"e","plate_id":"29A22222"}')
    )
    output = one.step()
    (frames,) = [frames for frames in output.published if frames[0] == TOPIC_EVENTS]
    data = read_message(frames[1:]).data
    assert isinstance(data, Live)
    assert [head[:3] for head in data.signed or ()] == [(ONE, 1, 1)]
    assert [certificate[:2] for certificate in data.certificates or ()] == [(ONE, 1)]


# --- who is believed ---------------------------------------------------------------------------


def test_the_first_identity_of_a_central_that_is_no_peer_stays() -> None:
    one, two, three = chain()
    success(one.open(plate_id="29A11111"))
    meet(one, two, three)
    other = keyed(ONE, TWO, key="another", epoch=7)
    other.configure(known_keys={ONE: (public_key(ONE),)})
    two.configure(peers=(peer_of(ONE, True, "another"), peer_of(THREE, True)))
    success(other.open(plate_id="29A99999"))
    meet(other, two)
    three.start()  # what is pinned is written down
    with pytest.raises(AssertionError, match="did not come together"):
        meet(two, three, turns=60)
    assert "signed by a key that is not one of central-1" in str(
        three.central.peers.states[TWO].keys.forged
    )
    three.configure(known_keys={ONE: (public_key(ONE), public_key("another"))})
    meet(two, three)


def test_who_relays_first_decides_whose_an_id_is_that_is_configured_nowhere() -> None:
    one, two, three = chain()
    impostor = keyed(ONE, TWO, key="impostor", epoch=7)
    two.configure(peers=(peer_of(ONE, True, "impostor"), peer_of(THREE, True)))
    success(impostor.open(plate_id="66X66666"))
    meet(impostor, two, three)
    assert of(three, ONE) == [Stream(ONE, 7)]
    honest = keyed(TWO, ONE, THREE, epoch=9)
    success(one.open(plate_id="29A11111"))
    meet(one, honest)
    with pytest.raises(AssertionError, match="did not come together"):
        meet(honest, three, turns=60)
    assert of(three, ONE) == [Stream(ONE, 7)]
    assert "signed by a key that is not one of central-1" in str(
        three.central.peers.states[TWO].keys.forged
    )
    three.configure(known_keys={ONE: (public_key(ONE),)})
    with pytest.raises(AssertionError, match="did not come together"):
        meet(honest, three, turns=200)  # who has its file takes nothing of the impostor
    assert {*of(three, ONE)} == {Stream(ONE, 1), Stream(ONE, 7)}
    assert of(honest, ONE) == [Stream(ONE, 1)]


def test_after_a_change_of_key_a_newcomer_checks_the_whole_past_with_todays() -> None:
    one, two = keyed(ONE, TWO), keyed(TWO, ONE)
    success(one.open(plate_id="29A11111"))
    one.start()
    success(one.open(plate_id="29A22222"))
    meet(one, two)
    two.configure(peers=(peer_of(ONE, True, "new"), peer_of(THREE, True)))
    one.told(Identify(identity("new")))
    success(one.open(plate_id="29A33333"))
    meet(one, two)
    new = identity("new").public
    wait_until(lambda: all(certified(two, one_of) == new for one_of in of(two, ONE)), one, two)
    newcomer = keyed(THREE, TWO)
    newcomer.configure(known_keys={ONE: (public_key("new"),)})
    meet(two, newcomer)
    assert all_of(newcomer) == all_of(one)


def of(driven: Driven, origin: str) -> list[Stream]:
    return [stream for stream in driven.store.heads if stream.origin == origin]


def certified(driven: Driven, stream: Stream) -> bytes:
    certificate = driven.store.signed.certificate(stream)
    assert isinstance(certificate, Certificate)
    return certificate.identity_key


@pytest.mark.parametrize("key", [ONE, "new"])
def test_a_central_that_lost_its_disk_takes_its_past_from_peers(key: str) -> None:
    one, two = keyed(ONE, TWO), keyed(TWO, ONE)
    success(one.open(plate_id="29A11111"))
    meet(one, two)
    again = keyed(ONE, TWO, key=key, epoch=9)
    again.configure(known_keys={ONE: (public_key(ONE),)} if key != ONE else {})
    two.configure(peers=(peer_of(ONE, True, key),))
    meet(again, two)
    assert all_of(again) == all_of(one)
    again.start()
    assert certified(again, Stream(ONE, 1)) == identity(key).public
    again.configure(known_keys={})
    wait_until(lambda: certified(two, Stream(ONE, 1)) == identity(key).public, again, two)


def wait_until(condition: Callable[[], bool], *centrals: Driven) -> None:
    """Let centrals talk until something is so; the next question comes after five seconds."""
    for _ in range(200):
        if condition():
            return
        success(centrals[0].detect())
        meet(*centrals)
    raise AssertionError("it is not so")


# --- a plain past ------------------------------------------------------------------------------


def test_a_plain_past_is_signed_by_its_origin_at_its_first_start_with_keys() -> None:
    one = Driven(ONE, peers=[TWO])
    for number in range(limits.SIGNED_EVENTS + 10):
        success(one.open(plate_id=f"29A{number:05d}"))
    one.key = ONE
    one.configure(peers=(peer_of(TWO, True),))
    one.start()
    signed = one.store.connection.execute("SELECT count(*) FROM signatures").fetchone()[0]
    assert signed == 2
    two = keyed(TWO, ONE)
    meet(one, two)
    assert all_of(two) == all_of(one)


def test_what_others_recorded_without_keys_stays_and_is_not_shown() -> None:
    one, two = Driven(ONE, peers=[TWO]), Driven(TWO, peers=[ONE])
    success(one.open(plate_id="29A11111"))
    meet(one, two)
    two.key = TWO
    two.configure(peers=(peer_of(THREE, True),))
    two.start()
    success(two.open(plate_id="29A22222"))
    assert {stream.origin for stream in two.central.signatures.unsigned} == {ONE}
    three = keyed(THREE, TWO)
    with pytest.raises(AssertionError, match="did not come together"):
        meet(two, three, turns=60)
    assert of(three, TWO) == of(two, TWO)
    assert not of(three, ONE)
    assert three.central.peers.states[TWO].error is None
