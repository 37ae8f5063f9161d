"""What must hold of a simulated site once it is healed; each raises AssertionError if not.

They ask the disks and the ledger. What the rules of stays come to is asked of `sessions.project`,
from scratch; that those rules are right in what matters most, `the_older_entry_counts` says in
its own words.
"""

from collections import Counter, defaultdict
from typing import Any
from zoneinfo import ZoneInfo

from tests.sim.machine import Disk, Machine
from tests.sim.office import tariffs_of
from tests.sim.world import World
from zparkd.core import limits
from zparkd.core.events.event import Event, Kind, Position, SortKey, VehicleKey, read
from zparkd.core.gate.charges import reckoned
from zparkd.core.reference.fold import project_reference
from zparkd.core.stays import ACTS, Projection, Verdict, project

LOCAL_COLUMNS = ("id", "sync_status")
# What a heal may cost, in messages that serve to catch up.
PAGES_OF_ONE_EVENT = 3  # each missing event is sent at most so often: slow requests overlap
ASKS_A_LINK_AND_S = 2.5  # each link asks at most this often in a second, besides
LEARNED_AFTER_MS = 7_500  # by then each has measured the clocks of all others
RIGHT_WITHIN_MS = limits.CLOCK_BOUND_MS + 1_000


def check(world: World) -> None:
    """All of it."""
    assert not world.ledger.broken, world.ledger.broken[0]
    converged(world)
    events = events_of(world.centrals[0])
    chains_are_whole(world.centrals[0].name, events)
    wanted = project(events)
    judged = judged_rows(wanted)
    shown = history(world.centrals[0])
    at_most_one_open_stay(wanted)
    the_older_entry_counts(events, wanted)
    exits_end_the_open_stay(events, wanted)
    for machine in world.centrals:
        same_events(machine, events)
        same_stays(machine, wanted, judged)
        assert history(machine) == shown, f"histories differ: {machine.name}"
        same_reference_data(machine, events)
        memory_is_bounded(world, machine)
    fees_can_be_reckoned_again(world, events)
    nothing_acknowledged_is_lost(world, events)
    no_act_counts_twice(world, events, wanted)
    answers_agree(world)
    right_clocks_stay_right(world)
    no_storm(world)
    nobody_is_taken_for_two(world)


def disk_of(machine: Machine) -> Disk:
    """The disk of a machine that runs."""
    assert machine.disk is not None, f"{machine.name} is off"
    return machine.disk


def events_of(machine: Machine) -> list[Event]:
    """All events on a machine's disk, by position."""
    rows = disk_of(machine)._connection.execute("SELECT skeleton, sealed FROM events")
    return sorted((read(*row) for row in rows), key=lambda event: event.position)


def history(machine: Machine) -> list[dict[str, Any]]:
    """The rows of `history`, but for what is a central's own."""
    cursor = disk_of(machine)._connection.execute("SELECT * FROM history ORDER BY event_id")
    names = [column[0] for column in cursor.description]
    rows = [dict(zip(names, row, strict=True)) for row in cursor]
    return [{k: v for k, v in row.items() if k not in LOCAL_COLUMNS} for row in rows]


# --- the log -------------------------------------------------------------------------------------


def converged(world: World) -> None:
    """All hold the same heads, in time."""
    vectors = {machine.name: dict(disk_of(machine).heads) for machine in world.centrals}
    first = next(iter(vectors.values()))
    for name, heads in vectors.items():
        differ = {s for s in first.keys() | heads.keys() if first.get(s) != heads.get(s)}
        assert not differ, f"heads differ: {name} in {sorted(differ)}"
    assert world.equal_ms is not None, "equal only after the time for it was up"
    for machine in world.centrals:
        assert machine.knows_all_is_here(), f"{machine.name} does not know that all is here"


def chains_are_whole(name: str, events: list[Event]) -> None:
    """Each stream has no gap, and each event continues the one before it."""
    last: dict[Any, Event] = {}
    for event in events:
        before = last.get(event.position.stream)
        gap = event.position.seq != (before.position.seq if before else 0) + 1
        assert not gap, f"gap: {name} holds {event.position} and not what is before it"
        right = event.prev == (before.hash if before else "")
        assert right, f"chain broken: at {event.position} of {name}"
        last[event.position.stream] = event


def same_events(machine: Machine, wanted: list[Event]) -> None:
    """A machine holds these events, byte for byte, up to its heads."""
    events = events_of(machine)
    assert [it.position for it in events] == [it.position for it in wanted], (
        f"gap: {machine.name} holds other events than its heads say"
    )
    for event, other in zip(events, wanted, strict=True):
        same = (event.skeleton, event.sealed) == (other.skeleton, other.sealed)
        assert same, f"{machine.name} has other bytes at {event.position}"
    assert sum(disk_of(machine).heads.values()) == len(events), f"gap: {machine.name}"


# --- reference data ------------------------------------------------------------------------------


def same_reference_data(machine: Machine, events: list[Event]) -> None:
    """Tariff, passes and staff kept step by step are those of the whole set, from scratch."""
    disk, wanted = disk_of(machine), project_reference(events)
    held = disk.reference.tariff()
    counting = held.tariff.set_by if held is not None else None
    assert counting == wanted.tariff, f"tariffs differ: {machine.name} has that of {counting}"
    for table, entries in (("passes", wanted.passes), ("staff", wanted.staff)):
        rows = disk._connection.execute(f"SELECT at FROM {table}")
        kept = sorted(disk._streams.position(at) for (at,) in rows)
        assert kept == sorted(entries.values()), f"{table} differ: {machine.name} has {kept}"


def fees_can_be_reckoned_again(world: World, events: list[Event]) -> None:
    """Each exit was charged what its tariff, its times and its pass come to, and says how."""
    tariffs = tariffs_of(events)
    for event in events:
        facts = event.facts
        if event.kind != Kind.EXIT or facts is None or facts.breakdown is None:
            continue
        named = Position(*facts.tariff) if facts.tariff is not None else None
        if named not in tariffs:
            continue  # it was lost with the disk of the one central that had it
        zone = ZoneInfo(world.timezone)
        fee = reckoned(facts, event.timestamp, tariffs[named], zone)
        assert fee == facts.fee, f"fee wrong: {event.position} charged {facts.fee}, not {fee}"
        said = sum(int(line["amount"]) for line in facts.breakdown)
        assert said == facts.fee, f"fee wrong: {event.position} says {facts.breakdown}"


# --- stays ---------------------------------------------------------------------------------------


def judged_rows(wanted: Projection) -> dict[Position, tuple[str, Position | None]]:
    """The verdicts of a projection."""
    return {
        position: (judged.verdict.value, judged.instead)
        for position, judged in wanted.judged.items()
    }


def same_stays(machine: Machine, wanted: Projection, judged: dict[Position, Any]) -> None:
    """The stays and verdicts kept step by step are those of the whole set, from scratch."""
    disk = disk_of(machine)
    rows = disk._connection.execute("SELECT count(*) FROM sessions").fetchone()[0]
    assert rows == len(wanted.stays), f"stays differ: {machine.name} has {rows}"
    for position, stay in wanted.stays.items():
        held = disk.stay_of(position)
        assert held is not None, f"stays differ: {machine.name} has none of {position}"
        assert held.stay == stay, f"stays differ: {machine.name}: {held.stay} is not {stay}"
    at = disk._streams.position
    kept = {
        at(row[0]): (row[1], at(row[2]) if row[2] is not None else None)
        for row in disk._connection.execute("SELECT at, verdict, instead FROM verdicts")
    }
    for position in kept.keys() | judged.keys():
        same = kept.get(position) == judged.get(position)
        assert same, (
            f"verdicts differ: {machine.name} says {kept.get(position)} of {position},"
            f" not {judged.get(position)}"
        )


def at_most_one_open_stay(wanted: Projection) -> None:
    """Nobody is inside twice."""
    inside = Counter(stay.vehicle for stay in wanted.stays.values() if stay.closed_by is None)
    twice = [vehicle for vehicle, count in inside.items() if count > 1]
    assert not twice, f"inside twice: {twice}"


def the_older_entry_counts(events: list[Event], wanted: Projection) -> None:
    """An entry gives way to older ones only; stays of a vehicle follow each other; each closer
    ends one stay; each entry either counts, gave way, or repeats another."""
    entries = {event.position: event for event in events if event.kind == Kind.ENTRY}
    for position, judged in wanted.judged.items():
        if judged.verdict in (Verdict.SUPERSEDED, Verdict.REPEATED):
            assert judged.instead is not None
            by_position = {event.position: event for event in events}
            older = by_position[judged.instead].key < by_position[position].key
            assert older, f"the newer won: {position} gave way to {judged.instead}"
    for position, event in entries.items():
        if event.facts is not None:
            counts = position in wanted.stays
            gave_way = position in wanted.judged
            assert counts != gave_way, f"entry {position} is neither a stay nor judged, or both"
    closers = Counter(stay.closer for stay in wanted.stays.values() if stay.closer is not None)
    assert all(count == 1 for count in closers.values()), "one event ended two stays"
    by_vehicle: dict[VehicleKey, list[Any]] = defaultdict(list)
    for stay in wanted.stays.values():
        by_vehicle[stay.vehicle].append(stay)
    for stays in by_vehicle.values():
        stays.sort(key=lambda stay: stay.entry_key)
        still_open = [stay for stay in stays[:-1] if stay.closed_by is None]
        assert not still_open, f"a stay began while an older one was open: {still_open}"


def exits_end_the_open_stay(events: list[Event], wanted: Projection) -> None:
    """An exit that ended nothing had no stay open at its place, whatever entry it names."""
    by_position = {event.position: event for event in events}
    stays: dict[VehicleKey, list[tuple[SortKey, SortKey]]] = defaultdict(list)
    for stay in wanted.stays.values():
        end = SortKey(2**62, "", 0, 0)
        if stay.closer is not None:
            end = place(by_position[stay.closer], by_position)
        stays[stay.vehicle].append((stay.entry_key, end))
    for position, judged in wanted.judged.items():
        if judged.verdict is not Verdict.ENDED_NOTHING:
            continue
        event = by_position[position]
        vehicle = vehicle_of(event, by_position)
        at = place(event, by_position)
        inside = [stay for stay in stays.get(vehicle, []) if stay[0] < at < stay[1]]
        assert not inside, f"an exit ended nothing: {position}, though {vehicle} was inside"


def vehicle_of(event: Event, by_position: dict[Position, Event]) -> VehicleKey | None:
    """The vehicle to which an event belongs: that of the entry it names, if it is here."""
    named = by_position.get(event.names) if event.names is not None else None
    return named.vehicle if event.kind == Kind.EXIT and named is not None else event.vehicle


def place(event: Event, by_position: dict[Position, Event]) -> SortKey:
    """Where an event takes part: never before the entry it names."""
    named = by_position.get(event.names) if event.names is not None else None
    if event.kind != Kind.EXIT or named is None:
        return event.key
    return max(event.key, named.key)


# --- what edges were told ------------------------------------------------------------------------


def nothing_acknowledged_is_lost(world: World, events: list[Event]) -> None:
    """What an edge was told yes to is on record, if any disk that had it is still there."""
    held = {event.position for event in events}
    for ack in world.ledger.acks:
        for position in ack.positions:
            if position not in held and position not in world.ledger.lost:
                request = world.cameras.acts[ack.act].request
                raise AssertionError(f"lost: {request} was told {ack.answer} by {ack.by}")


def no_act_counts_twice(world: World, events: list[Event], wanted: Projection) -> None:
    """Of all events of one request and one vehicle, one counts."""
    counting: Counter[tuple[str, str, VehicleKey]] = Counter()
    by_position = {event.position: event for event in events}
    for event in events:
        facts, vehicle = event.facts, vehicle_of(event, by_position)
        if event.kind not in ACTS or facts is None or facts.request_id is None or vehicle is None:
            continue
        judged = wanted.judged.get(event.position)
        if judged is None or judged.verdict not in (Verdict.REPEATED, Verdict.WAITING):
            counting[facts.edge_id, facts.request_id, vehicle] += 1
    twice = [act for act, count in counting.items() if count > 1]
    assert not twice, f"counts twice: {twice}"


def answers_agree(world: World) -> None:
    """A request that was recorded once is answered the same each time, wherever it asks."""
    first: dict[Any, tuple[str, dict[str, Any]]] = {}
    for ack in world.ledger.acks:
        if len(ack.positions) != 1:
            continue
        answer = {k: v for k, v in ack.answer.items() if k != "history_id"}
        by, known = first.setdefault(ack.positions[0], (ack.by, answer))
        assert known == answer, f"answers differ: {by} said {known}, {ack.by} said {answer}"


# --- clocks, memory, messages ------------------------------------------------------------------


def right_clocks_stay_right(world: World) -> None:
    """Where one clock at most was ever wrong, no central with a right one stamps wrong for it."""
    if len(world.wrong_clocks) > 1 or world.rogue is not None:
        return
    for name, at_ms, off_ms in world.stamps:
        if world.plan.wrong_from_start and at_ms > LEARNED_AFTER_MS:
            known = abs(off_ms) <= RIGHT_WITHIN_MS
            assert known, f"wrong clock: {name} knows the others, and stamps {off_ms} ms off"
        right = name in world.wrong_clocks or abs(off_ms) <= RIGHT_WITHIN_MS
        assert right, f"dragged: {name}, whose clock is right, stamps {off_ms} ms off at {at_ms}"


def memory_is_bounded(world: World, machine: Machine) -> None:
    """What a central keeps in memory is within the limits, or in proportion to its log."""
    reactor = machine.reactor
    assert reactor is not None
    central, disk = reactor._central, disk_of(machine)
    streams = len(disk.heads)
    sizes = {
        "edges": (len(central.gate.memory._edges), limits.EDGES_REMEMBERED),
        "requests to serve": (len(reactor._to_serve), limits.SYNC_REQUESTS_WAITING),
        "plates": (len(disk._projection.vehicles._plates), limits.PLATES_REMEMBERED),
        "events unsent": (len(central._journal._unsent), 0),
        "vehicles to fold": (len(disk._projection._dirty), 0),
        "streams on their way": (len(central.peers._on_its_way), streams),
    }
    for edge_id, edge in central.gate.memory._edges.items():
        sizes[f"detections of {edge_id}"] = (len(edge.detections), limits.DETECTIONS_PER_EDGE)
        sizes[f"opens of {edge_id}"] = (len(edge.opens), limits.DETECTIONS_PER_EDGE)
    for peer in central.peers.states.values():
        most = max(streams, limits.STREAMS_OF_A_PEER) if world.rogue else streams
        sizes[f"heads of {peer.id}"] = (len(peer.heads or ()), most)
        sizes[f"arriving of {peer.id}"] = (len(peer.arriving), most)
        sizes[f"ahead of {peer.id}"] = (len(peer.ahead), most)
    for what, (size, most) in sizes.items():
        assert size <= most, f"memory grows: {machine.name} keeps {size} {what}, not {most}"


def no_storm(world: World) -> None:
    """The heal cost messages in proportion to what was missing."""
    assert world.healed_ms is not None
    new = sum(1 for name, at_ms, _ in world.stamps if at_ms >= world.healed_ms)
    missing = world.missing + new * len(world.centrals)
    links = sum(len(machine.peers) for machine in world.centrals)
    elapsed_s = (world.now_ms - world.healed_ms) / 1000
    network = world.network
    most = PAGES_OF_ONE_EVENT * missing + 20 * links
    assert network.served <= most, f"storm: {network.served} events sent for {missing} missing"
    most = PAGES_OF_ONE_EVENT * missing + links * (10 + ASKS_A_LINK_AND_S * elapsed_s)
    assert network.asks <= most, (
        f"storm: {network.asks} requests for {missing} missing on {links} links in {elapsed_s} s"
    )


def nobody_is_taken_for_two(world: World) -> None:
    """A central that gets its own past back raises no alarm about another one of its id."""
    if world.plan.twin or world.rogue is not None or world.wrong_clocks:
        return
    for machine in world.centrals:
        alarms = machine.problems() & {"DUPLICATE_ID", "STREAM_OVERTAKEN"}
        assert not alarms, f"false alarm: {machine.name} says {alarms}"
