"""The page for people: the files in `static/`, and nothing else of this machine's disk."""

from pathlib import Path

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

STATIC = Path(__file__).parents[1] / "static"
# Asked each time whether it changed: an update of zparkd shows at once, and costs 304s.
_CACHE = "no-cache"


class Static(StaticFiles):
    """The files under /static/."""

    def __init__(self) -> None:
        super().__init__(directory=STATIC, check_dir=False)

    async def get_response(self, path: str, scope: Scope) -> Response:
        """A file, or 304 where the browser has it."""
        response = await super().get_response(path, scope)
        response.headers["Cache-Control"] = _CACHE
        return response


async def index(_request: Request) -> Response:
    """The page itself."""
    if not (STATIC / "index.html").is_file():
        raise HTTPException(404)
    return FileResponse(
        STATIC / "index.html", media_type="text/html", headers={"Cache-Control": _CACHE}
    )
