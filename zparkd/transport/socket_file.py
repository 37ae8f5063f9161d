"""The file of a Unix socket: whether one can be made at a path without taking another's away."""

import errno
import os
import socket
import stat
from pathlib import Path

_PATIENCE_S = 1.0


def make_way(path: Path) -> None:
    """See that a Unix socket can be made there; ZeroMQ itself would remove whatever it finds.

    Raises OSError where somebody listens at `path`, or it is something else than a socket, or
    others could put theirs in its place.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    mode = path.parent.stat().st_mode
    if mode & stat.S_IWOTH and not mode & stat.S_ISVTX:
        raise OSError(errno.EPERM, f"others may change {path.parent}; chmod o-w {path.parent}")
    try:
        if not stat.S_ISSOCK(path.lstat().st_mode):
            raise OSError(errno.EEXIST, "what is there is no socket")
        with socket.socket(socket.AF_UNIX) as probe:
            probe.settimeout(_PATIENCE_S)
            probe.connect(str(path))
    except (FileNotFoundError, ConnectionRefusedError):
        return  # nothing, or what an earlier run left over
    raise OSError(errno.EADDRINUSE, os.strerror(errno.EADDRINUSE))
