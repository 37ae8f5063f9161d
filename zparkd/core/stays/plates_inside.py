"""The plates that are inside, found by what they could be misread as.

Kept up to date stay by stay, so that neither a misread plate nor the question how many are inside
costs a look at all of them.
"""

from collections import Counter
from collections.abc import Iterable

from zparkd.core.events.event import VehicleKey
from zparkd.core.plates import likeness, look_of, looks_near


class PlatesInside:
    """The vehicles of the open stays, each by the `history` id of its stay."""

    def __init__(self, stays: Iterable[tuple[int, VehicleKey]] = ()) -> None:
        """Begin with these open stays."""
        self._vehicles: dict[int, VehicleKey] = {}
        self._by_look: dict[str, tuple[int, ...]] = {}
        self._of_type: Counter[str] = Counter()
        for id, vehicle in stays:
            self.opened(id, vehicle)

    def opened(self, id: int, vehicle: VehicleKey) -> None:
        """The stay with this id is open, and of this vehicle; it may have been so before."""
        if self._vehicles.get(id) == vehicle:
            return
        self.closed(id)
        look = look_of(vehicle.plate_id)
        self._vehicles[id] = vehicle
        self._by_look[look] = (*self._by_look.get(look, ()), id)
        self._of_type[vehicle.camera_type] += 1

    def closed(self, id: int) -> None:
        """The stay with this id is not open, if there is one; it may never have been."""
        vehicle = self._vehicles.pop(id, None)
        if vehicle is None:
            return
        look = look_of(vehicle.plate_id)
        left = tuple(other for other in self._by_look[look] if other != id)
        if left:
            self._by_look[look] = left
        else:
            del self._by_look[look]
        self._of_type[vehicle.camera_type] -= 1

    def count(self, camera_type: str | None = None) -> int:
        """How many vehicles are inside, of a type or in all."""
        return len(self._vehicles) if camera_type is None else self._of_type[camera_type]

    def alike(self, plate_id: str) -> set[VehicleKey]:
        """The vehicles inside of which this plate could be a misreading."""
        found = (id for look in set(looks_near(plate_id)) for id in self._by_look.get(look, ()))
        vehicles = {self._vehicles[id] for id in found}
        return {it for it in vehicles if likeness(plate_id, it.plate_id) is not None}
