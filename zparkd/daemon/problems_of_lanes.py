"""What `status` calls a problem of a lane: a watched plate, a camera that is still."""

from collections.abc import Iterator

from zparkd.core.view import View
from zparkd.daemon.problems import Problem, ProblemCode, problem


def problems_of_lanes(view: View) -> Iterator[Problem]:
    """What a person at the gates should know now."""
    for seen in view.watched:
        yield problem(
            ProblemCode.WATCHED_PLATE,
            f"{seen.plate_id} at {seen.edge_id}: {seen.words}",
            "zparkctl policy show names the plates to look out for; this goes after 10 minutes",
        )
    for edge_id, silent_ms in sorted(view.silent_edges.items()):
        yield problem(
            ProblemCode.SILENT_EDGE,
            f"{edge_id} says nothing for {silent_ms // 60_000} min",
            "look at the camera, its power and its network; zparkctl policy says after how long",
        )
