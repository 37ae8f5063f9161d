"""What talks to a central: cameras (`EdgeClient`) and tools (`ControlClient`)."""

from zparkd.client.control import ControlClient, DaemonUnreachable
from zparkd.client.edge import EdgeClient, NoAnswer

__all__ = ["ControlClient", "DaemonUnreachable", "EdgeClient", "NoAnswer"]
