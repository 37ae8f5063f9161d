"""Setting the policy: one event of what differs, and the highest version that counts everywhere."""

from typing import Any

import pytest

from tests.support.centrals import T0_MS, Driven, meet, pair
from tests.support.insider import Insider, keyed
from zparkd.core import limits
from zparkd.core.events.event import Kind, Personal, Position, read, write
from zparkd.core.events.payloads import PolicySet
from zparkd.core.policy import Policy
from zparkd.core.reference.changes import NotCounting
from zparkd.core.tariff.fields import BadDocument

FULL = {"capacity": {"car": 2}, "entry": {"full": "refuse"}}
WATCHING = {"watch": {"29a-123.45": "stolen"}}


def set_policy(driven: Driven, document: object) -> int:
    version = driven.central.reference.set_policy(driven.now, document)
    driven.step()
    return version


def policy_of(driven: Driven) -> Policy | None:
    held = driven.store.reference.policy()
    return held.policy if held is not None else None


def document_of(driven: Driven) -> Any:
    held = driven.store.reference.policy()
    return held.document if held is not None else None


def test_a_policy_is_one_event_with_the_next_version() -> None:
    driven = Driven()
    assert policy_of(driven) is None
    assert [set_policy(driven, document) for document in (FULL, WATCHING)] == [1, 2]
    assert driven.kinds() == [Kind.POLICY, Kind.POLICY]
    assert policy_of(driven) == Policy(watch={"29A12345": "stolen"})


def test_the_same_policy_again_makes_no_event_however_it_is_written() -> None:
    driven = Driven()
    assert set_policy(driven, WATCHING | {"alerts": {}}) == 1
    assert set_policy(driven, {"watch": {"29A12345": "stolen"}}) == 1
    assert driven.kinds() == [Kind.POLICY]


def test_one_at_fault_changes_nothing() -> None:
    driven = Driven()
    set_policy(driven, FULL)
    with pytest.raises(BadDocument):
        set_policy(driven, {"entry": {"full": "maybe"}})
    assert document_of(driven) == FULL


def test_plates_to_look_out_for_stand_in_the_personal_part_alone() -> None:
    driven = Driven()
    set_policy(driven, FULL | WATCHING)
    event = driven.last()
    assert b"29A12345" not in event.skeleton
    assert b"29A12345" in event.personal_part
    erased = read(event.skeleton, b"null")
    assert erased.reference == event.reference


@pytest.mark.parametrize(
    ("document", "personal"),
    [
        ({"watch": {"29A12345": "stolen"}}, Personal("")),
        ({"entry": {"full": "maybe"}}, Personal("")),
        ({"capacity": [1]}, Personal("")),
        ({}, Personal("", watch={"29-A": "stolen"})),
    ],
)
def test_what_a_peer_sends_that_is_no_policy_means_nothing(
    document: dict[str, Any], personal: Personal
) -> None:
    event = write(
        Position("central-9", 1, 1),
        Kind.POLICY,
        timestamp=T0_MS,
        order=T0_MS,
        prev="",
        facts=PolicySet(1, document),
        personal=personal,
    )
    assert not read(event.skeleton, event.personal_part).is_read


def test_after_a_cut_both_have_the_one_of_the_higher_version() -> None:
    one, two = pair()
    set_policy(one, FULL)
    set_policy(two, WATCHING)
    assert set_policy(two, WATCHING | {"exit": {"misread": "accept"}}) == 2
    meet(one, two)
    wanted = {"exit": {"misread": "accept"}, "watch": {"29A12345": "stolen"}}
    assert document_of(one) == document_of(two) == wanted


def test_of_two_with_one_version_the_later_counts_at_both() -> None:
    one, two = pair(wall_ms=(T0_MS, T0_MS + 1))
    set_policy(one, FULL)
    set_policy(two, WATCHING)
    meet(one, two)
    assert document_of(one) == document_of(two) == {"watch": {"29A12345": "stolen"}}


def test_one_of_a_disowned_central_does_not_count_and_no_higher_one_can_be_refused() -> None:
    driven = keyed("central-1", "central-9")
    set_policy(driven, FULL)
    insider = Insider()
    said = insider.says(
        Kind.POLICY,
        PolicySet(limits.VERSION_MAX, {"exit": {"misread": "accept"}}),
        Personal(""),
        order=limits.TIME_SHOWN_MS_MAX,
    )
    driven.step(insider.published([said]))
    assert document_of(driven) == {"exit": {"misread": "accept"}}
    with pytest.raises(NotCounting, match="the policy: central-9 set it with version"):
        driven.central.reference.set_policy(driven.now, WATCHING)
    driven.central.members.disown(driven.now, "central-9", since_ms=T0_MS)
    driven.step()
    assert document_of(driven) == FULL
    assert set_policy(driven, WATCHING) == 2
