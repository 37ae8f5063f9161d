"""The office after the fact: conflicts are acknowledged, and events are carried by hand over a gap.

A bundle holds what its central held when it was made, and is taken in later, by any other, also
where all of it is known there or erased meanwhile. It draws from a chance of its own.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from random import Random
from typing import TYPE_CHECKING

from tests.sim.office import GUARD, tell
from zparkd.core.replication.bundles import Label, Pages, split_page
from zparkd.core.turn import TakePage
from zparkd.daemon.transactions import Committed
from zparkd.storage.readers.bundles import HeldLog
from zparkd.storage.readers.conflicts import conflicts

if TYPE_CHECKING:
    from tests.sim.machine import Machine
    from tests.sim.world import World


@contextmanager
def with_names(connection: sqlite3.Connection) -> Iterator[sqlite3.Connection]:
    """The connection of a machine, whose rows are read by the names of columns meanwhile."""
    connection.row_factory, before = sqlite3.Row, connection.row_factory
    try:
        yield connection
    finally:
        connection.row_factory = before


class Clerk:
    """Acknowledgements and bundles, drawn from the seed."""

    def __init__(self, world: "World") -> None:
        self._world = world
        self._draw = Random(f"{world.plan.seed} clerk")

    def live(self, deeds: int) -> None:
        """Have so many of them happen while the world lives."""
        for _ in range(deeds):
            self._world.at(self._draw.randrange(self._world.plan.live_ms), self._deed)

    def _deed(self) -> None:
        draw = self._draw
        machine = draw.choice(self._world.centrals)
        lists = draw.random() < 0.6
        if machine.rotten:
            return  # who reads it may be told anything, an error too
        if lists:
            self._acknowledge(machine)
        else:
            self._carry(machine)

    def _acknowledge(self, machine: "Machine") -> None:
        if machine.disk is None or machine.reactor is None or machine.older is not None:
            return
        zone = machine.reactor._central.settings.zone
        # What the tables show already, as to a reader of the file; it writes nothing behind.
        with with_names(machine.disk._connection) as connection:
            ids = [row["id"] for row in conflicts(connection, zone, all=True)]
        if ids:
            said = {"staff_id": GUARD, "reason": "looked at it"}
            tell(machine, "conflict.ack", conflict=self._draw.choice(ids), **said)

    def _carry(self, machine: "Machine") -> None:
        """Make a bundle, and have another central take it in a while later."""
        world, to = self._world, self._draw.choice(self._world.centrals)
        if machine.disk is None or machine.rotten:
            return
        label = Label(world.site, machine.id, world.true_ms(), world.plan.keys)
        held = HeldLog(machine.disk._connection)
        frames = [split_page(page.chunk) for page in Pages(held, label, {})]
        world.note(machine.name, f"has a bundle of {len(frames)} pages made")
        for number, page in enumerate(frames):
            world.after(
                self._draw.randint(1, 3_000) + number, lambda page=page: self._take_in(to, page)
            )

    def _take_in(self, machine: "Machine", page: list[bytes]) -> None:
        reactor = machine.reactor
        if reactor is None or machine.older is not None or machine.world.healed_ms is not None:
            return

        def turn() -> None:
            done = reactor._step(machine.clocks(), [TakePage(page)])
            if isinstance(done, Committed):
                machine.world.note(machine.name, f"takes in a page: {done.result.outcomes}")

        machine.guarded(turn)
        machine.wake()
