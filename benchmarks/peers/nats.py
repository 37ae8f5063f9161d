"""NATS JetStream: one stream on three servers; an answer means in the memory of two of them."""

import asyncio
import time
from pathlib import Path

import nats
from nats.js.api import StreamConfig

from benchmarks.load import Times
from benchmarks.peers.producers import EVENT, memory_mb
from benchmarks.site import CATCH_UP, EDGES, Figures
from zparkd.testbed.loopback import free_ports
from zparkd.testbed.servers import NatsServer

_BODY = EVENT.encode()


def replicated(folder: Path, acks: int) -> Figures:
    """One message an event."""
    routes = free_ports(3)
    servers = []
    for number, port in enumerate(routes):
        config = folder / f"{number}.conf"
        others = ", ".join(f'"nats://127.0.0.1:{other}"' for other in routes if other != port)
        config.write_text(
            f'server_name: "n{number}"\n'
            f'cluster {{ name: bench, listen: "127.0.0.1:{port}", routes: [{others}] }}\n'
        )
        servers.append(NatsServer(folder / str(number), config))
    try:
        for server in servers:
            server.start()
        return asyncio.run(_figures(servers, acks))
    finally:
        for server in servers:
            server.kill()


async def _figures(servers: list[NatsServer], acks: int) -> Figures:
    client = await nats.connect(servers[0].url)
    jetstream = client.jetstream(timeout=10)
    config = StreamConfig(name="events", subjects=["e"], num_replicas=3)
    for attempt in range(60):
        try:
            await jetstream.add_stream(config)
            break
        except Exception:  # no leader was elected yet
            if attempt == 59:
                raise
            await asyncio.sleep(0.5)

    async def publish(count: int, at_once: int) -> Times:
        taken: list[float] = []

        async def work() -> None:
            for _ in range(count // at_once):
                began = time.perf_counter()
                await jetstream.publish("e", _BODY)
                taken.append(time.perf_counter() - began)

        begin = time.perf_counter()
        await asyncio.gather(*(work() for _ in range(at_once)))
        return Times.of(taken, time.perf_counter() - begin)

    await publish(50, 1)
    one, busy = await publish(acks, 1), await publish(acks * 5, EDGES)
    there = await nats.connect(servers[1].url)
    seen = await there.jetstream().subscribe("e", ordered_consumer=True, deliver_policy=_new())
    delays = []
    for _ in range(200):
        began = time.perf_counter()
        await jetstream.publish("e", _BODY)
        await seen.next_msg(10)
        delays.append(time.perf_counter() - began)
    process = servers[0].process
    assert process is not None
    figures = {
        "ack p50": one.p50,
        "ack p99": one.p99,
        "acks": busy.per_s,
        "seen": sorted(delays)[100],
        "memory": memory_mb(process.pid),
    }
    await there.close()
    away = await _follower(jetstream, servers)
    away.kill()
    await publish(CATCH_UP, EDGES)
    begin = time.perf_counter()
    away.start()
    while not await _abreast(jetstream):
        await asyncio.sleep(0.02)
    await client.close()
    return figures | {"catch-up": CATCH_UP / (time.perf_counter() - begin)}


async def _follower(jetstream: nats.js.JetStreamContext, servers: list[NatsServer]) -> NatsServer:
    """A server that does not lead the stream, and that the client is not connected to."""
    cluster = (await jetstream.stream_info("events")).cluster
    assert cluster is not None
    return next(it for n, it in enumerate(servers) if n and f"n{n}" != cluster.leader)


def _new() -> nats.js.api.DeliverPolicy:
    return nats.js.api.DeliverPolicy.NEW


async def _abreast(jetstream: nats.js.JetStreamContext) -> bool:
    cluster = (await jetstream.stream_info("events")).cluster
    assert cluster is not None
    return all(one.current and not one.lag for one in cluster.replicas or [])
