"""`GET /openapi.json`: what can be asked, in the form that tools read.

The forms are the types beside it. Tests hold that it names every route and no other and that real
answers are of these forms, and another asks by it whatever can be asked.
"""

from types import ModuleType
from typing import Any, get_args

from msgspec import Struct, UnsetType, structs
from msgspec.json import schema_components
from starlette.requests import Request
from starlette.responses import Response

from zparkd import __version__
from zparkd.core import limits
from zparkd.core.gate.requests import Code
from zparkd.core.reports.records import By, Name
from zparkd.web import limits as web_limits
from zparkd.web.forms import acts, answers, bodies, documents, status
from zparkd.web.forms.bodies import CORRECTIONS
from zparkd.web.http.answers import PROBLEM, answer

_Schema = dict[str, Any]
_Operation = dict[str, Any]


_REF = "#/components/schemas/{name}"


def _ref(form: type[Struct]) -> _Schema:
    return {"$ref": _REF.format(name=form.__name__)}


def _forms(module: ModuleType) -> list[type[Struct]]:
    return [
        form
        for form in vars(module).values()
        if isinstance(form, type) and form.__module__ == module.__name__
    ]


def _schemas() -> dict[str, _Schema]:
    """The schemas of all forms by name. An answer has all that can't be left out."""
    said = [form for module in (acts, answers, documents, status) for form in _forms(module)]
    _, schemas = schema_components([*said, *_forms(bodies)], ref_template=_REF)
    for form in said:
        always = [one for one in structs.fields(form) if UnsetType not in get_args(one.type)]
        schemas[form.__name__]["required"] = [one.encode_name for one in always]
    return schemas


def _operation(
    summary: str,
    yes: type[Struct] | None,
    *parameters: _Schema,
    no: tuple[int, ...] = (),
    body: type[Struct] | None = None,
    media: str = "application/json",
    guarded: bool = True,
) -> _Operation:
    """One operation: what it answers, what it takes, and with which statuses it refuses."""
    content = {media: {"schema": _ref(yes)}} if yes is not None else {media: {}}
    # Any call may be told to log in, that it comes from elsewhere, or that something is away.
    refusals = sorted({*no, 400, 403, 421, 503, *((401,) if guarded else ())})
    operation: _Operation = {
        "summary": summary,
        "responses": {
            "200": {"description": "Done.", "content": content},
            **{str(status): {"$ref": "#/components/responses/problem"} for status in refusals},
        },
    }
    if parameters:
        operation["parameters"] = list(parameters)
    if body is not None:
        operation["requestBody"] = {
            "required": True,
            "content": {"application/json": {"schema": _ref(body)}},
        }
    if not guarded:
        operation["security"] = []
    return operation


def _query(name: str, schema: _Schema, about: str, required: bool = False) -> _Schema:
    found = {"name": name, "in": "query", "schema": schema, "description": about}
    return {**found, "required": True} if required else found


_TEXT = {"type": "string", "maxLength": limits.TEXT_CHARACTERS}
_KEY = {
    "name": "Idempotency-Key",
    "in": "header",
    "schema": {"type": "string", "minLength": 1, "maxLength": limits.TEXT_CHARACTERS},
    "description": "The request_id: a call repeated with it has no second effect.",
}
_IF_MATCH = {
    "name": "If-Match",
    "in": "header",
    "schema": {"type": "string"},
    "description": "The ETag of what was changed: refused where another changed it.",
}
_MOMENT = {"type": "string", "examples": ["2025-12-02", "2025-12-02 10:30:00"]}
_FROM = _query("from", _MOMENT, "Not before this: site time, a day or a second.")
_TO = _query("to", _MOMENT, "Not after this: site time, a day or a second.")
_FLAG = {"type": "string", "enum": ["1", "0", "true", "false"]}
_REFUSED_BY_GATE = (409, 413, 429)

_HISTORY = (
    _query("plate", _TEXT, "Only this plate, however it is written."),
    _query("match", {"type": "string", "enum": ["exact", "partial"]}, "Or a part of it."),
    _query("inside", _FLAG, "1: only vehicles that are inside."),
    _query(
        "limit",
        {"type": "integer", "minimum": 0, "maximum": web_limits.ROWS, "default": 50},
        f"At most this many; 0 for the most there may be, {web_limits.ROWS}; csv: else all.",
    ),
    _query("offset", {"type": "integer", "minimum": 0}, "Skip this many."),
    _FROM,
    _TO,
    _query("central", _TEXT, "Only what came in or left at this central."),
    _query("edge", _TEXT, "Only what came in or left at this edge."),
    _query("type", _TEXT, "Only this camera_type."),
    _query("format", {"type": "string", "enum": ["json", "csv"]}, "csv: as a file."),
)

PATHS: dict[str, dict[str, _Operation]] = {
    "/": {
        "get": _operation("The page for people.", None, media="text/html", no=(404,), guarded=False)
    },
    "/api/session": {"get": _operation("Who is asking.", answers.Session, guarded=False)},
    "/api/login": {
        "post": _operation(
            "Begin a session: its cookie comes with the answer.",
            answers.LoggedIn,
            body=bodies.Login,
            no=(401, 413, 429),
            guarded=False,
        )
    },
    "/api/logout": {"post": _operation("End the session.", answers.Yes, guarded=False)},
    "/api/p2p/config": {
        "get": _operation("This central and its peers.", answers.ConfigShown),
        "put": _operation(
            "Make this the configuration, all of it or nothing, with no restart.",
            answers.ConfigShown,
            _IF_MATCH,
            body=bodies.ConfigurationAsked,
            no=(409, 412, 413, 422),
        ),
    },
    "/api/p2p/status": {"get": _operation("What `zparkctl status --json` says.", status.Status)},
    "/api/p2p/test-connection": {
        "post": _operation(
            "Is a peer there, and who we think it is?",
            answers.Reached,
            _query("peer_id", _TEXT, "The id of a configured peer.", required=True),
            no=(404, 502, 504),
        )
    },
    "/api/p2p/sync-state": {
        "get": _operation(
            "Up to when all that each peer had is held here.",
            answers.SyncStates,
        )
    },
    "/api/members": {
        "get": _operation(
            "Who belongs to the site, and which invitations are open.",
            answers.Members,
        )
    },
    "/api/members/invite": {
        "post": _operation(
            "Invite a central or a camera.",
            answers.Invited,
            body=bodies.Invite,
            no=(404, 409, 413, 422, 429),
        )
    },
    "/api/members/remove": {
        "post": _operation(
            "End a membership, at all centrals.",
            answers.Removed,
            body=bodies.RemoveMember,
            no=(404, 409, 413, 422),
        )
    },
    "/api/edge/detection": {
        "post": _operation(
            "A camera saw a plate.",
            answers.Detected,
            _KEY,
            body=bodies.EdgeRequest,
            no=_REFUSED_BY_GATE,
        )
    },
    "/api/edge/barrier/open": {
        "post": _operation(
            "Open the barrier; a success is on the disk.",
            answers.Opened,
            _KEY,
            body=bodies.EdgeRequest,
            no=_REFUSED_BY_GATE,
        )
    },
    "/api/edge/barrier/close": {
        "post": _operation(
            "The barrier closed behind a vehicle.",
            answers.Closed,
            _KEY,
            body=bodies.EdgeRequest,
            no=_REFUSED_BY_GATE,
        )
    },
    "/api/parking/history": {
        "get": _operation(
            "Who came and went, newest entry first.",
            answers.History,
            *_HISTORY,
        )
    },
    "/api/parking/vehicles": {
        "get": _operation(
            "Who fits a plate or a part of one, the best first; look-alikes are forgiven.",
            answers.Vehicles,
            _query("plate", _TEXT, "A plate or a part of one.", required=True),
            _query(
                "limit",
                {"type": "integer", "minimum": 1, "maximum": web_limits.ROWS, "default": 50},
                "At most this many.",
            ),
        )
    },
    "/api/parking/vehicles/{plate_id}": {
        "get": _operation(
            "A vehicle's whole story, oldest first.",
            answers.Story,
            {"name": "plate_id", "in": "path", "required": True, "schema": _TEXT},
            no=(404,),
        )
    },
    "/api/parking/vehicles/{plate_id}/erase": {
        "post": _operation(
            "Have what is personal of a vehicle forgotten, at every central.",
            acts.Erased,
            {"name": "plate_id", "in": "path", "required": True, "schema": _TEXT},
            body=bodies.Erase,
            no=(404, 409, 413),
        )
    },
    "/api/pictures/{lane}/{day}/{name}": {
        "get": _operation(
            "A picture that an event names as its image, where it is on this machine.",
            None,
            *(
                {"name": name, "in": "path", "required": True, "schema": _TEXT}
                for name in ("lane", "day", "name")
            ),
            no=(404,),
            media="image/jpeg",
        )
    },
    "/api/parking/traffic": {
        "get": _operation(
            "How many came and went, and what they paid.",
            answers.Traffic,
            _FROM,
            _TO,
            _query("by", {"type": "string", "enum": ["hour", "gate", "type"]}, "What a row is."),
        )
    },
    "/api/audit": {
        "get": _operation(
            "Who did what, when and why, newest first.",
            acts.Acts,
            _query("since", _MOMENT, "Not before this: site time, a day or a second."),
            _TO,
            _query(
                "limit",
                {"type": "integer", "minimum": 1, "maximum": web_limits.ROWS, "default": 200},
                "At most this many.",
            ),
        )
    },
    "/api/conflicts": {
        "get": _operation(
            "Open conflicts: what a person should look at, newest first.",
            acts.Conflicts,
            _query("all", _FLAG, "1: those too that were acknowledged or settled."),
            _query(
                "limit",
                {"type": "integer", "minimum": 1, "maximum": web_limits.ROWS, "default": 200},
                "At most this many.",
            ),
        )
    },
    "/api/conflicts/ack": {
        "post": _operation(
            "Say that a conflict is dealt with.",
            acts.ConflictAcknowledged,
            body=bodies.AckConflict,
            no=(404, 409, 413),
        )
    },
    "/api/corrections/{act}": {
        "post": _operation(
            "Say what was otherwise of a stay: recorded as an event, nothing is rewritten.",
            acts.Recorded,
            {
                "name": "act",
                "in": "path",
                "required": True,
                "schema": {"type": "string", "enum": list(CORRECTIONS)},
            },
            body=bodies.Correction,
            no=(404, 409, 413),
        )
    },
    "/api/passes": {
        "get": _operation("Who leaves without paying, and until when.", documents.Passes),
        "put": _operation(
            "Make these the passes of the site; what is not among them is taken away.",
            documents.ListSet,
            _IF_MATCH,
            body=bodies.PassesAsked,
            no=(409, 412, 413, 422),
        ),
    },
    "/api/staff": {
        "get": _operation("Who may act.", documents.Staff),
        "put": _operation(
            "Make these the staff of the site; who is not among them is taken away.",
            documents.ListSet,
            _IF_MATCH,
            body=bodies.StaffAsked,
            no=(409, 412, 413, 422),
        ),
    },
    "/api/tariff": {
        "get": _operation("What the site charges.", documents.TariffShown),
        "put": _operation(
            "Set what the site charges, as JSON or TOML.",
            documents.TariffShown,
            body=bodies.Tariff,
            no=(413, 422),
        ),
    },
    "/api/tariff/check": {
        "post": _operation(
            "Judge a tariff, as JSON or TOML, without setting it.",
            documents.TariffChecked,
            body=bodies.Tariff,
            no=(413, 422),
        )
    },
    "/api/policy/check": {
        "post": _operation(
            "Judge a policy, as JSON or TOML, without setting it.",
            documents.PolicyChecked,
            body=bodies.Policy,
            no=(413, 422),
        )
    },
    "/api/tariff/quote": {
        "post": _operation(
            "What a stay would cost.",
            documents.Quoted,
            body=bodies.QuoteRequest,
            no=(413, 422),
        )
    },
    "/api/reports/{name}": {
        "get": _operation(
            "What the car park came to in a time: today up to now, where nothing is said.",
            answers.Report,
            {
                "name": "name",
                "in": "path",
                "required": True,
                "schema": {"type": "string", "enum": [name.value for name in Name]},
            },
            _query("from", _MOMENT, "From this on: site time, a day, a minute or a second."),
            _query("to", _MOMENT, "Before this; of a day, its end."),
            _query("by", {"type": "string", "enum": [by.value for by in By]}, "What a row is of."),
            _query("format", {"type": "string", "enum": ["json", "csv"]}, "csv: as a file."),
            no=(404,),
        )
    },
    "/api/events": {
        "get": _operation(
            "The events that arrived here last, newest first, as the stream tells them.",
            answers.Events,
            _query(
                "limit",
                {
                    "type": "integer",
                    "minimum": 1,
                    "maximum": web_limits.EVENTS_RESUMED,
                    "default": 50,
                },
                "At most this many.",
            ),
        )
    },
    "/api/policy": {
        "get": _operation("What gates do, with every default.", documents.PolicyShown),
        "put": _operation(
            "Set what gates do, as JSON or TOML. What is left out is as by default.",
            documents.PolicyShown,
            body=bodies.Policy,
            no=(413, 422),
        ),
    },
    "/api/stream": {
        "get": _operation(
            "Events and status as they come. `Last-Event-ID` resumes.",
            None,
            media="text/event-stream",
        )
    },
    "/metrics": {"get": _operation("For Prometheus.", None, media="text/plain")},
    "/healthz": {"get": _operation("Does the gateway turn?", answers.Healthy, guarded=False)},
    "/readyz": {"get": _operation("Can cameras be answered here?", answers.Healthy, guarded=False)},
    "/openapi.json": {"get": _operation("This document.", None, guarded=False)},
}

for _path in ("/api/tariff", "/api/policy"):
    for _operated in (PATHS[_path]["put"], PATHS[f"{_path}/check"]["post"]):
        _operated["requestBody"]["content"]["application/toml"] = {"schema": {"type": "string"}}
PATHS["/api/parking/history"]["get"]["responses"]["200"]["content"]["text/csv"] = {}
PATHS["/api/reports/{name}"]["get"]["responses"]["200"]["content"]["text/csv"] = {}

DOCUMENT: dict[str, Any] = {
    "openapi": "3.1.0",
    "info": {
        "title": "zparkd-web",
        "version": __version__,
        "description": "The gateway of one central of a car park.",
        "license": {"name": "MIT", "identifier": "MIT"},
    },
    "paths": PATHS,
    "security": [{}, {"token": []}, {"cookie": []}],
    "components": {
        "schemas": _schemas(),
        "responses": {
            "problem": {
                "description": "No, and why.",
                "content": {PROBLEM: {"schema": _ref(answers.No)}},
            }
        },
        "securitySchemes": {
            "token": {"type": "http", "scheme": "bearer"},
            "cookie": {"type": "apiKey", "in": "cookie", "name": "zparkd_session"},
        },
    },
    "x-refusals-of-the-gate": [code.value for code in Code],
}


async def openapi(_request: Request) -> Response:
    """The document."""
    return answer(DOCUMENT)
