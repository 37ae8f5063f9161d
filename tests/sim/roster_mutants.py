"""Rules about the roster broken on purpose: who belongs to the site, by which key."""

from contextlib import AbstractContextManager
from typing import Any
from unittest.mock import patch

import zparkd.core.members.roster
import zparkd.core.members.votes
from tests.sim.mutant import Mutant
from tests.sim.plans import Plan
from zparkd.core.members.roster import Roster
from zparkd.core.members.roster_changes import RosterChanges
from zparkd.core.members.votes import Voices, Words
from zparkd.core.members.words import Cut

Planted = AbstractContextManager[Any]


def roster(plan: Plan) -> bool:
    """Who belongs to the site changes."""
    return plan.roster > 0


def the_later_of_two_joins_counts() -> Planted:
    joins = zparkd.core.members.roster._joins
    return patch.object(zparkd.core.members.roster, "_joins", lambda told: joins(told[::-1]))


def who_was_removed_is_gone_for_ever() -> Planted:
    """A removal ends the memberships of later numbers too."""
    ends = Voices.ends
    return patch.object(Voices, "ends", lambda self, number: ends(self, 1))


def one_word_removes() -> Planted:
    """Whoever denies a removal is not heard."""
    return patch.object(
        Voices, "ends", lambda self, number: any(it >= number for it in self.removed.values())
    )


def changes_apply_as_they_come() -> Planted:
    """Not in their order, but in that in which they came to be held."""

    def state(self: Roster, verdicts: Any) -> Any:
        told = [one for one in self._told.values() if verdicts.counts(one.position)]
        module = zparkd.core.members.roster
        return module._state(told, verdicts) if told else module.EMPTY

    return patch.object(Roster, "state", state)


def what_the_disowned_say_of_the_roster_counts() -> Planted:
    def state(self: Roster, verdicts: Any) -> Any:
        told = sorted(self._told.values(), key=lambda one: one.key)
        module = zparkd.core.members.roster
        return module._state(told, verdicts) if told else module.EMPTY

    return patch.object(Roster, "state", state)


def a_new_membership_is_cut_with_the_old() -> Planted:
    """What is recorded under a later number means as little as what the removed one recorded."""
    cut = Words._cut

    def whole_from_nowhere(self: Words, *given: Any) -> Cut:
        return cut(self, *given)._replace(whole_from=2**60)

    return patch.object(Words, "_cut", whole_from_nowhere)


def the_disowned_invite() -> Planted:
    """Who is disowned goes on as if what it records meant something."""
    return patch.object(RosterChanges, "_counts_here", lambda self: None)


ROSTER_MUTANTS = (
    Mutant(the_later_of_two_joins_counts, "members differ|lost joins differ|uses differ", roster),
    Mutant(who_was_removed_is_gone_for_ever, "members differ", roster),
    Mutant(one_word_removes, "members differ", roster),
    Mutant(changes_apply_as_they_come, "differ", roster),
    Mutant(what_the_disowned_say_of_the_roster_counts, "members differ|uses differ", roster),
    Mutant(a_new_membership_is_cut_with_the_old, "differ|gate: ", roster),
    Mutant(the_disowned_invite, "a turn failed", roster),
)
