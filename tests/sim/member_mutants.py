"""Rules about members broken on purpose: whose word counts, and what it does."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any
from unittest.mock import patch

import zparkd.core.members.quotas
import zparkd.core.members.votes
import zparkd.core.replication.forks
from tests.sim.mutant import Mutant
from tests.sim.plans import Plan
from zparkd.core import limits
from zparkd.core.members.admission import Admission
from zparkd.core.members.quotas import Quotas
from zparkd.core.members.votes import Verdicts, Words
from zparkd.core.members.words import Cut, MemberDisowned
from zparkd.core.replication.own_stream import Signer
from zparkd.core.replication.signatures import Signatures
from zparkd.storage.projection.projector import Projection
from zparkd.storage.projection.reference_tables import ReferenceTables

Planted = AbstractContextManager[Any]


def votes(plan: Plan) -> bool:
    """Centrals disown each other."""
    return plan.votes > 0


def votes_and_lists(plan: Plan) -> bool:
    """The same, and tariffs and lists change."""
    return plan.votes > 0 and plan.changes > 0


def quotas(plan: Plan) -> bool:
    """Little is taken in of each origin."""
    return "QUOTA_EVENTS_PER_H" in plan.bounds


def new_keys(plan: Plan) -> bool:
    """Keys change."""
    return plan.renewals > 0


def strangers(plan: Plan) -> bool:
    """Few origins are taken in that are not configured."""
    return "STRANGERS" in plan.bounds


def what_the_disowned_record_counts() -> Planted:
    return patch.object(Verdicts, "up_to", lambda self, stream: limits.SEQ_MAX)


def the_disowned_are_disowned_for_ever() -> Planted:
    """A restoring word is no word."""

    def margin(heard: Any) -> int:
        return sum(isinstance(said, MemberDisowned) for said in heard.values())

    return patch.object(zparkd.core.members.votes, "_margin", margin)


def the_disowned_have_a_voice() -> Planted:
    """What those say who are judged already, beyond their heads, counts as the words of others."""
    heard = Words._heard
    return patch.object(Words, "_heard", lambda self, member, cuts: heard(self, member, {}))


def first_words_count() -> Planted:
    """Who spoke once can't take it back."""
    heard = Words._heard

    def first(self: Any, member: str, cuts: Any) -> Any:
        said = self._said
        self._said = {voice: words[:1] for voice, words in said.items()}
        try:
            return heard(self, member, cuts)
        finally:
            self._said = said

    return patch.object(Words, "_heard", first)


def the_disowned_never_counted() -> Planted:
    """Nothing that they ever recorded means anything, whatever heads are listed."""
    return patch.object(zparkd.core.members.votes, "_cut", lambda heard: Cut({}, 0))


@contextmanager
def lists_of_the_disowned_count() -> Iterator[None]:
    add, again = ReferenceTables.add, ReferenceTables.count_again
    no_more = ReferenceTables.count_no_more

    def whoever_says_it(self: Any, event: Any, **_: Any) -> None:
        add(self, event, counts=True)

    def once(self: Any, event: Any) -> None:
        no_more(self, event)  # what counted all along has its row
        again(self, event)

    with (
        patch.object(ReferenceTables, "count_no_more", lambda self, event: None),
        patch.object(ReferenceTables, "count_again", once),
        patch.object(ReferenceTables, "add", whoever_says_it),
    ):
        yield


def stays_of_the_disowned_go_on() -> Planted:
    """What was folded before its origin was disowned stays so."""
    return patch.object(Projection, "count_no_more", lambda self, at, event: 0)


# --- who is taken in -----------------------------------------------------------------------------


def no_quotas() -> Planted:
    return patch.object(Quotas, "allows", lambda self, origin, now: True)


def a_quota_is_for_ever() -> Planted:
    """What was used up is not earned again."""
    return patch.object(zparkd.core.members.quotas, "_hours", lambda left, now: left.tokens)


def whom_nobody_knows_is_forgotten() -> Planted:
    """Of an origin that is admitted nothing is asked that was left out before."""
    return patch.object(Admission, "refresh", lambda self: None)


def only_one_key_of_each() -> Planted:
    """Of several keys that are configured of an origin, one is believed."""
    configure = Signatures.configure

    def one_each(self: Any, settings: Any) -> None:
        configure(self, settings)
        keys = self._identities.items()
        self._identities = {origin: frozenset(sorted(some)[:1]) for origin, some in keys}

    return patch.object(Signatures, "configure", one_each)


def the_past_is_not_vouched_for() -> Planted:
    """Who gets a new key signs what comes with it, and not what was."""
    return patch.object(Signer, "certify_past", lambda self, log: None)


def no_fork_is_proved() -> Planted:
    """Of two events at one position the second is refused, and that is all."""
    return patch.object(zparkd.core.replication.forks, "is_proof", lambda site, fork: False)


def forks(plan: Plan) -> bool:
    """A machine is set back while it runs."""
    return plan.fork


LISTS = "tariffs differ|passes differ|staff differ|gate: "
MEMBER_MUTANTS = (
    Mutant(what_the_disowned_record_counts, "differ|gate: ", votes),
    Mutant(the_disowned_are_disowned_for_ever, "differ|gate: ", votes),
    Mutant(the_disowned_have_a_voice, "differ|gate: ", votes),
    Mutant(first_words_count, "differ|gate: ", votes),
    Mutant(the_disowned_never_counted, "differ|gate: ", votes),
    Mutant(lists_of_the_disowned_count, LISTS, votes_and_lists),
    Mutant(stays_of_the_disowned_go_on, "differ|gate: ", votes),
    Mutant(only_one_key_of_each, "heads differ", new_keys),
    Mutant(the_past_is_not_vouched_for, "heads differ", new_keys),
    Mutant(no_fork_is_proved, "a fork that nobody is told of|does not know|gate: ", forks),
    Mutant(no_quotas, "quota: took", quotas),
    Mutant(a_quota_is_for_ever, "heads differ", quotas),
    Mutant(whom_nobody_knows_is_forgotten, "heads differ|a turn failed", strangers),
)
