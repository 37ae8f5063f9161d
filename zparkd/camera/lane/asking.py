"""Asking the centrals in the name of a lane: in time for a driver who waits, or in peace later."""

from collections.abc import Mapping
from typing import Any

from zparkd.camera.config import LaneConfig
from zparkd.client import edge_file
from zparkd.client.edge import EdgeClient, NoAnswer

__all__ = ["DEADLINE_S", "Centrals", "NoAnswer"]

DEADLINE_S = 2.0  # for an answer, from all centrals together; later no barrier opens
_TRY_AT_LEAST_S = 0.4

Answer = dict[str, Any]


class Centrals:
    """The centrals of a lane, for one thread."""

    def __init__(self, lane: LaneConfig, only: int | None = None) -> None:
        """Connects nowhere yet; with `only` it is the central of this number alone.

        Raises ValueError or OSError where the lane's key can't be had.
        """
        tries = max(1, len(lane.centrals))
        timeout_s = max(_TRY_AT_LEAST_S, DEADLINE_S / tries)
        if lane.joined is not None and only is None:
            self._edge = EdgeClient.join("", lane.joined, timeout_s=timeout_s, attempts=1)
            return
        some = slice(None) if only is None else slice(only, only + 1)
        kept = edge_file.kept(lane.joined) if lane.joined is not None else None
        centrals = kept.centrals if kept is not None else lane.centrals
        self._edge = EdgeClient(
            lane.edge_id,
            centrals[some],
            timeout_s=timeout_s,
            attempts=1,
            secret_key_file=lane.secret_key_file,
            secret_key=kept.secret if kept is not None else None,
            public_keys=(kept.public_keys if kept is not None else lane.public_keys)[some],
        )

    def ask(self, request_type: str, fields: Mapping[str, object]) -> Answer:
        """The answer of the first central that gives one. Raises NoAnswer."""
        return self._edge.request(request_type, fields)

    def time_ms(self) -> int:
        """What time a central has, ms since 1970 UTC. Raises NoAnswer."""
        answer = self._edge.ping()
        time_ms = answer.get("time_ms")
        if answer.get("success") is not True or not isinstance(time_ms, int):
            raise NoAnswer(str(answer.get("request_id")), [("central", "no answer to a ping")])
        return time_ms

    def close(self) -> None:
        """Give back the sockets."""
        self._edge.close()
