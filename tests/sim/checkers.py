"""What must hold of a simulated site once it is healed; each raises AssertionError if not."""

from typing import Any

from tests.sim.world import Node, World
from zparkd.core.events import Event, Position, read
from zparkd.core.sessions import project

LOCAL_COLUMNS = ("id", "sync_status")


def check(world: World) -> None:
    """All of it."""
    nodes = list(world.nodes.values())
    heads = [dict(node.store.heads) for node in nodes]
    assert all(h == heads[0] for h in heads), f"heads differ: {heads}"
    for node in nodes:
        chain_is_whole(node)
    histories = [history(node) for node in nodes]
    assert all(h == histories[0] for h in histories), "histories differ"
    for node in nodes:
        equals_projection_from_scratch(node)
    acknowledged_once(world, nodes[0])


def events_of(node: Node) -> list[Event]:
    """All events on a node's disk."""
    rows = node.store._connection.execute("SELECT skeleton, sealed FROM events ORDER BY at")
    return [read(*row) for row in rows]


def history(node: Node) -> list[dict[str, Any]]:
    """The rows of `history`, but for what is a central's own."""
    cursor = node.store._connection.execute("SELECT * FROM history ORDER BY event_id")
    names = [column[0] for column in cursor.description]
    rows = [dict(zip(names, row, strict=True)) for row in cursor]
    return [{k: v for k, v in row.items() if k not in LOCAL_COLUMNS} for row in rows]


def chain_is_whole(node: Node) -> None:
    """Each stream has no gap, and each event continues the one before it."""
    last: dict[tuple[str, int], Event] = {}
    for event in sorted(events_of(node), key=lambda event: event.position):
        before = last.get(event.position.stream)
        assert event.position.seq == (before.position.seq if before else 0) + 1, event.position
        assert event.prev == (before.hash if before else ""), f"chain broken at {event.position}"
        last[event.position.stream] = event


def equals_projection_from_scratch(node: Node) -> None:
    """The stays kept step by step are those of the whole set."""
    wanted = project(events_of(node))
    inside: dict[Any, int] = {}
    rows = node.store._connection.execute("SELECT count(*) FROM sessions").fetchone()[0]
    assert rows == len(wanted.stays)
    for position, stay in wanted.stays.items():
        held = node.store.stay_of(position)
        assert held is not None, f"{node.id} has no stay of {position}"
        assert held.stay == stay, f"{node.id}: {held.stay} is not {stay}"
        if stay.closed_by is None:
            inside[stay.vehicle] = inside.get(stay.vehicle, 0) + 1
    assert all(count == 1 for count in inside.values()), "a vehicle is inside twice"


def acknowledged_once(world: World, node: Node) -> None:
    """Each act that was told yes is on record, and counts once."""
    recorded: dict[str, list[Event]] = {}
    for event in events_of(node):
        if event.facts is not None and event.facts.request_id is not None:
            recorded.setdefault(event.facts.request_id, []).append(event)
    stays = project(events_of(node))
    for act in world.acts:
        if act.answer is None or not act.answer["success"]:
            continue
        events = recorded.get(act.request["request_id"], [])
        if act.answer.get("action") == "NONE":
            continue
        assert events, f"lost: {act.request} was told {act.answer}"
        if act.request["type"] == "BARRIER_OPEN":
            counting = [e for e in events if _counts(e.position, stays)]
            assert len(counting) == 1, f"{act.request} counts {len(counting)} times"


def _counts(position: Position, stays: Any) -> bool:
    judged = stays.judged.get(position)
    return judged is None or judged.verdict.value != "REPEATED"
