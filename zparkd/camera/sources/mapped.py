"""JSON of any other camera or program: which member means what, a lane's file says."""

from dataclasses import dataclass

from zparkd.camera.read import (
    PICTURES,
    At,
    Message,
    Travel,
    confidence_of,
    read_of,
    time_of,
    travel_of_degrees,
)
from zparkd.camera.sources.json_object import member, object_and_pictures, picture_of

Place = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Mapping:
    """Where in a JSON object each thing stands, as the way there; None where nowhere.

    `top` is what full confidence is written as. `forward` and `reverse` are the camera's words;
    a direction that is a number is in degrees. Without a `time` what comes is taken for new.
    """

    plate: Place
    confidence: Place | None = None
    top: float = 1.0
    time: Place | None = None
    direction: Place | None = None
    forward: tuple[str, ...] = ()
    reverse: tuple[str, ...] = ()
    uid: Place | None = None
    picture: Place | None = None

    def decode(self, body: bytes, content_type: str, at: At) -> Message:
        """The read that stands in the object."""
        found, pictures = object_and_pictures(body, content_type)

        def at_place(place: Place | None) -> object:
            return member(found, *place) if place is not None else None

        if at_place(self.plate) is None:
            return Message(about="an object without a plate")
        pictures += picture_of("picture", at_place(self.picture))
        direction, when = at_place(self.direction), at_place(self.time)
        read = read_of(
            at_place(self.plate),
            captured_ms=at.now_ms if self.time is None else time_of(when, at),
            confidence=confidence_of(at_place(self.confidence), self.top),
            travel=self._travel(direction),
            uid=at_place(self.uid),
            raw={
                "time": when,
                "confidence": at_place(self.confidence),
                "direction": direction,
            },
        )
        return Message((read,), tuple(pictures[:PICTURES]))

    def _travel(self, direction: object) -> Travel:
        if direction in self.forward:
            return Travel.FORWARD
        if direction in self.reverse:
            return Travel.REVERSE
        return travel_of_degrees(direction)


def place_of(text: str) -> Place:
    """The way that `data.results.0.plate` stands for."""
    return tuple(int(word) if word.isdecimal() else word for word in text.split("."))
