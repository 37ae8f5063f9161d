"""What must hold of a simulated site once it is healed; each raises AssertionError if not.

They ask the disks and the ledger, and compare with what the oracle says that the bytes of the
events come to. The rules that are judged are not asked what is right.
"""

from collections import Counter
from typing import Any
from zoneinfo import ZoneInfo

import orjson

from tests.sim.cameras import Act
from tests.sim.clerk import with_names
from tests.sim.eraser import Eraser
from tests.sim.machine import Disk, Machine
from tests.sim.oracle.erasure import means
from tests.sim.oracle.events import ENTRY, ERASED, EXIT, At, Key, Said
from tests.sim.oracle.held import Held
from tests.sim.oracle.prices import price, rate_of
from tests.sim.oracle.stays import (
    CONFLICTS,
    ENDED_NOTHING,
    REPEATED,
    SETTLED_BY_MONEY,
    SUPERSEDED,
    VOID,
    WAITING,
    Stay,
    history_row,
    shared_row,
)
from tests.sim.world import World
from zparkd.core import limits
from zparkd.core.events.event import Position
from zparkd.core.gate import limits as gate_limits
from zparkd.core.replication import limits as sync_limits
from zparkd.core.turn import FromEdge
from zparkd.storage.readers.conflicts import conflicts

LOCAL_COLUMNS = ("id", "sync_status")
# What a heal may cost, in messages that serve to catch up.
PAGES_OF_ONE_EVENT = 3  # each missing event is sent at most so often: slow requests overlap
ASKS_WHILE_UNVOUCHED = 4  # of one peer for the same: within VOUCHED_AFTER_MS of a new key
ASKS_A_LINK_AND_S = 2.5  # each link asks at most this often in a second, besides
LEARNED_AFTER_MS = 7_500  # by then each has measured the clocks of all others
RIGHT_WITHIN_MS = limits.CLOCK_BOUND_MS + 1_000
LOOKED_AT = 6  # plates that every gate is asked about at the end

_EVENTS = (
    "SELECT s.origin, s.epoch, e.at & ((1 << 40) - 1), e.skeleton, e.sealed"
    " FROM events e JOIN streams s ON s.no = e.at >> 40 ORDER BY 1, 2, 3"
)
_STAYS = (
    "SELECT o.origin, o.epoch, t.seq, t.camera_type, t.plate_id, t.plate_view, t.edge_id,"
    " t.confidence, t.entry_ms, t.confirmed, t.closed_by, t.exit_central, t.exit_edge_id,"
    " t.exit_ms, t.fee, t.currency, t.duration_s, t.remarks, t.id_plate, t.plate_read,"
    " t.adjusted"
    " FROM shared_stays t JOIN streams o ON o.no = t.at >> 40 ORDER BY 1, 2, 3"
)
_CHARGES = (
    "SELECT o.origin, o.epoch, c.at & ((1 << 40) - 1), i.origin, i.epoch,"
    " c.stay & ((1 << 40) - 1) FROM charges c JOIN streams o ON o.no = c.at >> 40"
    " LEFT JOIN streams i ON i.no = c.stay >> 40 ORDER BY 1, 2, 3"
)
_VERDICTS = (
    "SELECT o.origin, o.epoch, v.at & ((1 << 40) - 1), v.verdict, i.origin, i.epoch,"
    " v.instead & ((1 << 40) - 1) FROM verdicts v JOIN streams o ON o.no = v.at >> 40"
    " LEFT JOIN streams i ON i.no = v.instead >> 40 ORDER BY 1, 2, 3"
)
_CONFLICTS = (
    "SELECT c.kind, o.origin, o.epoch, c.about & ((1 << 40) - 1)"
    " FROM conflicts c JOIN streams o ON o.no = c.about >> 40 WHERE c.open"
)


def check(world: World) -> None:
    """All of it."""
    assert not world.ledger.broken, world.ledger.broken[0]
    converged(world)
    zone = ZoneInfo(world.timezone)
    rows = disk_of(world.centrals[0]).connection.execute(_EVENTS).fetchall()
    held = Held(world.read(skeleton, sealed) for *_, skeleton, sealed in rows)
    chains_are_whole(rows, held)
    stays, verdicts = held.stays(), held.verdicts()
    at_most_one_open_stay(stays)
    the_older_entry_counts(held, stays, verdicts)
    exits_end_the_open_stay(held, stays, verdicts)
    for machine in world.centrals:
        found = disk_of(machine).connection.execute(_EVENTS).fetchall()
        same_events(world, machine, found, rows)
        mine = held
        if found != rows:  # what is divided is judged by what is held here of it
            mine = Held(world.read(skeleton, sealed) for *_, skeleton, sealed in found)
            chains_are_whole(found, mine)
        same_stays(machine, mine, zone)
        same_reference_data(machine, mine)
        same_roster(machine, mine)
        memory_is_bounded(world, machine)
        conflicts_are_open(machine, mine, zone)
        erased_plates_are_nowhere(world, machine, held)
    forks_are_known(world)
    fees_can_be_computed_again(world, held, zone)
    nothing_acknowledged_is_lost(world, held)
    no_act_counts_twice(held, verdicts)
    answers_agree(world)
    ids_stay(world, held)
    right_clocks_stay_right(world)
    no_storm(world)
    nobody_is_taken_for_two(world)
    gates_know_it(world, held)


def disk_of(machine: Machine) -> Disk:
    """The disk of a machine that runs."""
    assert machine.disk is not None, f"{machine.name} is off"
    return machine.disk


# --- the log -------------------------------------------------------------------------------------


def converged(world: World) -> None:
    """All hold the same heads, in time."""
    vectors = {machine.name: dict(world.undivided(machine)) for machine in world.centrals}
    first = next(iter(vectors.values()))
    for name, heads in vectors.items():
        differ = {s for s in first.keys() | heads.keys() if first.get(s) != heads.get(s)}
        assert not differ, f"heads differ: {name} in {sorted(differ)}"
    assert world.equal_ms is not None, "equal only after the time for it was up"
    for machine in world.centrals:
        assert machine.knows_all_is_here(), f"{machine.name} does not know that all is here"


def chains_are_whole(rows: list[tuple[Any, ...]], held: Held) -> None:
    """Each stream has no gap, and each event continues the one before it and is where it says."""
    before: Said | None = None
    for (*at, _, _), event in zip(rows, held.events.values(), strict=True):
        assert event.at == tuple(at), f"chain broken: what is at {at} says {event.at}"
        if before is not None and before.at[:2] != event.at[:2]:
            before = None
        gap = event.at[2] != (before.at[2] if before else 0) + 1
        assert not gap, f"gap: {event.at} is held and not what is before it"
        right = event.prev == (before.hash if before else "")
        assert right, f"chain broken: at {event.at}"
        assert event.whole, f"chain broken: at {event.at}"
        before = event


def same_events(world: World, machine: Machine, events: list[Any], wanted: list[Any]) -> None:
    """A machine holds these events, byte for byte, up to its heads; but for what is divided."""
    assert sum(disk_of(machine).heads.values()) == len(events), (
        f"gap: {machine.name} holds other events than its heads say"
    )
    same("bytes", machine, undivided(world, events), undivided(world, wanted))


def undivided(world: World, events: list[Any]) -> list[Any]:
    """Those of the rows of events that no fork divides."""
    if not world.ledger.forks:
        return events
    return [row for row in events if not world.ledger.is_divided(Position(*row[:3]))]


def forks_are_known(world: World) -> None:
    """Where one holds more than another of a stream that is divided, somebody is told of it.

    Who holds as much of either branch has no reason to ask.
    """
    held = [disk_of(machine).heads for machine in world.centrals]
    if any(len({heads.get(stream, 0) for heads in held}) > 1 for stream in world.ledger.forks):
        told = [machine.name for machine in world.centrals if "FORKED" in machine.problems()]
        assert told, "a fork that nobody is told of"


def same(what: str, machine: Machine, found: list[Any], wanted: list[Any]) -> None:
    """Rows of a machine are what they must be."""
    if found == wanted:
        return
    odd = next((row for row in found if row not in wanted), None)
    lacks = next((row for row in wanted if row not in found), None)
    raise AssertionError(f"{what} differ: {machine.name} has {odd}, and not {lacks}")


# --- reference data ------------------------------------------------------------------------------


def same_reference_data(machine: Machine, held: Held) -> None:
    """Tariff, passes and staff kept step by step are those of the whole set."""
    run = disk_of(machine).connection.execute
    tariff = run("SELECT version, set_by, set_ms FROM site_tariff").fetchall()
    last = held.tariff
    wanted = [(last.data["version"], last.origin, last.timestamp)] if last is not None else []
    same("tariffs", machine, tariff, wanted)
    policy = run("SELECT version, document, watch, set_by, set_ms FROM site_policy").fetchall()
    policy = [(at[0], *(orjson.loads(it or "{}") for it in at[1:3]), *at[3:]) for at in policy]
    rule = held.policy
    wanted = []
    if rule is not None:
        said = rule.data["document"], rule.personal.get("watch", {})
        wanted = [(rule.data["version"], *said, rule.origin, rule.timestamp)]
    same("policies", machine, policy, wanted)
    passes = run(
        "SELECT plate_id, camera_type, valid_from, valid_until, holder, changed_by, changed_ms"
        " FROM site_passes ORDER BY 1, 2, 3"
    )
    days = ("camera_type", "valid_from", "valid_until")
    wanted = [
        (it.plate, *(it.data[name] for name in days), it.personal.get("holder"), *who_and_when(it))
        for it in held.passes()
    ]
    same("passes", machine, passes.fetchall(), sorted(wanted))
    staff = run("SELECT staff_id, name, changed_by, changed_ms FROM site_staff ORDER BY 1")
    wanted = [
        (it.personal["staff_id"], it.personal.get("name"), *who_and_when(it)) for it in held.staff()
    ]
    same("staff", machine, staff.fetchall(), sorted(wanted))


def same_roster(machine: Machine, held: Held) -> None:
    """Who belongs to the site is what the whole set says, whatever came first."""
    state, wanted = disk_of(machine).members.roster, held.roster()
    names = ("number", "public_key", "next_public_key", "address", "bus_port", "sync_port")
    names += ("edge_port", "direction", "camera_type", "removed")
    members = [
        (role, id, *(getattr(member, name) for name in names))
        for (role, id), member in sorted(state.members.items())
    ]
    right = [
        (*who, *(member[name] for name in names)) for who, member in sorted(wanted.members.items())
    ]
    same("members", machine, members, right)
    same("lost joins", machine, sorted(state.lost), sorted(wanted.lost))
    uses = {tuple(it.position): it.used and it.used.public_key for it in state.invitations.values()}
    same("uses", machine, sorted(uses.items()), sorted(wanted.used.items()))


def who_and_when(event: Said) -> tuple[str, int]:
    """Whose event it is, and of when."""
    return event.origin, event.timestamp


def fees_can_be_computed_again(world: World, held: Held, zone: ZoneInfo) -> None:
    """Each exit was charged what its tariff, its times and its pass come to, and says how."""
    for event in held.events.values():
        if event.kind != EXIT or event.data is None or event.data.get("breakdown") is None:
            continue
        data, tariff = event.data, event.data.get("tariff")
        if tariff is not None and tuple(tariff) not in held.events:
            continue  # it was lost with the disk of the one central that had it
        if tariff is not None and world.ledger.is_divided(Position(*tariff)):
            continue  # another event of the same position may be the one that is here
        fee = 0
        document = held.document(tuple(tariff) if tariff is not None else None)
        if data.get("pass_until") is None and "entry_ms" not in data:
            fee = rate_of(document, data["camera_type"]).get("lost_ticket", 0)
        elif data.get("pass_until") is None:
            fee, _ = price(
                document,
                data["camera_type"],
                data["entry_ms"],
                data.get("priced_ms", event.timestamp),
                zone,
                lost_ticket=data.get("lost_ticket", False),
            )
        assert fee == data["fee"], f"fee wrong: {event.at} charged {data['fee']}, not {fee}"
        said = sum(int(line["amount"]) for line in data["breakdown"])
        assert said == fee, f"fee wrong: {event.at} says {data['breakdown']}"


# --- stays ---------------------------------------------------------------------------------------


def same_stays(machine: Machine, held: Held, zone: ZoneInfo) -> None:
    """Stays and verdicts kept step by step are those of the whole set."""
    connection, stays = disk_of(machine).connection, held.stays()
    wanted = sorted(map(shared_row, stays.values()))
    same("stays", machine, connection.execute(_STAYS).fetchall(), wanted)
    wanted = sorted(
        (*at, verdict, *(instead or (None, None, None)))
        for at, (verdict, instead) in held.verdicts().items()
    )
    same("verdicts", machine, connection.execute(_VERDICTS).fetchall(), wanted)
    wanted = sorted((*at, *(stay or (None,) * 3)) for at, stay in held.charged().items())
    same("charges", machine, connection.execute(_CHARGES).fetchall(), wanted)
    same_history(machine, stays, zone)


def same_history(machine: Machine, stays: dict[At, Stay], zone: ZoneInfo) -> None:
    """What people read is what the stays are."""
    cursor = disk_of(machine).connection.execute("SELECT * FROM history")
    names = [column[0] for column in cursor.description]
    rows = {}
    for row in cursor:
        named = dict(zip(names, row, strict=True))
        assert named.pop("id") > 0, f"histories differ: {machine.name} has {row}"
        rows[named["event_id"], named["camera_type"]] = named
    wanted = {}
    for stay in stays.values():
        wanted[stay.event_id, stay.vehicle[0]] = history_row(stay, machine.id, zone)
    for key in rows.keys() | wanted.keys():
        found, right = rows.get(key, {}), wanted.get(key, {})
        odd = {name: found.get(name) for name in right if found.get(name) != right[name]}
        assert found, f"histories differ: {machine.name} lacks {key}"
        assert not odd, f"histories differ: {machine.name} says {odd} of {key}"


def conflicts_are_open(machine: Machine, held: Held, zone: ZoneInfo) -> None:
    """Each shows for work what no person acknowledged yet, and counts it.

    Of a fee for another entry that something was charged for since, the sum decides.
    """
    disk = disk_of(machine)
    with with_names(disk.connection) as connection:
        shown = len(conflicts(connection, zone))
    counted = disk.open_conflicts()
    assert counted == shown, f"conflicts differ: {machine.name} counts {counted}, shows {shown}"
    charged = {at for at in held.charged().values() if at is not None}
    wanted = set()
    for at, (verdict, _) in held.verdicts().items():
        if verdict not in (REPEATED, VOID):
            unmatched = verdict == ENDED_NOTHING and held.events[at].names is None
            wanted.add(("UNMATCHED" if unmatched else verdict, at))
    for stay in held.stays().values():
        told = CONFLICTS.intersection((stay.remarks or "").split(","))
        wanted |= {(remark, stay.entry.at) for remark in told}
    wanted -= {(it.data["conflict"], tuple(it.data["about"])) for it in held.acknowledged.values()}
    found = {(kind, tuple(at)) for kind, *at in disk.connection.execute(_CONFLICTS)}
    same("conflicts", machine, *(_unsettled(rows, charged) for rows in (found, wanted)))


def _unsettled(rows: set[tuple[str, At]], charged: set[At]) -> list[tuple[str, At]]:
    """Of conflicts those that no charge on their stay may have settled."""
    return sorted(it for it in rows if it[0] not in SETTLED_BY_MONEY or it[1] not in charged)


def erased_plates_are_nowhere(world: World, machine: Machine, held: Held) -> None:
    """No byte of a database says an erased plate that no event says any more."""
    erases = [it for it in held.events.values() if it.kind == ERASED and it.data is not None]
    if not erases:
        return
    said = b" ".join(sealed for *_, sealed in disk_of(machine).connection.execute(_EVENTS))
    bytes_held = machine.bytes_held()
    for plate in Eraser(world, world.plan.plates).plates:
        if any(means(it, plate) for it in erases) and plate.encode() not in said:
            where = bytes_held.find(plate.encode())
            around = bytes_held[max(0, where - 60) : where + 60]
            assert where < 0, f"not erased: {machine.name} has {plate} in {around!r}"


def at_most_one_open_stay(stays: dict[At, Stay]) -> None:
    """Nobody is inside twice."""
    inside = Counter(stay.vehicle for stay in stays.values() if stay.closer is None)
    twice = [vehicle for vehicle, count in inside.items() if count > 1]
    assert not twice, f"inside twice: {twice}"


def the_older_entry_counts(held: Held, stays: dict[At, Stay], verdicts: dict[At, Any]) -> None:
    """An entry gives way to older ones only; stays of a vehicle follow each other; each closer
    ends one stay; each entry either counts, gave way, or repeats another."""
    for at, (verdict, instead) in verdicts.items():
        passed_on = verdict == SUPERSEDED and held.is_corrected(held.events[at].vehicle)
        if verdict in (SUPERSEDED, REPEATED) and not passed_on:
            older = held.events[instead].key < held.events[at].key
            assert older, f"the newer won: {at} gave way to {instead}"
    for at, event in held.events.items():
        # One without a vehicle was erased, and the erase went with the disk of its recorder.
        if event.kind == ENTRY and event.vehicle is not None:
            assert (at in stays) != (at in verdicts), f"entry {at} is neither a stay nor judged"
    closers = Counter(stay.closer.at for stay in stays.values() if stay.closer is not None)
    assert all(count == 1 for count in closers.values()), "one event ended two stays"
    newest: dict[Any, Stay] = {}
    for stay in sorted(stays.values(), key=lambda it: it.entry.key):
        before = newest.get(stay.vehicle)
        still_open = before is not None and before.closer is None
        assert not still_open, f"a stay began while an older one was open: {before}"
        newest[stay.vehicle] = stay


def exits_end_the_open_stay(held: Held, stays: dict[At, Stay], verdicts: dict[At, Any]) -> None:
    """An exit that ended nothing had no stay open at its place, whatever entry it names."""
    spans: dict[Any, list[tuple[Key, Key]]] = {}
    for stay in stays.values():
        end = place(stay.closer, held) if stay.closer is not None else (2**62, "", 0, 0)
        spans.setdefault(stay.vehicle, []).append((stay.entry.key, end))
    for at, (verdict, _) in verdicts.items():
        if verdict == ENDED_NOTHING:
            event = held.events[at]
            if held.is_corrected(vehicle_of(event, held)):
                continue  # what ended its stay may stand elsewhere
            inside = [
                it
                for it in spans.get(vehicle_of(event, held), ())
                if it[0] < place(event, held) < it[1]
            ]
            assert not inside, f"an exit ended nothing: {at}, though it was inside"


def vehicle_of(event: Said, held: Held) -> Any:
    """The vehicle to which an event belongs: that of the entry it names, if it is here."""
    named = held.events.get(event.names) if event.kind == EXIT and event.names else None
    return (named or event).vehicle


def place(event: Said, held: Held) -> Key:
    """Where an event takes part: never before the entry it names."""
    named = held.events.get(event.names) if event.kind == EXIT and event.names else None
    return event.key if named is None else max(event.key, named.key)


# --- what edges were told ------------------------------------------------------------------------


def nothing_acknowledged_is_lost(world: World, held: Held) -> None:
    """What an edge was told yes to is on record, if any disk that had it is still there."""
    for ack in world.ledger.acks:
        for position in ack.positions:
            gone = position in world.ledger.lost or world.ledger.is_divided(position)
            if tuple(position) not in held.events and not gone:
                request = world.cameras.acts[ack.act].request
                raise AssertionError(f"lost: {request} was told {ack.answer} by {ack.by}")


def no_act_counts_twice(held: Held, verdicts: dict[At, Any]) -> None:
    """Of all events of one request and one vehicle, one counts."""
    counting: Counter[Any] = Counter()
    for event in held.events.values():
        if event.kind not in (ENTRY, EXIT) or event.act is None:
            continue
        if verdicts.get(event.at, ("", None))[0] not in (REPEATED, WAITING):
            counting[event.act, vehicle_of(event, held)] += 1
    twice = [act for act, count in counting.items() if count > 1]
    assert not twice, f"counts twice: {twice}"


def answers_agree(world: World) -> None:
    """A request that was recorded once is answered the same each time, wherever it asks."""
    first: dict[Any, tuple[str, dict[str, Any]]] = {}
    for ack in world.ledger.acks:
        if len(ack.positions) != 1 or world.ledger.is_divided(ack.positions[0]):
            continue
        answer = {k: v for k, v in ack.answer.items() if k != "history_id"}
        by, known = first.setdefault(ack.positions[0], (ack.by, answer))
        assert known == answer, f"answers differ: {by} said {known}, {ack.by} said {answer}"


def ids_stay(world: World, held: Held) -> None:
    """The row that an edge was told of is still that of its stay, where no older entry came."""
    if world.plan.votes or world.plan.roster or world.ledger.forks:
        return  # an entry that counts no more, and then again, may have a new row
    for name, told in world.ledger.ids.items():
        rows = disk_of(world.machines[name]).connection.execute(
            "SELECT id, event_id, camera_type FROM history"
        )
        ids = {row[1:]: row[0] for row in rows}
        for id, entries in told.items():
            for entry, older in entries:
                stay = held.stay_of(entry.at)
                if stay is None or stay.entry.at != entry.at:
                    continue
                # One that was erased since may have stood behind an older one of its plate, which
                # nobody can tell any more: each erase makes a vehicle of what it names.
                if held.events[entry.at].vehicle != entry.vehicle:
                    continue
                if older != held.before(entry) or held.is_corrected(entry.vehicle):
                    continue  # another may have had the stay for a while
                now = ids[stay.event_id, stay.vehicle[0]]
                assert now == id, f"id changed: {name} called {entry.at} {id}, now {now}"


def recorded_twice(world: World, held: Held) -> list[Act]:
    """The acts of edges that were recorded on both sides of a cut."""
    return [
        act
        for act in world.cameras.acts
        if len(held.acts.get((act.request["edge_id"], act.request.get("request_id")), ())) > 1
    ]


def gates_know_it(world: World, held: Held) -> None:
    """Every gate says of some plates what all the events come to, and that nothing is missing;
    asked again what was recorded twice, it says what it must."""
    world.settled = True
    plates = sorted(
        {act.request["plate_id"] for act in world.cameras.acts if "plate_id" in act.request}
    )
    for machine in world.centrals:
        for plate in world.chance.sample(plates, min(LOOKED_AT, len(plates))):
            seen = {"type": "DETECTION", "edge_id": "inspector", "plate_id": plate}
            machine.ask(FromEdge((b"-1",), orjson.dumps(seen)))
    for act in sorted(recorded_twice(world, held), key=lambda it: it.number)[:LOOKED_AT]:
        for machine in world.centrals:
            machine.ask(FromEdge((b"-1",), orjson.dumps(act.request)))
    world.run(50)
    assert not world.ledger.broken, world.ledger.broken[0]


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
        "edges": (len(central.edges._edges), gate_limits.EDGES_REMEMBERED),
        "requests to serve": (len(reactor._to_serve), sync_limits.SYNC_REQUESTS_WAITING),
        "plates": (len(disk._projection.vehicles._plates), limits.PLATES_REMEMBERED),
        "events unsent": (len(central._own_stream._unsent), 0),
        "vehicles to fold": (len(disk._projection._dirty), 0),
        "streams on their way": (len(central.asking._on_its_way), streams),
    }
    for edge_id, edge in central.edges._edges.items():
        sizes[f"detections of {edge_id}"] = (len(edge.detections), gate_limits.DETECTIONS_PER_EDGE)
        sizes[f"opens of {edge_id}"] = (len(edge.opens), gate_limits.DETECTIONS_PER_EDGE)
    for peer in central.peers.states.values():
        most = max(streams, sync_limits.STREAMS_OF_A_PEER) if world.rogue else streams
        sizes[f"heads of {peer.id}"] = (len(peer.sync.heads or ()), most)
        sizes[f"arriving of {peer.id}"] = (len(peer.sync.arriving), most)
        sizes[f"ahead of {peer.id}"] = (len(peer.sync.ahead), most)
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
    # Until its origin vouches for it with its new key, each peer is asked again after 1, 2, 4 s.
    peers = max(len(machine.peers) for machine in world.centrals)
    most += ASKS_WHILE_UNVOUCHED * peers * world.unvouched
    assert network.served <= most, f"storm: {network.served} events sent for {missing} missing"
    most = PAGES_OF_ONE_EVENT * missing + links * (10 + ASKS_A_LINK_AND_S * elapsed_s)
    assert network.asks <= most, (
        f"storm: {network.asks} requests for {missing} missing on {links} links in {elapsed_s} s"
    )


def nobody_is_taken_for_two(world: World) -> None:
    """A central that gets its own past back raises no alarm about another one of its id."""
    if world.plan.twin or world.rogue is not None or world.wrong_clocks or world.ledger.forks:
        return
    for machine in world.centrals:
        alarms = machine.problems() & {"DUPLICATE_ID", "STREAM_OVERTAKEN"}
        assert not alarms, f"false alarm: {machine.name} says {alarms}"
