"""What centrals say of each other: the `data` of the four kinds of events that are votes.

    MEMBER_DISOWNED   from some position on, nothing that this central records means anything
    MEMBER_REMOVED    the same, and its key opens nothing any more: one membership has ended
    MEMBER_RESTORED   it does: the voice against those who disowned it
    MEMBER_ADMITTED   the central that records this takes in what that one records

Which of them hold is in `votes`.
"""

from collections.abc import Mapping
from typing import Annotated, NamedTuple

from msgspec import Meta, Struct

from zparkd.core import limits
from zparkd.core.members import limits as member_limits
from zparkd.core.principal import Principal
from zparkd.core.site import CENTRAL_ID

_Member = Annotated[str, Meta(pattern=f"^{CENTRAL_ID.pattern}\\Z")]
_Epoch = Annotated[int, Meta(ge=1, le=limits.EPOCH_MAX)]
_Seq = Annotated[int, Meta(ge=1, le=limits.SEQ_MAX)]
_Heads = Annotated[
    tuple[tuple[_Epoch, _Seq], ...], Meta(max_length=member_limits.HEADS_OF_A_MEMBER)
]


class MemberDisowned(Struct, frozen=True, omit_defaults=True):
    """The `data` of MEMBER_DISOWNED.

    `heads` are pairs of epoch and seq: up to there the events of these streams of the member
    count, those of other streams not at all. Streams of an epoch below `whole_before` count whole,
    for where there are more than an event can list.
    """

    member: _Member
    heads: _Heads
    whole_before: _Epoch | None = None
    by: Principal | None = None


class MemberRemoved(Struct, frozen=True, omit_defaults=True):
    """The `data` of MEMBER_REMOVED: the membership of this number has ended.

    `heads` and `whole_before` as those of MEMBER_DISOWNED. What is recorded under a later
    membership of the same id counts again.
    """

    member: _Member
    number: Annotated[int, Meta(ge=1, le=limits.VERSION_MAX)]
    heads: _Heads
    whole_before: _Epoch | None = None
    by: Principal | None = None


class MemberRestored(Struct, frozen=True, omit_defaults=True):
    """The `data` of MEMBER_RESTORED."""

    member: _Member
    by: Principal | None = None


class MemberAdmitted(Struct, frozen=True, omit_defaults=True):
    """The `data` of MEMBER_ADMITTED."""

    member: _Member
    by: Principal | None = None


MemberSaid = MemberDisowned | MemberRemoved | MemberRestored | MemberAdmitted
Against = MemberDisowned | MemberRemoved


class Cut(NamedTuple):
    """Up to where the events of a disowned central count.

    Streams of an epoch from `whole_from` on are of a later membership, and count whole.
    """

    heads: Mapping[int, int]
    whole_before: int
    whole_from: int = limits.EPOCH_MAX + 1

    def up_to(self, epoch: int) -> int:
        """The last seq of a stream that counts; 0 for none."""
        if epoch < self.whole_before or epoch >= self.whole_from:
            return limits.SEQ_MAX
        return self.heads.get(epoch, 0)


def cut_at(heads: Mapping[int, int]) -> tuple[tuple[tuple[int, int], ...], int | None]:
    """What a MemberDisowned says of these heads (epoch to seq): `heads` and `whole_before`."""
    held = sorted((epoch, seq) for epoch, seq in heads.items() if seq > 0)
    listed = tuple(held[-member_limits.HEADS_OF_A_MEMBER :])
    return listed, listed[0][0] if len(listed) < len(held) else None
