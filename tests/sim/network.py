"""The network of a simulated site: late, twice, out of order, lost, held up, cut one way or both.

A message is on its way between two machines from `carry` until it is put into a socket's queue.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from zparkd.core.turn import Incoming

if TYPE_CHECKING:
    from tests.sim.machine import Machine
    from tests.sim.world import World

MOST_HELD = 200  # messages that a link which stalls delivers late; what is over is lost


@dataclass
class Weather:
    """How links behave: chances, and how long a message takes, in ms.

    `in_order` is what TCP does; `stalls` says that a cut link keeps what was sent, and delivers it
    when it is back. `slow` are machines whose links take as many ms longer.
    """

    loss: float = 0.0
    twice: float = 0.0
    delay_ms: tuple[int, int] = (1, 5)
    in_order: bool = True
    stalls: bool = False
    notices_cuts: bool = True


class Network:
    """All links. `asks`, `served` and `carried` count what went over them."""

    def __init__(self, world: "World") -> None:
        self._world = world
        self.weather = Weather()
        self.slow_ms: dict[str, int] = {}
        self.cut: set[tuple[str, str]] = set()
        self.asks = 0
        self.served = 0
        self.carried = 0
        self._last_arrival: dict[tuple[str, str, str], int] = {}
        self._held: dict[tuple[str, str], list[tuple[str, Incoming]]] = {}

    def known_cut(self, sender: "Machine", receiver: "Machine") -> bool:
        """Whether the sender can tell that nothing will arrive: its connection was closed."""
        return self.weather.notices_cuts and (sender.name, receiver.name) in self.cut

    def carry(self, sender: "Machine", receiver: "Machine", socket: str, message: Incoming) -> None:
        """Take a message from one machine to another, as far as the weather lets it."""
        world, weather = self._world, self.weather
        self.carried += 1
        run = receiver.runs
        copies = 2 if weather.twice and world.luck.random() < weather.twice else 1
        for _ in range(copies):
            if weather.loss and world.luck.random() < weather.loss:
                continue
            at_ms = world.now_ms + world.luck.randint(*weather.delay_ms)
            at_ms += self.slow_ms.get(sender.name, 0) + self.slow_ms.get(receiver.name, 0)
            if weather.in_order:
                way = (sender.name, receiver.name, socket)
                at_ms = max(at_ms, self._last_arrival.get(way, 0))
                self._last_arrival[way] = at_ms
            world.at(at_ms, lambda: self._arrive(sender, receiver, run, socket, message))

    def _arrive(
        self,
        sender: "Machine",
        receiver: "Machine",
        run: int,
        socket: str,
        message: Incoming,
    ) -> None:
        link = (sender.name, receiver.name)
        if link in self.cut:
            held = self._held.setdefault(link, [])
            if self.weather.stalls and len(held) < MOST_HELD:
                held.append((socket, message))
            return
        if receiver.runs != run:
            return  # the connection was to an earlier run
        receiver.take(socket, message)

    def cut_links(self, links: set[tuple[str, str]]) -> None:
        """Make these links, one way each, the ones that are cut."""
        cut = ", ".join(f"{a} to {b}" for a, b in sorted(links))
        self._world.note("network", f"is cut: {cut}" if links else "is whole")
        mended = self.cut - links
        self.cut = set(links)
        for link in sorted(mended):
            receiver = self._world.machines[link[1]]
            for socket, message in self._held.pop(link, []):
                self._world.after(
                    self._world.luck.randint(1, 50),
                    lambda to=receiver, on=socket, it=message: to.take(on, it),
                )

    def calm(self) -> None:
        """All is well from now on; what links held up comes late."""
        self.cut_links(set())
        self.weather = Weather()
        self.slow_ms = {}

    def count_anew(self) -> None:
        """Begin to count again."""
        self.asks = self.served = self.carried = 0
