"""The exchange with who comes with an invitation: over a real log, with clocks that are made up."""

import json
import random
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import zmq
from hypothesis import given
from hypothesis import strategies as st

from tests.support.examples import examples
from zparkd.core.central import Central
from zparkd.core.clock import Now
from zparkd.core.events import xeddsa
from zparkd.core.events.event import Kind, Personal, Position, Stream, read, write
from zparkd.core.keys import fingerprint, key_bytes
from zparkd.core.members import limits
from zparkd.core.members.joining import write_join
from zparkd.core.members.roster import Invitation
from zparkd.core.members.roster_acts import Here, Invite, Join, Remove
from zparkd.core.members.roster_changes import Refused
from zparkd.core.members.roster_words import Role
from zparkd.core.members.token import join_text
from zparkd.core.members.words import MemberDisowned
from zparkd.core.site import Peer, Settings
from zparkd.storage.store import Store

T0 = 1_795_000_000_000
HOUR = 3_600_000
PORTS = (9000, 9001, 9002)


class Pair:
    """A key pair, drawn from a number."""

    def __init__(self) -> None:
        public, secret = zmq.curve_keypair()
        self.public = public.decode()
        self.raw = key_bytes(self.public)
        self.secret = key_bytes(secret.decode())


OWN = Pair()
HERE = Here(OWN.public, "10.0.0.1", *PORTS)


class Inviter:
    """central-1, with one peer by hand; `wall` and `mono` are its clocks in ms."""

    def __init__(self, path: Path = Path(":memory:"), epoch: int = 5) -> None:
        zone = "Asia/Ho_Chi_Minh"
        self.store = Store(path, "central-1", "lot-a", zone)
        self.peer = Pair()
        peers = (Peer("central-2", "10.0.0.2", 9000, 9001, self.peer.public),)
        settings = Settings(
            "central-1", "lot-a", zone, ZoneInfo(zone), peers, (), 1_000, 3_000, 0, keyed=True
        )
        self.wall, self.mono = T0, 1_000
        self.central = Central(
            settings, self.store, Stream("central-1", epoch), b"s" * 32, 0, self.now
        )
        self.store.commit()

    @property
    def now(self) -> Now:
        return Now(self.wall, self.mono)

    def pass_ms(self, ms: int) -> None:
        self.wall += ms
        self.mono += ms

    def act(self, act: Invite | Remove | Join) -> Any:
        (outcome,) = self.central.step(self.now, [act]).outcomes
        self.store.commit()
        return outcome

    def invite(self, key: Pair, member: str = "central-3", **more: Any) -> Any:
        return self.act(Invite(HERE, Role.CENTRAL, member, key.public, HOUR, **more))

    def say(self, key: Pair, body: bytes, came_from: str = "10.0.0.3") -> dict[str, Any] | None:
        answer = self.act(Join(key.raw, body, came_from, OWN.public))
        return json.loads(answer) if answer is not None else None

    def join(self, key: Pair, who: Pair, **said: Any) -> dict[str, Any]:
        self.pass_ms(60_001)  # five a minute are answered
        answer = self.say(key, body(key, who, **said))
        assert answer is not None
        return answer

    @property
    def kinds(self) -> list[str]:
        pages = self.store.page(Stream("central-1", 5), 0, 10_000, 10**9)
        return [read(*parts).kind for parts in pages]


def body(
    key: Pair,
    who: Pair,
    *,
    site: str = "lot-a",
    member: str = "central-3",
    number: int = 1,
    address: str | None = "10.0.0.3",
    shown: str | None = None,
    signer: Pair | None = None,
) -> bytes:
    text = join_text(
        site=site,
        role=Role.CENTRAL,
        member=member,
        number=number,
        inviter_key=OWN.raw,
        onetime_key=key.raw,
        address=address,
        ports=PORTS,
    )
    signature = xeddsa.sign((signer or who).secret, text, b"c" * 64)
    return write_join(who.public, signature, shown or address, PORTS)


@pytest.fixture
def inviter() -> Inviter:
    return Inviter()


def code(answer: dict[str, Any] | None) -> str:
    assert answer is not None
    assert answer["success"] is False
    return str(answer["error"]["code"])


def test_the_first_invitation_records_who_belongs_to_the_site_already(inviter: Inviter) -> None:
    made = inviter.invite(Pair())
    assert isinstance(made, Invitation)
    assert inviter.kinds == ["MEMBER_JOINED", "MEMBER_JOINED", "MEMBER_INVITED"]
    ids = [member.id for member in inviter.central.roster.state.active(Role.CENTRAL)]
    assert ids == ["central-1", "central-2"]


def test_the_same_key_repeated_gets_the_same_answer_and_records_nothing(inviter: Inviter) -> None:
    key, who = Pair(), Pair()
    inviter.invite(key)
    first = inviter.join(key, who)
    recorded = inviter.kinds
    assert first["success"] is True
    assert {row["id"] for row in first["roster"]} == {"central-1", "central-2", "central-3"}
    inviter.pass_ms(2 * HOUR)  # it is over by now, and was used
    assert inviter.join(key, who) == first
    assert inviter.kinds == recorded


def test_another_key_is_told_who_used_it_and_that_is_recorded_once(inviter: Inviter) -> None:
    key, who, thief = Pair(), Pair(), Pair()
    inviter.invite(key)
    assert inviter.join(key, who)["success"] is True
    for _ in range(3):
        answer = inviter.join(key, thief)
        assert code(answer) == "used"
        said = answer["error"]["message"]
        assert said.startswith(f"used by {fingerprint(who.public)} from 10.0.0.3 at 20")
    assert inviter.kinds.count("MEMBER_JOIN_REFUSED") == 1


@pytest.mark.parametrize(
    "lie",
    [
        {"site": "lot-b"},
        {"member": "central-9"},
        {"number": 2},
        {"shown": "10.0.0.66"},
        {"signer": Pair()},
    ],
)
def test_who_lies_about_what_it_signs_is_refused(inviter: Inviter, lie: dict[str, Any]) -> None:
    key = Pair()
    inviter.invite(key)
    assert code(inviter.join(key, Pair(), **lie)) == "forged"
    assert "central-3" not in {m.id for m in inviter.central.roster.state.active(Role.CENTRAL)}


def test_a_key_or_an_address_of_another_member_is_refused(inviter: Inviter) -> None:
    key = Pair()
    inviter.invite(key)
    for taken in (inviter.peer, OWN):
        assert code(inviter.join(key, taken)) == "key_taken"
    assert code(inviter.join(key, Pair(), address="10.0.0.2")) == "address_taken"
    assert inviter.join(key, Pair())["success"] is True


@pytest.mark.parametrize(("wall", "mono"), [(2 * HOUR, 1), (-5 * HOUR, 2 * HOUR)])
def test_it_is_over_by_whichever_clock_says_later(inviter: Inviter, wall: int, mono: int) -> None:
    key = Pair()
    inviter.invite(key)
    inviter.wall += wall
    inviter.mono += mono
    assert code(inviter.say(key, body(key, Pair()))) == "expired"


def test_five_in_a_minute_are_answered_and_no_more(inviter: Inviter) -> None:
    key = Pair()
    inviter.invite(key)
    answers = [inviter.say(key, b"{}") for _ in range(7)]
    assert [answer is not None for answer in answers] == [True] * 5 + [False] * 2
    inviter.pass_ms(60_001)
    assert inviter.say(key, body(key, Pair())) is not None


def test_a_key_of_no_invitation_is_not_answered(inviter: Inviter) -> None:
    inviter.invite(Pair())
    stranger = Pair()
    assert inviter.say(stranger, body(stranger, Pair())) is None


def test_sixteen_invitations_may_be_open_and_used_ones_do_not_count(inviter: Inviter) -> None:
    keys = [Pair() for _ in range(limits.INVITATIONS_OPEN)]
    for number, key in enumerate(keys):
        assert isinstance(inviter.invite(key, f"c-{number}"), Invitation)
    refused = inviter.invite(Pair(), "one-more")
    assert isinstance(refused, Refused)
    assert refused.code == "too_many"
    assert inviter.join(keys[0], Pair(), member="c-0")["success"] is True
    assert isinstance(inviter.invite(Pair(), "one-more"), Invitation)


def test_a_member_is_invited_again_only_to_be_replaced(inviter: Inviter) -> None:
    key, later = Pair(), Pair()
    inviter.invite(key)
    assert inviter.join(key, Pair())["success"] is True
    refused = inviter.invite(Pair())
    assert isinstance(refused, Refused)
    assert refused.code == "exists"
    assert isinstance(inviter.invite(later, replace=True), Invitation)
    anew = Pair()
    assert inviter.join(later, anew, number=2)["number"] == 2
    assert inviter.central.roster.member(Role.CENTRAL, "central-3").public_key == anew.public
    assert code(inviter.join(key, Pair())) == "used"


def test_a_restored_inviter_that_hears_of_the_join_reopens_nothing(tmp_path: Path) -> None:
    key, who = Pair(), Pair()
    inviter = Inviter(tmp_path / "a.db")
    inviter.invite(key)
    kept = [read(*parts) for parts in inviter.store.page(Stream("central-1", 5), 0, 100, 10**9)]
    assert inviter.join(key, who)["success"] is True
    told = [read(*parts) for parts in inviter.store.page(Stream("central-1", 5), 0, 100, 10**9)]
    restored = Inviter(tmp_path / "b.db", epoch=6)
    for event in told[: len(kept)]:
        restored.store.append(event)
    assert len(restored.central.roster.admitted(restored.now)) == 1
    for event in told[len(kept) :]:
        restored.store.append(event)
    restored.store.commit()
    assert code(restored.join(key, Pair())) == "used"


@examples(40)
@given(seed=st.integers(0, 2**32), data=st.binary(max_size=6_000))
def test_whatever_is_sent_is_answered_by_a_no_and_makes_no_member(seed: int, data: bytes) -> None:
    inviter, key, who = Inviter(), Pair(), Pair()
    inviter.invite(key)
    chance = random.Random(seed)
    good = body(key, who)
    for _ in range(5):
        broken = bytearray(good)
        for _ in range(chance.randint(1, 6)):
            broken[chance.randrange(len(broken))] = chance.randrange(256)
        sent = chance.choice([data, bytes(broken), good[: chance.randrange(len(good))], good * 9])
        answer = inviter.say(key, sent)
        if sent == good:
            continue
        if answer is not None and answer["success"] is True:
            # What was changed is nothing that it says: a space, or a name that is not read.
            assert json.loads(sent)["public_key"] == who.public
        else:
            assert code(answer) in ("bad_request", "forged", "used", "key_taken")
    members = {member.public_key for member in inviter.central.roster.state.active(Role.CENTRAL)}
    assert members <= {OWN.public, inviter.peer.public, who.public}


def test_who_is_disowned_invites_nobody_and_lets_nobody_in(inviter: Inviter) -> None:
    key, who = Pair(), Pair()
    assert isinstance(inviter.invite(key), Invitation)
    heads = {stream.epoch: head for stream, head in inviter.store.heads.items()}
    said = MemberDisowned("central-1", tuple(heads.items()))
    word = write(
        Position("central-2", 1, 1),
        Kind.DISOWNED,
        timestamp=T0,
        order=T0,
        prev="",
        facts=said,
        personal=Personal("s"),
    )
    inviter.store.append(read(word.skeleton, word.personal_part))
    inviter.store.commit()
    refused = inviter.invite(Pair(), "central-4")
    assert isinstance(refused, Refused)
    assert refused.code == "disowned"
    assert "central-1 was disowned by other centrals" in str(refused)
    assert code(inviter.join(key, who)) == "disowned"


def test_who_was_removed_is_not_let_in_again_by_its_used_token(inviter: Inviter) -> None:
    key, who = Pair(), Pair()
    inviter.invite(key)
    assert inviter.join(key, who)["success"] is True
    inviter.act(Remove(HERE, Role.CENTRAL, "central-3"))
    assert code(inviter.join(key, who)) == "ended"
