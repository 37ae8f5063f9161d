"""Rules about what is forgotten, and about conflicts that are done, broken on purpose."""

from contextlib import AbstractContextManager
from typing import Any
from unittest.mock import patch

from tests.sim.mutant import Mutant
from tests.sim.plans import Plan
from zparkd.core.gate.by_hand import ByHand
from zparkd.storage.projection.erasure_table import Erasures
from zparkd.storage.projection.reference_tables import ReferenceTables

Planted = AbstractContextManager[Any]


def erases(plan: Plan) -> bool:
    """People have plates erased."""
    return plan.erases > 0


def erases_on_files(plan: Plan) -> bool:
    """The same, where databases are files."""
    return plan.erases > 0 and plan.files


def papers(plan: Plan) -> bool:
    """Conflicts are acknowledged."""
    return plan.papers > 0


def erases_name_what_is_here_alone() -> Planted:
    """What comes after an erase that names it is kept as it is."""
    return patch.object(Erasures, "as_known", lambda self, event, at: event)


def only_what_is_named_is_forgotten() -> Planted:
    """What the recorder of an erase did not know of is kept."""
    return patch.object(Erasures, "_forget_others", lambda *_: None)


def nobody_names_what_was_forgotten() -> Planted:
    """Who forgets by a digest tells nobody."""
    return patch.object(ByHand, "name_forgotten", lambda self, now: None)


def what_names_an_entry_stays_behind() -> Planted:
    """An exit stays under the plate under which its entry stood."""
    return patch.object(Erasures, "_follow", lambda self, old: None)


def the_plate_stays_in_the_tables() -> Planted:
    """A vehicle under which nothing is any more is kept."""
    return patch.object(Erasures, "settled", lambda self: setattr(self, "unsettled", False))


def the_log_of_commits_keeps_it() -> Planted:
    return patch.object(Erasures, "drop_forgotten", lambda self: None)


def passes_outlive_the_plate() -> Planted:
    return patch.object(ReferenceTables, "forget", lambda self, event: None)


def nobody_is_heard_who_acknowledges() -> Planted:
    """No word of a person ends a conflict."""
    again = ReferenceTables.count_again

    def deaf(self: Any, event: Any) -> None:
        if event.kind != "CONFLICT_ACKNOWLEDGED":
            again(self, event)

    return patch.object(ReferenceTables, "count_again", deaf)


GONE = "not erased|differ|gate: "
ERASE_MUTANTS = (
    Mutant(erases_name_what_is_here_alone, GONE, erases),
    Mutant(only_what_is_named_is_forgotten, GONE, erases),
    Mutant(nobody_names_what_was_forgotten, GONE, erases),
    Mutant(what_names_an_entry_stays_behind, GONE, erases),
    Mutant(the_plate_stays_in_the_tables, "not erased", erases),
    Mutant(the_log_of_commits_keeps_it, "not erased", erases_on_files),
    Mutant(passes_outlive_the_plate, "not erased|passes differ|gate: ", erases),
    Mutant(nobody_is_heard_who_acknowledges, "conflicts differ", papers),
)
