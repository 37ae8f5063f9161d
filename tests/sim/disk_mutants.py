"""Rules about disks and upgrades broken on purpose: the mark, the damage check, reading again."""

from contextlib import AbstractContextManager
from typing import Any
from unittest.mock import patch

import zparkd.storage.integrity
import zparkd.storage.store
from tests.sim.mutant import Mutant
from tests.sim.plans import Kind, Plan
from zparkd.storage.commit_record import Mark
from zparkd.storage.projection import rereading
from zparkd.storage.projection.rereading import Rereading
from zparkd.storage.store import Store

Planted = AbstractContextManager[Any]


def files(plan: Plan) -> bool:
    """Disks are files."""
    return plan.files


def lost_files(plan: Plan) -> bool:
    """Disks are files, and an older copy comes back, or none."""
    return plan.files and bool({Kind.DISK_LOST, Kind.DISK_OLD} & set(plan.kinds))


def rotting_files(plan: Plan) -> bool:
    """Disks are files, and rot."""
    return plan.files and Kind.DISK_ROTS in plan.kinds


def older(plan: Plan) -> bool:
    """Some begin with an older version."""
    return plan.older > 0


def older_and_changes(plan: Plan) -> bool:
    """The same, and it does not know what changes."""
    return bool(plan.unknown) and plan.changes + plan.votes > 0


def the_mark_is_not_written() -> Planted:
    return patch.object(Mark, "committed", lambda self, epoch, seq: None)


def the_mark_runs_ahead() -> Planted:
    """It says more than was committed."""
    committed = Mark.committed
    return patch.object(Mark, "committed", lambda self, epoch, seq: committed(self, epoch, seq + 1))


def older_copies_go_unnoticed() -> Planted:
    return patch.object(Store, "missing", lambda self: None)


def pages_are_not_looked_at() -> Planted:
    """A database is opened whatever is wrong with its pages."""
    return patch.object(zparkd.storage.integrity, "_form", lambda connection, said: None)


def sound_disks_are_called_damaged() -> Planted:
    """Who lacks events is taken to be damaged."""

    def lost(path: Any, missing: Any) -> str | None:
        return "the end can't be read" if missing is not None else None

    return patch.object(zparkd.storage.integrity, "_lost_tail", lost)


def a_cut_log_is_an_older_copy() -> Planted:
    """Where the log of commits can't be read to its end, what it held is given up."""
    return patch.object(zparkd.storage.integrity, "_lost_tail", lambda path, missing: None)


def unread_for_ever() -> Planted:
    """What an older version could not read is not read by the newer one."""
    return patch.object(Rereading, "turn", lambda self, begin: None)


def folded_as_before_the_upgrade() -> Planted:
    """An upgrade that folds in another way folds what comes, and leaves what came."""

    def compare(connection: Any) -> None:
        with patch.object(rereading, "FOLD_VERSION", 7):
            compare_(connection)

    compare_ = rereading.compare
    return patch.object(rereading, "compare", compare)


DISK_MUTANTS = (
    Mutant(the_mark_is_not_written, "its mark says", files),
    Mutant(the_mark_runs_ahead, "its mark says|says that it lacks", files),
    Mutant(older_copies_go_unnoticed, "says that it lacks None", lost_files),
    Mutant(pages_are_not_looked_at, "opens a damaged database", rotting_files),
    Mutant(sound_disks_are_called_damaged, "calls a sound disk damaged", lost_files),
    Mutant(a_cut_log_is_an_older_copy, "it lacks the end of its log", rotting_files),
    Mutant(unread_for_ever, "differ|gate: |its peers", older_and_changes),
    Mutant(folded_as_before_the_upgrade, "stays differ|histories differ", older),
)
