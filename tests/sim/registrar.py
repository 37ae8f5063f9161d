"""Who belongs to the site changes: invitations, joins, removals, other keys and addresses.

At any central, also on both sides of a cut. Some come with a token that another one used, or too
late. It draws from a chance of its own, so that a seed whose plan has no roster goes as it always
did.
"""

from random import Random
from typing import TYPE_CHECKING, Any

from zmq.utils import z85

from tests.sim.office import tell
from tests.support.invited import PORTS, Pair, pair, said_by
from zparkd.core.keys import key_bytes
from zparkd.core.members.roster import Invitation
from zparkd.core.members.roster_acts import Amend, Here, Invite, Join, Remove
from zparkd.core.members.roster_words import Role
from zparkd.core.site import Direction
from zparkd.daemon.transactions import Committed

if TYPE_CHECKING:
    from tests.sim.machine import Machine
    from tests.sim.world import World

NEWCOMERS = ("central-8", "central-9")  # are invited, and never run
CAMERAS = ("cam-1", "cam-2", "cam-3")


class Registrar:
    """Changes of the roster, drawn from the seed."""

    def __init__(self, world: "World") -> None:
        self._world = world
        self._draw = Random(f"{world.plan.seed} registrar")

    def live(self, changes: int) -> None:
        """Have so many changes happen while the world lives."""
        for _ in range(changes):
            self._world.at(self._draw.randrange(self._world.plan.live_ms), self._change)

    def _change(self) -> None:
        draw, world = self._draw, self._world
        machine = draw.choice(world.centrals)
        role = draw.choice((Role.CENTRAL, Role.EDGE))
        known = (*NEWCOMERS, *sorted({it.id for it in world.centrals}))
        member = draw.choice(CAMERAS if role is Role.EDGE else known)
        what = draw.choice(("invite", "invite", "invite", "remove", "anew", "restore", "amend"))
        world.note(machine.name, f"{what}: {role} {member}")
        if what == "invite":
            self._invite(machine, role, member)
        elif what == "remove":
            act(machine, Remove(here(machine), role, member))
        elif what == "anew":
            act(machine, Remove(here(machine), role, member))
            world.after(draw.randint(0, 2_000), lambda: self._invite(machine, role, member))
            for other in world.centrals:
                if other.id == member:
                    world.after(draw.randint(2_000, 6_000), lambda other=other: restarted(other))
        elif what == "restore":
            tell(machine, "member.restore", member=draw.choice(known))
        else:
            changes: list[dict[str, Any]] = [{"next_public_key": self._pair(member)[0]}]
            changes.append({"public_key": self._pair(member)[0]})
            if role is Role.CENTRAL:
                changes.append({"address": f"10.0.2.{draw.randrange(9)}"})
            act(machine, Amend(here(machine), role, member, **draw.choice(changes)))

    def _invite(self, machine: "Machine", role: Role, member: str) -> None:
        draw = self._draw
        onetime = pair(f"one-time {draw.random()}")
        said = Invite(
            here(machine),
            role,
            member,
            onetime[0],
            draw.choice((500, 5_000, 60_000)),
            draw.random() < 0.6,
            direction=draw.choice((None, *Direction)) if role is Role.EDGE else None,
        )
        made = act(machine, said)
        if not isinstance(made, Invitation):
            return
        for _ in range(draw.choice((1, 1, 2))):
            address = f"10.0.1.{draw.randrange(9)}"
            join = joining(machine, made, onetime, self._pair(member), address)
            self._world.after(draw.randint(0, 3_000), lambda join=join: act(machine, join))

    def _pair(self, member: str) -> Pair:
        return pair(f"{member}, key {self._draw.randrange(4)}")


def restarted(machine: "Machine") -> None:
    """It begins a new run, unless all is healed by then."""
    if machine.answers and machine.world.healed_ms is None:
        machine.stop()
        machine.start()


def here(machine: "Machine") -> Here:
    """How a machine is known."""
    own = machine._identity()
    assert own is not None
    key = z85.encode(own.public).decode()
    return Here(key, f"10.0.0.{machine.id.rpartition('-')[2]}", *PORTS)


def joining(machine: "Machine", made: Invitation, onetime: Pair, who: Pair, address: str) -> Join:
    """What somebody says who has a token."""
    said, own = made.said, here(machine).public_key
    body = said_by(
        who,
        said.role,
        said.member,
        inviter_key=own,
        onetime=onetime,
        number=said.number,
        address=address,
        site=machine.world.site,
    )
    return Join(key_bytes(onetime[0]), body, address, own)


def act(machine: "Machine", change: Invite | Remove | Amend | Join) -> Any:
    """Have a central do it, if it is there; what came of it, None where it could not be done."""
    reactor = machine.reactor
    if reactor is None or machine.older is not None:
        return None
    came_of_it: list[Any] = []

    def turn() -> None:
        done = reactor._step(machine.clocks(), [change])
        if isinstance(done, Committed):
            came_of_it.extend(done.result.outcomes)

    machine.guarded(turn)
    machine.wake()
    return came_of_it[0] if came_of_it else None
