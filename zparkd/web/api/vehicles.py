"""`GET /api/parking/vehicles`: who fits a plate; and `…/{plate_id}`: a vehicle's whole story.

A plate is found by itself, by a part of it, and by what it could be misread as, also where it
never had a stay. A story has its stays, the oldest first, and below them all that was ever
recorded of it: what each event came to, and for which stay it counts. That was decided by the
rules of the stays; here it is only looked up. A picture that an event names is
`GET /api/pictures/{lane}/{day}/{name}`.
"""

import functools
from datetime import tzinfo
from http import HTTPStatus

from starlette.requests import Request
from starlette.responses import Response

from zparkd.core.plates import Fit
from zparkd.storage.readers.vehicles import Judged, find, story
from zparkd.web import limits
from zparkd.web.api.history import part_of_plate, plate_id
from zparkd.web.api.stream import site_time_or_none
from zparkd.web.backend.database import Database
from zparkd.web.backend.pictures import REFERENCE, Pictures
from zparkd.web.forms.answers import FoundVehicle, Story, StoryEvent, Vehicles
from zparkd.web.http import asked
from zparkd.web.http.answers import Problem, answer, bad

_FITS = {Fit.SAME: "same", Fit.PART: "part", Fit.ALIKE: "alike"}
_ROWS = 50


async def search(request: Request) -> Response:
    """The vehicles that fit a plate or a part of one, the best and the latest first."""
    asked_for = asked.text(request, "plate")
    if asked_for is None:
        raise bad("plate: is missing: a plate or a part of one")
    limit = asked.whole(request, "limit", _ROWS, 1, limits.ROWS)
    zone: tzinfo = request.app.state.site.zone
    database: Database = request.app.state.database
    part = part_of_plate(asked_for)
    rows, total = await database.read(functools.partial(find, asked=part, limit=limit))
    vehicles = [
        FoundVehicle(
            plate_id=row["plate_id"],
            plate_view=row["plate_view"],
            camera_type=row["camera_type"],
            fit=_FITS[fit],
            inside=bool(row["inside"]),
            stays=row["stays"],
            entry_time=site_time_or_none(row["entry_ms"], zone) if row["entry_ms"] else None,
        )
        for fit, row in rows
    ]
    return answer(Vehicles(vehicles=vehicles, plates=total))


async def vehicle(request: Request) -> Response:
    """The story of the vehicles with one plate."""
    plate = plate_id(request.path_params["plate_id"])
    zone: tzinfo = request.app.state.site.zone
    database: Database = request.app.state.database
    limit = limits.STORY_EVENTS
    found = await database.read(functools.partial(story, plate_id=plate, limit=limit))
    if not found.events:
        message = f"{plate}: no vehicle with this plate was ever here"
        raise Problem(HTTPStatus.NOT_FOUND, "unknown_plate", message)
    events = [_shown(one, zone) for one in found.events]
    return answer(Story(plate_id=plate, stays=found.stays, events=events))


def _shown(one: Judged, zone: tzinfo) -> StoryEvent:
    event = one.event
    facts, personal = event.facts, event.personal
    return StoryEvent(
        event_id=event.event_id,
        kind=event.kind,
        central=event.position.origin,
        edge_id=facts.edge_id if facts is not None else None,
        time=site_time_or_none(event.timestamp, zone),
        time_ms=event.timestamp,
        camera_type=facts.camera_type if facts is not None else None,
        plate_view=personal.plate_view if personal is not None else None,
        fee=facts.fee if facts is not None else None,
        verdict=one.verdict,
        counts_for=one.stay,
        forced=facts is not None and facts.forced,
        reason=personal.reason if personal is not None else None,
        staff_id=personal.staff_id if personal is not None else None,
        image=_image(personal.image if personal is not None else None),
        by=str(facts.by) if facts is not None and facts.by is not None else None,
    )


def _image(reference: str | None) -> str | None:
    """The reference of a picture that may be here; whatever else a camera wrote there is none."""
    return reference if reference is not None and REFERENCE.fullmatch(reference) else None


async def picture(request: Request) -> Response:
    """One picture, where it is on this machine."""
    pictures: Pictures = request.app.state.pictures
    reference = "/".join(request.path_params[part] for part in ("lane", "day", "name"))
    found = await pictures.find(reference)
    if found is None:
        message = f"{reference[:80]}: no such picture here, or the cameras' process does not run"
        raise Problem(HTTPStatus.NOT_FOUND, "no_picture", message)
    # What a reference names never changes; and it is not for the caches of others.
    headers = {"Cache-Control": "private, max-age=86400, immutable"}
    return Response(found.data, media_type=found.type, headers=headers)
