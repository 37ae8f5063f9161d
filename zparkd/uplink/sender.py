"""Sending what a site holds to its fleet: who of its centrals sends, from where, and how fast.

Every few seconds the sender says how far the site is, and the fleet answers how far it is itself:
that is the cursor. Nothing of it is kept here. What was acknowledged by JetStream and does not
show in those heads, though nothing of the site waits there, was lost on the way and goes out again.
"""

import asyncio
import contextlib
import logging
import sqlite3
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

import nats.errors
import nats.js.errors
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.js import JetStreamContext
from nats.js.api import PubAck

from zparkd.client.control import ControlClient, DaemonUnreachable
from zparkd.config.load import Config, Uplink
from zparkd.core.errors import ProtocolError
from zparkd.core.events.event import Kind, Stream
from zparkd.core.fleet import (
    HEADS_EVERY_S,
    SILENT_INTERVALS,
    VERSION,
    FleetHeads,
    SiteHeads,
    emptied_id,
    event_subject,
    heads_subject,
    listed,
    message_id,
    read_fleet_heads,
    read_site_heads,
    told_of,
    vector,
    write_event,
    write_heads,
)
from zparkd.core.site import Told
from zparkd.storage.readers.outgoing import Outgoing, Source, StaySums

_log = logging.getLogger("zparkd.uplink")
_T = TypeVar("_T")
WINDOW = 400  # messages that are not acknowledged yet
STILL_ANSWERS = 3  # of the fleet, in which a head does not move: then what was sent is sent again
STILL_ANSWERS_MOST = 60  # each time twice as many, up to this
_ACK_S = 10.0
_LOOK_S = 0.1
_AGAIN_S = 1.0
_READING = (sqlite3.Error, OSError)


@dataclass(slots=True)
class State:
    """What there is to tell of it."""

    sender: str | None = None  # the central that sends for the site; None where nobody does
    lag: int | None = None  # events that the fleet lacks; None where it has not answered
    events_sent: int = 0
    problem: str | None = None


class Sender:
    """The process, from its start to its end."""

    def __init__(self, config: Config, uplink: Uplink, key: bytes, every_s: float) -> None:
        """`key` is that of pseudonyms; `every_s` between two messages about heads."""
        self.state = State()
        self._config, self._uplink, self._key, self._every_s = config, uplink, key, every_s
        self._source = Source(config.storage_path)
        self._sums = StaySums(config.storage_path, uplink.personal, key)
        self._threads = {name: ThreadPoolExecutor(1, name) for name in ("source", "sums", "daemon")}
        self._lower: tuple[float, str] | None = None  # when a lower central was heard, and which
        self._confirmed: dict[Stream, int] | None = None
        self._still: dict[Stream, int] = {}  # answers in which a head did not move
        self._patience: dict[Stream, int] = {}  # after how many it is sent again
        self._sent: dict[Stream, int] = {}
        self._no = 0
        self._rewound = True
        self._js: JetStreamContext | None = None

    async def run(self, nc: Client) -> None:
        """Send until cancelled."""
        await nc.subscribe(heads_subject(self._config.site), cb=self._hear)
        work = [asyncio.ensure_future(one) for one in (self._heads_loop(nc), self._send_loop(nc))]
        try:
            done, _ = await asyncio.wait(work, return_when=asyncio.FIRST_COMPLETED)
            for one in done:
                one.result()
        finally:
            for one in work:
                one.cancel()
            await asyncio.gather(*work, return_exceptions=True)
            for thread in self._threads.values():
                thread.shutdown(cancel_futures=True)

    @property
    def on_duty(self) -> bool:
        """Whether it is this central that sends: no lower one was heard for two intervals."""
        if self._lower is None:
            return True
        return time.monotonic() - self._lower[0] > SILENT_INTERVALS * self._every_s

    async def _hear(self, msg: Msg) -> None:
        try:
            said = read_site_heads(msg.data)
        except ProtocolError:
            return
        if said.sender < self._config.central_id:
            if self.on_duty:
                _log.info("%s sends for the site", said.sender)
            self._lower = (time.monotonic(), said.sender)
            self._confirmed = None

    # --- how far the site is, and the fleet

    async def _heads_loop(self, nc: Client) -> None:
        while True:
            began = time.monotonic()
            await self._say_heads(nc)
            await self._in("daemon", self._report)
            await asyncio.sleep(max(0.0, began + self._every_s - time.monotonic()))

    async def _say_heads(self, nc: Client) -> None:
        try:
            if await self._in("source", self._source.look):
                self._rewound = True
            heads = await self._in("source", self._source.heads)
            self.state.problem = None
        except _READING as fault:
            self.state.problem = f"{self._config.storage_path} can't be read: {fault}"
            return
        if not self.on_duty:
            assert self._lower is not None
            self.state.sender, self.state.lag = self._lower[1], None
            return
        self.state.sender = self._config.central_id
        if not nc.is_connected:
            self.state.problem = f"no connection to {', '.join(self._uplink.servers)}"
            return
        answer = await self._ask(nc, heads)
        if answer is None:
            return
        if answer.problem is not None:
            self.state.problem = f"the fleet put a message aside: {answer.problem}"
        self._take_answer(answer)
        confirmed = self._confirmed or {}
        lacking = (max(0, head - confirmed.get(stream, 0)) for stream, head in heads.items())
        self.state.lag = sum(lacking)

    async def _ask(self, nc: Client, heads: dict[Stream, int]) -> FleetHeads | None:
        sums = None
        with contextlib.suppress(*_READING):
            sums = await self._in("sums", self._sums.next)
        config = self._config
        said = SiteHeads(
            *(VERSION, config.site, config.central_id, config.timezone, self._uplink.personal),
            *(listed(heads), sums),
        )
        try:
            reply = await nc.request(
                heads_subject(config.site), write_heads(said), timeout=max(2.0, self._every_s / 2)
            )
            return read_fleet_heads(reply.data)
        except nats.errors.MaxPayloadError:
            self.state.problem = "the server takes no message as long as the heads of the site"
        except (nats.errors.Error, TimeoutError):
            self.state.problem = "the fleet does not answer; look at zparkd-fleet there"
        except ProtocolError as fault:
            self.state.problem = f"the fleet answers what is no answer: {fault}"
        return None

    def _take_answer(self, answer: FleetHeads) -> None:
        """Go on from what the fleet holds."""
        now, before = vector(answer.heads), self._confirmed
        self._confirmed = now
        if before is None:
            self._sent, self._rewound = dict(now), True
            return
        for stream, sent in list(self._sent.items()):
            head = now.get(stream, 0)
            moved = head > before.get(stream, 0)
            if sent <= head or moved or answer.pending > 0:
                self._still.pop(stream, None)
                if moved:
                    self._patience.pop(stream, None)
                self._sent[stream] = max(sent, head)
                continue
            self._still[stream] = self._still.get(stream, 0) + 1
            if self._still[stream] >= self._patience.get(stream, STILL_ANSWERS):
                self._patience[stream] = min(STILL_ANSWERS_MOST, 2 * self._still[stream])
                _log.warning("%s/%s is sent again from %d on", *stream, head + 1)
                del self._still[stream]
                self._sent[stream], self._rewound = head, True

    # --- sending

    async def _send_loop(self, nc: Client) -> None:
        while True:
            if not self.on_duty or self._confirmed is None or not nc.is_connected:
                await asyncio.sleep(_LOOK_S)
                continue
            try:
                if self._rewound:
                    self._rewound = False
                    self._no = await self._in("source", self._source.first_after, dict(self._sent))
                found = await self._in("source", self._source.after, self._no, WINDOW)
            except _READING:
                await asyncio.sleep(_AGAIN_S)
                continue
            if not found:
                await asyncio.sleep(_LOOK_S)
            elif not await self._send(nc, found):
                await asyncio.sleep(_AGAIN_S)

    async def _send(self, nc: Client, found: Sequence[Outgoing]) -> bool:
        """Send events, and await what JetStream says of each; whether it has all of them."""
        fresh = [one for one in found if one.position.seq > self._sent.get(one.position.stream, 0)]
        try:
            told = await self._publish(nc, fresh)
        except (nats.errors.Error, nats.js.errors.Error, TimeoutError) as fault:
            self.state.problem = f"JetStream takes nothing: {fault or type(fault).__name__}"
            return False
        if self._rewound or not self.on_duty:
            return True  # meanwhile it is to go on from elsewhere
        for one in told:
            stream = one.position.stream
            self._sent[stream] = max(one.position.seq, self._sent.get(stream, 0))
        self._no = found[-1].no
        self.state.events_sent += len(told)
        return True

    async def _publish(self, nc: Client, fresh: Sequence[Outgoing]) -> Sequence[Outgoing]:
        if self._js is None:
            self._js = nc.jetstream(publish_async_max_pending=2 * WINDOW)
        js = self._js
        site, told = self._config.site, self._uplink.personal
        acks: list[asyncio.Future[PubAck]] = []
        try:
            for one, id in await self._with_erased(fresh):
                personal = told_of(one.personal, told, self._key)
                acks.append(
                    await js.publish_async(
                        event_subject(site, one.position.origin, one.kind),
                        write_event(one.skeleton, personal, told, one.proof),
                        wait_stall=_ACK_S,
                        stream=self._uplink.stream,
                        headers={"Nats-Msg-Id": id},
                    )
                )
            if acks:
                await asyncio.wait_for(asyncio.gather(*acks), _ACK_S)
        finally:
            for ack in acks:
                ack.cancel()
        return fresh

    async def _with_erased(self, fresh: Sequence[Outgoing]) -> list[tuple[Outgoing, str]]:
        """What is to be sent, each with the id of its message.

        Before an event that erases others those that were sent before are sent once more, without
        what is personal: so that older messages of them can go.
        """
        site, found = self._config.site, []
        for one in fresh:
            if one.kind == Kind.ERASED and self._uplink.personal is not Told.NONE:
                for erased in await self._in("source", self._source.erased_by, one):
                    if erased.position.seq <= self._sent.get(erased.position.stream, 0):
                        found.append((erased, emptied_id(site, erased.position)))
            found.append((one, message_id(site, one.position)))
        return found

    # --- what surrounds it

    def _report(self) -> None:
        """Tell the daemon how it goes; one that is not there is none of our business."""
        state = self.state
        with (
            contextlib.suppress(DaemonUnreachable),
            ControlClient(self._config.listen.control, timeout_s=1.0) as daemon,
        ):
            daemon.call(
                "uplink.report",
                sender=state.sender,
                lag=state.lag,
                events_sent=state.events_sent,
                problem=state.problem,
                every_s=self._every_s,
            )

    async def _in(self, thread: str, run: Callable[..., _T], *values: object) -> _T:
        return await asyncio.get_running_loop().run_in_executor(self._threads[thread], run, *values)


__all__ = ["HEADS_EVERY_S", "Sender", "State"]
