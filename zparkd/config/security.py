"""What the files of a configuration must say of security, all of them together.

In curve mode every peer and every edge has a key, and no two have the same, since the key says
who speaks. In plain mode no address is beyond this machine, unless that is allowed by name.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from zparkd.config.schema import SecurityMode
from zparkd.config.toml import Source
from zparkd.config.values import is_loopback


def check_security(
    main: Source,
    got: Mapping[str, Mapping[str, Any]],
    peers: Sequence[tuple[Source, Mapping[str, Any]]],
    edges: Sequence[tuple[Source, Mapping[str, Any]]],
) -> None:
    """Refuse who has no key of its own, and plain traffic beyond this machine unless allowed."""
    mode = got["security"].get("mode")
    if mode is SecurityMode.CURVE:
        _keys_of_all([*peers, *edges])
    if mode is not SecurityMode.PLAIN or got["security"].get("allow_insecure", True):
        return
    said: list[tuple[Source, tuple[str, ...], Mapping[str, Any]]] = [
        (main, ("listen", "address"), got["listen"])
    ]
    said += [(peer, ("address",), its) for peer, its in peers]
    for source, place, its in said:
        if (address := its.get("address")) and not is_loopback(address):
            source.fault(
                place,
                f"mode plain protects nothing and {address} is not loopback; write a loopback"
                " address such as 127.0.0.1, or allow_insecure = true in [security]",
            )


def _keys_of_all(sources: Sequence[tuple[Source, Mapping[str, Any]]]) -> None:
    """Each peer and each edge has a key, and nobody else has the same: it says who speaks."""
    first: dict[str, tuple[Source, str]] = {}
    for source, its in sources:
        if "public_key" in its and its["public_key"] is None:
            source.fault(
                ("public_key",),
                'is missing, and mode is curve; write public_key = "..." with what'
                " `zparkctl keygen --public FILE` prints there",
            )
        for name in ("public_key", "next_public_key"):
            if (key := its.get(name)) is None:
                continue
            other, place = first.setdefault(key, (source, name))
            if (other, place) != (source, name):
                source.fault(
                    (name,),
                    f"is the {place} in {other.file}:{other.line((place,))} too;"
                    " each has a key of its own",
                )
