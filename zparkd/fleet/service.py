"""`zparkd-fleet` at work: reads the sites that are its own, turn by turn, and answers senders.

One thread has the database, and folds; the loop beside it reads JetStream. Where either server is
gone it waits and begins anew from what was committed. Nothing is remembered that is not written.
"""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

import nats
import nats.errors
import nats.js.errors
import psycopg
from nats.aio.client import Client
from nats.aio.msg import Msg
from psycopg_pool import ConnectionPool, PoolTimeout

from zparkd.core.errors import ProtocolError
from zparkd.core.events.event import Position
from zparkd.core.fleet import read_site_heads, write_heads
from zparkd.fleet import event_tables, site_tables
from zparkd.fleet.assignment import Assignment
from zparkd.fleet.consumer import Consumers
from zparkd.fleet.rebuild import fold_anew
from zparkd.fleet.schema import migrate
from zparkd.fleet.turn import Keys, Turns
from zparkd.uplink.link import LinkOptions, connect

_log = logging.getLogger("zparkd.fleet")
_T = TypeVar("_T")
MESSAGES_A_TURN = 5_000
_LOOK_S = 1.0
_LOOK_AT_STREAM_S = 5.0
_AGAIN_S = 1.0
_GONE = (psycopg.OperationalError, psycopg.InterfaceError, PoolTimeout)
_NATS_GONE = (nats.errors.Error, nats.js.errors.Error, TimeoutError)


@dataclass(frozen=True, slots=True)
class Options:
    """Where the servers are, and what was asked for."""

    link: LinkOptions
    postgres: str
    stream: str = "zparkd"
    keep_days: float = 7.0
    keys: Keys | None = None


class Service:
    """The process, from its start to `stop`."""

    def __init__(self, options: Options) -> None:
        self._options = options
        self._stopping = asyncio.Event()
        self._working = False
        self._looked_for: dict[str, frozenset[Position]] = {}  # older messages of which events
        self._thread = ThreadPoolExecutor(1, "database")
        self._answers = ThreadPoolExecutor(2, "answers")
        self._pool = ConnectionPool(
            options.postgres, min_size=1, max_size=2, open=False, kwargs={"autocommit": True}
        )

    def stop(self) -> None:
        """End after the turn under way."""
        self._stopping.set()

    @property
    def is_working(self) -> bool:
        """Whether there is a turn to be ended first: both servers were found."""
        return self._working

    async def run(self) -> None:
        """Work until `stop`."""
        nc = await connect(self._options.link, "zparkd-fleet")
        try:
            await self._begin_anew("PostgreSQL", self._migrate, _GONE)
            self._pool.open(wait=False)
            await nc.subscribe("zparkd.*.heads", queue="zparkd-fleet", cb=self._answer)
            _log.info("takes the events of sites from %s", ", ".join(self._options.link.servers))
            self._working = True
            while not self._stopping.is_set():
                try:
                    await self._work(nc)
                except _GONE as fault:
                    _log.warning("PostgreSQL is gone, tried again: %s", str(fault).strip())
                except _NATS_GONE as fault:
                    _log.warning("JetStream is gone, tried again: %s", fault or "no answer")
                await self._pause(_AGAIN_S)
        finally:
            await nc.close()
            self._pool.close(timeout=2)
            self._thread.shutdown()
            self._answers.shutdown()

    async def _begin_anew(
        self, what: str, begin: Callable[[], Awaitable[_T]], gone: tuple[type[Exception], ...]
    ) -> _T | None:
        while not self._stopping.is_set():
            try:
                return await begin()
            except gone as fault:
                _log.warning("%s can't be had, tried again: %s", what, str(fault).strip())
            await self._pause(_AGAIN_S)
        return None

    async def _migrate(self) -> None:
        def run() -> None:
            with psycopg.connect(self._options.postgres, autocommit=True) as connection:
                migrate(connection)

        await self._in_thread(run)

    async def _in_thread(self, run: Callable[[], _T]) -> _T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, run)

    async def _pause(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._stopping.wait(), seconds)

    # --- the sites of this process

    async def _work(self, nc: Client) -> None:
        """Work over one connection to the database, until it is gone or we are stopped."""
        connection = await self._in_thread(
            lambda: psycopg.connect(self._options.postgres, autocommit=True)
        )
        try:
            assignment = await self._in_thread(lambda: Assignment(connection))
            turns = Turns(connection, self._options.keys)
            consumers = Consumers(nc, nc.jetstream(), self._options.stream)
            await consumers.start(self._options.keep_days)
            try:
                await self._turns(connection, assignment, turns, consumers)
            finally:
                await consumers.stop()
        finally:
            await self._in_thread(connection.close)

    async def _turns(
        self,
        connection: site_tables.Connection,
        assignment: Assignment,
        turns: Turns,
        consumers: Consumers,
    ) -> None:
        loop = asyncio.get_running_loop()
        look_at, stream_at = 0.0, loop.time() + _LOOK_AT_STREAM_S
        while not self._stopping.is_set():
            if loop.time() >= stream_at:
                stream_at = loop.time() + _LOOK_AT_STREAM_S
                await self._drop_older(connection, assignment.mine, consumers)
                same = await consumers.look(self._options.keep_days)
                for site in consumers.lost() if same else list(assignment.mine):
                    await self._begin_site(connection, consumers, site)
            if loop.time() >= look_at:
                look_at = loop.time() + _LOOK_S
                taken, surplus = await self._in_thread(assignment.look)
                for site in surplus:
                    consumers.remove(site)
                    turns.forget(site)
                await self._in_thread(partial(assignment.give_back, surplus))
                for site in sorted(taken):
                    turns.forget(site)
                    await self._in_thread(partial(fold_anew, connection, turns, site))
                    await self._in_thread(partial(turns.resume, site))
                    await self._begin_site(connection, consumers, site)
            await consumers.ask()
            messages, replies = consumers.next(MESSAGES_A_TURN)
            if messages:
                await self._in_thread(partial(turns.take, messages))
                await consumers.done(replies)
                continue
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(consumers.came.wait(), 0.2)

    async def _drop_older(
        self, connection: site_tables.Connection, sites: Iterable[str], consumers: Consumers
    ) -> None:
        """Delete what JetStream still says of vehicles that were erased, once it came without."""
        for site in sorted(sites):
            at = await self._in_thread(partial(event_tables.outdated, connection, site))
            if at and at != self._looked_for.get(site):
                try:
                    gone = await consumers.drop_older(site, at)
                except _NATS_GONE as fault:
                    _log.warning(
                        "%s: messages that say what was erased are still there: %s",
                        *(site, fault or "no answer"),
                    )
                    continue
                self._looked_for[site] = at - gone
                await self._in_thread(partial(event_tables.not_outdated, connection, site, gone))

    async def _begin_site(
        self, connection: site_tables.Connection, consumers: Consumers, site: str
    ) -> None:
        at = await self._in_thread(lambda: site_tables.cursor(connection, site))
        await consumers.add(site, at)

    # --- what senders are told

    async def _answer(self, msg: Msg) -> None:
        try:
            said = read_site_heads(msg.data)
        except ProtocolError as fault:
            _log.warning("%s: %s", msg.subject, fault)
            return
        if msg.subject != f"zparkd.{said.site}.heads":
            _log.warning("%s says that it is %s", msg.subject, said.site)
            return

        def answer() -> bytes:
            with self._pool.connection(timeout=3) as connection:
                if not site_tables.is_timezone(connection, said.timezone):
                    _log.warning("%s: PostgreSQL knows no time zone %s", said.site, said.timezone)
                    return write_heads(site_tables.fleet_heads(connection, said.site))
                site_tables.note_site(connection, said)
                return write_heads(site_tables.fleet_heads(connection, said.site))

        try:
            told = await asyncio.get_running_loop().run_in_executor(self._answers, answer)
        except _GONE:
            return  # the sender asks again
        if msg.reply:
            await msg.respond(told)
