"""What talks to a central: cameras (`EdgeClient`) and tools (`ControlClient`).

A tool loads nothing of what only cameras need, so that `zparkctl status` starts fast.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from zparkd.client.control import ControlClient, DaemonUnreachable

if TYPE_CHECKING:
    from zparkd.client.edge import EdgeClient, NoAnswer

__all__ = ["ControlClient", "DaemonUnreachable", "EdgeClient", "NoAnswer"]


def __getattr__(name: str) -> Any:
    if name in __all__:
        return getattr(import_module("zparkd.client.edge"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
