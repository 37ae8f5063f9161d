"""A line in the log for each event that this central recorded, once its camera has its answer.

Read from the very bytes that were published. They come by the thousand where a queue is worked
off, so all of it is made to cost little: no digest is taken again, and loguru is passed by.
"""

from collections.abc import Iterable, Iterator
from contextlib import suppress

import msgspec

from zparkd.core.central import Frames
from zparkd.core.events import Kind, event_id
from zparkd.core.wire import TOPIC_EVENTS
from zparkd.daemon.log import put
from zparkd.daemon.messages import Message

OF_KIND = {
    Kind.ENTRY.value: Message.VEHICLE_IN,
    Kind.CONFIRM.value: Message.VEHICLE_CONFIRMED,
    Kind.EXIT.value: Message.VEHICLE_OUT,
    Kind.SEEN.value: Message.VEHICLE_SEEN,
    Kind.MANUAL.value: Message.OPENED_BY_HAND,
}
_OF_A_STAY = (Kind.CONFIRM.value, Kind.EXIT.value)


class _Data(msgspec.Struct):
    """What is said of the `data` of a skeleton."""

    edge_id: str = ""
    camera_type: str | None = None
    names: tuple[str, int, int] | None = None
    entry_ms: int | None = None
    fee: int | None = None
    currency: str | None = None


class _Part(msgspec.Struct):
    """What is said of a skeleton, or of the personal part that follows it."""

    type: str = ""
    source_central: str = ""
    timestamp: int = 0
    data: _Data | None = None
    plate_id: str | None = None


_parts = msgspec.json.Decoder(list[_Part]).decode


def say_recorded(published: Iterable[Frames]) -> None:
    """Log the events among what was published."""
    for frames in published:
        if frames[0] == TOPIC_EVENTS:
            with suppress(msgspec.MsgspecError):  # a line is not worth the loop
                put(_lines(_parts(frames[2])))


def _lines(parts: list[_Part]) -> Iterator[tuple[Message, dict[str, object]]]:
    for skeleton, sealed in zip(parts[::2], parts[1::2], strict=True):
        message, data, plate = OF_KIND.get(skeleton.type), skeleton.data, sealed.plate_id
        if message is None or data is None:
            continue
        fields: dict[str, object] = {"edge": data.edge_id}
        if plate is not None:
            origin, ms = skeleton.source_central, skeleton.timestamp
            if skeleton.type in _OF_A_STAY and data.names is not None and data.entry_ms is not None:
                origin, ms = data.names[0], data.entry_ms
            fields["plate"] = plate
            fields["camera_type"] = data.camera_type
            fields["event_id"] = event_id(origin, ms, plate)
        if data.fee is not None:
            fields["fee"] = data.fee
            fields["currency"] = data.currency
        yield message, fields
