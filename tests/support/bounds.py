"""Where the bounds of zparkd stand, by name."""

from types import ModuleType

import zparkd.core.gate.limits
import zparkd.core.limits
import zparkd.core.members.limits
import zparkd.core.replication.limits
import zparkd.core.tariff.limits

PLACES = (
    zparkd.core.limits,
    zparkd.core.gate.limits,
    zparkd.core.members.limits,
    zparkd.core.replication.limits,
    zparkd.core.tariff.limits,
)


def place_of(name: str) -> ModuleType:
    """The module that holds a bound. Raises LookupError where none or several do."""
    found = [module for module in PLACES if hasattr(module, name)]
    if len(found) != 1:
        raise LookupError(f"{name} stands in {[module.__name__ for module in found]}")
    return found[0]
