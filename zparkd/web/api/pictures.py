"""`GET /api/pictures/{lane}/{day}/{name}`: a picture that a camera took, as an event names it."""

from http import HTTPStatus

from starlette.requests import Request
from starlette.responses import Response

from zparkd.web.backend.pictures import Pictures
from zparkd.web.http.answers import Problem


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
