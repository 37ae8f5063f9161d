"""JetStream as the fleet reads it: a durable pull consumer a site, and no more than is wanted.

Of each site one request is under way at most, and the next one goes out when what the last one
brought was taken: so a slow database slows the reading, never fills the memory. Where a consumer
begins is said by the database, not by the server: it is made anew by whoever takes a site over.
"""

import asyncio
import contextlib
import itertools
import json
import logging
import time
from collections import deque
from collections.abc import Collection
from dataclasses import dataclass, field

from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription
from nats.js import JetStreamContext
from nats.js.api import (
    AckPolicy,
    ConsumerConfig,
    DeliverPolicy,
    DiscardPolicy,
    StorageType,
    StreamConfig,
    StreamInfo,
)
from nats.js.errors import NotFoundError

from zparkd.core.events.event import Position
from zparkd.core.fleet import emptied_id, message_id
from zparkd.fleet.site_tables import Cursor
from zparkd.fleet.turn import Message

_log = logging.getLogger("zparkd.fleet")
SUBJECTS = "zparkd.*.*.*"
MESSAGES_AT_ONCE = 500  # of one site
_EXPIRES_S = 10.0
_GRACE_S = 2.0
_ACK_WAIT_S = 60.0
_DUPLICATES_S = 120.0


async def ensure_stream(js: JetStreamContext, name: str, keep_days: float) -> StreamInfo:
    """The stream that carries the events of all sites, made where there is none."""
    try:
        return await js.stream_info(name)
    except NotFoundError:
        return await js.add_stream(
            StreamConfig(
                name=name,
                subjects=[SUBJECTS],
                storage=StorageType.FILE,
                discard=DiscardPolicy.OLD,
                max_age=keep_days * 86_400,
                duplicate_window=_DUPLICATES_S,
            )
        )


def made(info: StreamInfo) -> str:
    """What tells a stream from one of the same name that was made at another time."""
    return str(info.created)


@dataclass(slots=True)
class _Pull:
    """The reading of one site: what came and is not taken yet, and the request under way."""

    site: str
    token: str
    queued: deque[tuple[Message, str]] = field(default_factory=deque)
    asked: int = 0  # messages that the request under way may still bring
    until: float = 0.0
    lost: bool = False  # its consumer is not there any more


class Consumers:
    """Reads the messages of sites."""

    def __init__(self, nc: Client, js: JetStreamContext, stream: str) -> None:
        self._nc, self._js, self._stream = nc, js, stream
        self._pulls: dict[str, _Pull] = {}
        self._by_token: dict[str, _Pull] = {}
        self._tokens = itertools.count()
        self._inbox = nc.new_inbox()
        self._made = ""
        self._last_seq = 0
        self._subscription: Subscription | None = None
        self.came = asyncio.Event()

    async def start(self, keep_days: float) -> None:
        """Find or make the stream, and listen for what is asked for."""
        info = await ensure_stream(self._js, self._stream, keep_days)
        self._note(info)
        self._subscription = await self._nc.subscribe(
            f"{self._inbox}.*", cb=self._take, pending_msgs_limit=-1, pending_bytes_limit=-1
        )

    async def stop(self) -> None:
        """Listen no more."""
        if self._subscription is not None and not self._nc.is_closed:
            await self._subscription.unsubscribe()

    async def look(self, keep_days: float) -> bool:
        """Look whether the stream is still the one that it was; False where all begins anew."""
        info = await ensure_stream(self._js, self._stream, keep_days)
        same = made(info) == self._made and info.state.last_seq >= self._last_seq
        self._note(info)
        return same

    def _note(self, info: StreamInfo) -> None:
        self._made, self._last_seq = made(info), info.state.last_seq

    async def add(self, site: str, at: Cursor) -> None:
        """Read a site from there on; from the first message where the stream is another one."""
        same = at.made == self._made and at.seq <= self._last_seq
        durable = f"zparkd-fleet-{site}"
        with contextlib.suppress(NotFoundError):
            await self._js.delete_consumer(self._stream, durable)
        await self._js.add_consumer(
            self._stream,
            ConsumerConfig(
                durable_name=durable,
                filter_subject=f"zparkd.{site}.*.*",
                ack_policy=AckPolicy.ALL,
                ack_wait=_ACK_WAIT_S,
                max_ack_pending=4 * MESSAGES_AT_ONCE,
                deliver_policy=DeliverPolicy.BY_START_SEQUENCE,
                opt_start_seq=at.seq + 1 if same else 1,
            ),
        )
        self.remove(site)
        pull = _Pull(site, str(next(self._tokens)))
        self._pulls[site] = self._by_token[pull.token] = pull

    def remove(self, site: str) -> None:
        """Read it no more; what is not taken is forgotten."""
        pull = self._pulls.pop(site, None)
        if pull is not None:
            del self._by_token[pull.token]

    def lost(self) -> list[str]:
        """The sites whose consumers are not there any more."""
        return [site for site, pull in self._pulls.items() if pull.lost]

    async def ask(self) -> None:
        """Ask for more of every site of which nothing is here or under way."""
        now = time.monotonic()
        for pull in list(self._pulls.values()):
            if pull.queued or (pull.asked > 0 and now < pull.until):
                continue
            pull.asked, pull.until = MESSAGES_AT_ONCE, now + _EXPIRES_S + _GRACE_S
            request = {"batch": MESSAGES_AT_ONCE, "expires": int(_EXPIRES_S * 1e9)}
            await self._nc.publish(
                f"$JS.API.CONSUMER.MSG.NEXT.{self._stream}.zparkd-fleet-{pull.site}",
                json.dumps(request).encode(),
                f"{self._inbox}.{pull.token}",
            )

    async def _take(self, msg: Msg) -> None:
        if not msg.reply:  # the request is over: nothing came for long, or there is no consumer
            over = self._by_token.get(msg.subject.rpartition(".")[2])
            if over is not None:
                over.asked = 0
                over.lost = over.lost or (msg.headers or {}).get("Status") == "503"
            return
        pull = self._pulls.get(msg.subject.split(".")[1])
        if pull is None:
            return
        pull.asked -= 1
        parts = msg.reply.split(".")
        seq, pending = (parts[5], parts[8]) if len(parts) == 9 else (parts[7], parts[10])
        at = Cursor(self._made, int(seq))
        message = Message(pull.site, msg.subject, msg.data, at, int(pending))
        pull.queued.append((message, msg.reply))
        self.came.set()

    async def drop_older(self, site: str, at: Collection[Position]) -> set[Position]:
        """Delete the messages of events of which another came later without what is personal.

        Of which events there is none any more.
        """
        full = {message_id(site, position): position for position in at}
        empty = {emptied_id(site, position): position for position in at}
        older: dict[Position, list[int]] = {}
        emptied: set[Position] = set()
        headers_only = ConsumerConfig(headers_only=True)
        reading = await self._js.subscribe(
            f"zparkd.{site}.*.*", stream=self._stream, ordered_consumer=True, config=headers_only
        )
        try:
            left = (await reading.consumer_info()).num_pending or 0
            while left:
                msg = await reading.next_msg(_EXPIRES_S)
                left = msg.metadata.num_pending
                id = (msg.headers or {}).get("Nats-Msg-Id", "")
                if id in full:
                    older.setdefault(full[id], []).append(msg.metadata.sequence.stream)
                elif id in empty:
                    emptied.add(empty[id])
        finally:
            await reading.unsubscribe()
        for position in emptied:
            for seq in older.get(position, ()):
                with contextlib.suppress(NotFoundError):
                    await self._js.delete_msg(self._stream, seq)
        return {position for position in at if position in emptied or position not in older}

    def next(self, most: int) -> tuple[list[Message], list[str]]:
        """What came, of all sites in turn, up to so many; and what to acknowledge after."""
        messages: list[Message] = []
        replies: list[str] = []
        self.came.clear()
        for pull in sorted(self._pulls.values(), key=lambda pull: -len(pull.queued)):
            reply = ""
            while pull.queued and len(messages) < most:
                message, reply = pull.queued.popleft()
                messages.append(message)
            if reply:
                replies.append(reply)
            if pull.queued:
                self.came.set()
        return messages, replies

    async def done(self, replies: list[str]) -> None:
        """Tell the server that all up to these is committed."""
        for reply in replies:
            await self._nc.publish(reply, b"+ACK")
