"""What a mutant is: a rule broken on purpose, and how that shows."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

from tests.sim.plans import Kind, Plan


@dataclass(frozen=True)
class Mutant:
    """A planted fault, a pattern of what is said of it, and the plans that can meet it."""

    planted: Callable[[], AbstractContextManager[Any]]
    says: str
    meets: Callable[[Plan], bool] = lambda plan: True

    @property
    def name(self) -> str:
        """What it does, in a word."""
        return self.planted.__name__


def office(plan: Plan) -> bool:
    """Tariffs, passes and staff change."""
    return plan.changes > 0


def bad_disks(plan: Plan) -> bool:
    """Transactions are undone."""
    return bool({Kind.DISK_FULL, Kind.DISK_FAILS, Kind.DISK_REFUSES} & set(plan.kinds))


def refusals(plan: Plan) -> bool:
    """Some commits are refused."""
    return Kind.DISK_REFUSES in plan.kinds


def short_retries(plan: Plan) -> bool:
    """An unnamed open is a retry for a moment only."""
    return "UNNAMED_RETRY_MS" in plan.bounds


def lost_disks(plan: Plan) -> bool:
    """A machine comes back with nothing, or with less."""
    return bool({Kind.DISK_LOST, Kind.DISK_OLD} & set(plan.kinds))


def cuts(plan: Plan) -> bool:
    """Centrals do not hear each other for a while."""
    return bool({Kind.CUT, Kind.ISOLATED, Kind.ONE_WAY, Kind.FLAPPING} & set(plan.kinds))


def restarts(plan: Plan) -> bool:
    """A machine starts while the others go on."""
    return bool({Kind.POWER, Kind.DISK_LOST, Kind.DISK_OLD} & set(plan.kinds)) or plan.late


def wrong_clocks(plan: Plan) -> bool:
    """A clock is wrong."""
    kinds = {Kind.CLOCK_STEPS, Kind.CLOCK_1970, Kind.CLOCK_DRIFTS}
    return plan.wrong_from_start or bool(kinds & set(plan.kinds))


def few_heads(plan: Plan) -> bool:
    """A heartbeat lists few heads."""
    return "EPOCHS_IN_HEARTBEAT" in plan.bounds or restarts(plan)


def liars(plan: Plan) -> bool:
    """Centrals have keys, and so has a peer that lies."""
    return plan.keys and plan.rogue
