"""The forms of what is asked and answered, for `openapi`."""

from typing import Any

from zparkd.core import limits
from zparkd.core.plates import PLATE_ID
from zparkd.core.site import CAMERA_TYPE, CENTRAL_ID, EDGE_ID
from zparkd.web.auth.credentials import Role

_Schema = dict[str, Any]

_STRING: _Schema = {"type": "string"}
_STRING_OR_NULL: _Schema = {"type": ["string", "null"]}
_WHOLE: _Schema = {"type": "integer"}
_WHOLE_OR_NULL: _Schema = {"type": ["integer", "null"]}
_NUMBER_OR_NULL: _Schema = {"type": ["number", "null"]}
_FLAG: _Schema = {"type": "boolean"}
_TEXT: _Schema = {"type": "string", "maxLength": limits.TEXT_CHARACTERS}
_AMOUNT: _Schema = {"type": "integer", "minimum": 0, "maximum": limits.AMOUNT_MAX}
_CLOCK: _Schema = {"type": "string", "examples": ["06:00"]}
_MOMENT: _Schema = {"type": "string", "examples": ["2025-12-02 10:30:00"]}
_PORT: _Schema = {"type": "integer", "minimum": 1, "maximum": 65535}


def _object(required: dict[str, _Schema], **optional: _Schema) -> _Schema:
    """An object that has all of `required`, and may have the others and more."""
    return {
        "type": "object",
        "properties": {**required, **optional},
        "required": list(required),
    }


def _matching(pattern: str) -> _Schema:
    return {"type": "string", "pattern": f"^{pattern}$"}


_YES: dict[str, _Schema] = {"success": {"const": True}}
_ANSWERED: dict[str, _Schema] = {**_YES, "request_id": _STRING_OR_NULL}
_ERROR = _object({"code": _STRING, "message": _STRING})

_ROLE: _Schema = {"type": "string", "enum": ["central", "edge"]}

SCHEMAS: dict[str, _Schema] = {
    "Member": _object(
        {
            "id": _STRING,
            "standing": _STRING,
            "disowned": _FLAG,
            "fingerprint": _STRING_OR_NULL,
            "public_key": _STRING_OR_NULL,
            "address": _STRING_OR_NULL,
            "member": _FLAG,
        }
    ),
    "MemberEdge": _object(
        {
            "id": _STRING,
            "fingerprint": _STRING,
            "removed": _FLAG,
            "direction": _STRING_OR_NULL,
            "camera_type": _STRING_OR_NULL,
        }
    ),
    "Invitation": _object(
        {"member": _STRING, "role": _ROLE, "invited_by": _STRING, "until": _STRING}
    ),
    "Invite": _object(
        {"member": _TEXT},
        role=_ROLE,
        hours={"type": "integer", "minimum": 1, "maximum": 2160},
        replace=_FLAG,
        direction={"enum": ["ENTRY", "EXIT", None]},
        camera_type=_STRING_OR_NULL,
    ),
    "Invited": _object(
        {
            **_YES,
            "token": _STRING,
            "role": _ROLE,
            "member": _STRING,
            "number": _WHOLE,
            "until": _STRING,
            "addresses": {"type": "array", "items": _STRING},
            "qr": _object({"side": _WHOLE, "path": _STRING}),
        }
    ),
    "RemoveMember": _object({"member": _TEXT}, role=_ROLE),
    "Role": {"type": "string", "enum": [role.value for role in Role]},
    "Problem": _object(
        {
            "type": _STRING,
            "title": _STRING,
            "status": _WHOLE,
            "detail": _STRING,
            "success": {"const": False},
            "error": _ERROR,
        },
        request_id=_STRING_OR_NULL,
        faults={"type": "array", "items": _STRING},
    ),
    "Session": _object(
        {
            **_YES,
            "login_required": _FLAG,
            "first_login": _STRING_OR_NULL,
            "user": _STRING_OR_NULL,
            "staff_id": _STRING_OR_NULL,
            "role": {"$ref": "#/components/schemas/Role"},
            "csrf": _STRING,
            "central": _STRING,
            "site": _STRING,
            "timezone": _STRING,
            "language": {"type": "string", "enum": ["vi", "en"]},
        }
    ),
    "Login": _object({"user": _TEXT, "password": _TEXT}),
    "Config": {
        "type": "object",
        "additionalProperties": False,
        "properties": {
            "this_central": {
                "type": "object",
                "additionalProperties": False,
                "properties": {
                    "id": _matching(CENTRAL_ID.pattern),
                    "ip": _STRING,
                    "p2p_port": _PORT,
                    "api_port": _PORT,
                },
                "required": ["id"],
            },
            "peer_centrals": {
                "type": "array",
                "items": {
                    "type": "object",
                    "additionalProperties": False,
                    "properties": {
                        "id": _matching(CENTRAL_ID.pattern),
                        "ip": _STRING,
                        "p2p_port": _PORT,
                        "sync_port": _PORT,
                        "public_key": _STRING,
                    },
                    "required": ["id", "ip"],
                },
            },
        },
        "required": ["this_central", "peer_centrals"],
    },
    "Status": _object(
        {
            **_YES,
            "this_central": _STRING,
            "site": _STRING,
            "version": _STRING,
            "running": {"const": True},
            "standalone_mode": _FLAG,
            "total_peers": _WHOLE,
            "connected_peers": _WHOLE,
            "messages_sent": _WHOLE,
            "messages_received": _WHOLE,
            "vehicles_inside": _WHOLE,
            "events": _WHOLE,
            "only_here": _WHOLE,
            "open_conflicts": _WHOLE,
            "config_error": _STRING_OR_NULL,
            "problems": {
                "type": "array",
                "items": _object({"code": _STRING, "message": _STRING, "hint": _STRING}),
            },
            "edges": {
                "type": "array",
                "items": _object(
                    {
                        "edge_id": _STRING,
                        "last_seen": _STRING_OR_NULL,
                        "configured": _FLAG,
                        "lane": {"type": ["object", "null"]},
                    }
                ),
            },
            "peers": {
                "type": "array",
                "items": _object(
                    {
                        "peer_id": _STRING,
                        "peer_ip": _STRING,
                        "peer_port": _WHOLE,
                        "connected": _FLAG,
                        "last_ping_time": _STRING_OR_NULL,
                        "behind": _WHOLE_OR_NULL,
                        "lag": _WHOLE_OR_NULL,
                        "behind_when_heard": _WHOLE_OR_NULL,
                        "lag_when_heard": _WHOLE_OR_NULL,
                        "clock_offset_ms": _NUMBER_OR_NULL,
                        "version": _STRING_OR_NULL,
                        "error": _STRING_OR_NULL,
                    }
                ),
            },
        }
    ),
    "SyncState": _object(
        {
            "peer_central_id": _STRING,
            "last_sync_timestamp": _WHOLE,
            "last_sync_time": _STRING_OR_NULL,
            "updated_at": _STRING,
        }
    ),
    "EdgeRequest": _object(
        {"edge_id": _matching(EDGE_ID.pattern)},
        plate_id={
            "type": "string",
            "maxLength": limits.TEXT_CHARACTERS,
            "examples": ["29A-123.45"],
        },
        plate_view=_TEXT,
        camera_type=_matching(CAMERA_TYPE.pattern),
        direction={"type": "string", "enum": ["ENTRY", "EXIT"]},
        confidence={"type": "number", "minimum": 0, "maximum": 1},
        request_id={**_TEXT, "minLength": 1},
        captured_ms={"type": "integer", "minimum": 0, "maximum": limits.TIME_SHOWN_MS_MAX},
        staff_id=_TEXT,
        image=_TEXT,
        force=_FLAG,
        reason=_TEXT,
        event_id=_matching(f"{CENTRAL_ID.pattern}_[0-9]{{1,15}}_{PLATE_ID.pattern}"),
    ),
    "Detected": _object(
        {
            **_ANSWERED,
            "vehicle_info": _object(
                {"already_inside": _FLAG, "plate_id": _STRING},
                event_id=_STRING,
                entry_time=_STRING,
                source_central=_STRING,
                fee=_WHOLE,
                duration=_STRING,
                incomplete={"type": "array", "items": _STRING},
            ),
        }
    ),
    "Opened": _object(
        {**_ANSWERED, "action": {"type": "string", "enum": ["ENTRY", "EXIT", "MANUAL"]}},
        event_id=_STRING,
        history_id=_WHOLE_OR_NULL,
        fee=_WHOLE,
        currency=_STRING,
        duration=_STRING,
        duration_s=_WHOLE,
        unmatched=_FLAG,
    ),
    "Closed": _object(
        {**_ANSWERED, "action": {"type": "string", "enum": ["ENTRY_CONFIRMED", "NONE"]}},
        event_id=_STRING,
    ),
    "Stay": _object(
        {
            "id": _WHOLE,
            "event_id": _STRING,
            "source_central": _STRING,
            "edge_id": _STRING,
            "sync_status": {"type": "string", "enum": ["LOCAL", "SYNCED"]},
            "plate_id": _STRING,
            "plate_view": _STRING_OR_NULL,
            "camera_type": _STRING,
            "camera_name": _STRING,
            "confidence": _NUMBER_OR_NULL,
            "status": {"type": "string", "enum": ["IN", "OUT"]},
            "confirmed": {"type": "integer", "enum": [0, 1]},
            "closed_by": _STRING_OR_NULL,
            "entry_time": _STRING,
            "exit_time": _STRING_OR_NULL,
            "entry_ms": _WHOLE,
            "exit_ms": _WHOLE_OR_NULL,
            "exit_central": _STRING_OR_NULL,
            "exit_edge_id": _STRING_OR_NULL,
            "fee": _WHOLE_OR_NULL,
            "duration": _STRING_OR_NULL,
            "duration_s": _WHOLE_OR_NULL,
            "remarks": _STRING_OR_NULL,
        }
    ),
    "StoryEvent": _object(
        {
            "event_id": _STRING_OR_NULL,
            "kind": _STRING,
            "central": _STRING,
            "edge_id": _STRING_OR_NULL,
            "time": _STRING_OR_NULL,
            "time_ms": _WHOLE,
            "camera_type": _STRING_OR_NULL,
            "plate_view": _STRING_OR_NULL,
            "fee": _WHOLE_OR_NULL,
            "verdict": _STRING_OR_NULL,
            "counts_for": _STRING_OR_NULL,
            "forced": _FLAG,
            "reason": _STRING_OR_NULL,
            "staff_id": _STRING_OR_NULL,
            "by": _STRING_OR_NULL,
        }
    ),
    "TrafficRow": _object(
        {
            "key": _STRING,
            "entries": _WHOLE,
            "exits": _WHOLE,
            "revenue": _WHOLE,
            "currency": _STRING_OR_NULL,
        }
    ),
    "StreamEvent": _object(
        {"id": _WHOLE, "kind": _STRING_OR_NULL},
        event_id=_STRING_OR_NULL,
        plate_id=_STRING_OR_NULL,
        plate_view=_STRING_OR_NULL,
        camera_type=_STRING_OR_NULL,
        central=_STRING,
        edge_id=_STRING_OR_NULL,
        time=_STRING_OR_NULL,
        time_ms=_WHOLE,
        fee=_WHOLE_OR_NULL,
        currency=_STRING_OR_NULL,
        status={"enum": ["IN", "OUT", None]},
        forced=_FLAG,
        who=_STRING_OR_NULL,
        why=_STRING_OR_NULL,
    ),
    "Act": _object(
        {
            "time": _STRING_OR_NULL,
            "central": _STRING,
            "edge_id": _STRING_OR_NULL,
            "kind": _STRING,
            "forced": _FLAG,
            "who": _STRING,
            "why": _STRING_OR_NULL,
            "about": _STRING_OR_NULL,
            "plate_id": _STRING_OR_NULL,
            "camera_type": _STRING_OR_NULL,
            "event_id": _STRING_OR_NULL,
            "login": _STRING_OR_NULL,
            "staff_id": _STRING_OR_NULL,
            "uid": _WHOLE_OR_NULL,
            "counts": _FLAG,
            "time_ms": _WHOLE,
            "position": {"type": "array"},
        }
    ),
    "Conflict": _object(
        {
            "kind": _STRING,
            "plate_id": _STRING,
            "camera_type": _STRING,
            "event_id": _STRING,
            "stay": _STRING_OR_NULL,
            "central": _STRING,
            "edge_id": _STRING_OR_NULL,
            "time": _STRING,
            "fee": _WHOLE_OR_NULL,
        }
    ),
    "Tariff": _object(
        {
            **_YES,
            "version": _WHOLE_OR_NULL,
            "toml": _STRING,
            "rate": {"type": "array", "items": {"$ref": "#/components/schemas/Rate"}},
            "set_by": _STRING_OR_NULL,
            "set_at": _STRING_OR_NULL,
        }
    ),
    "Policy": _object(
        {
            **_YES,
            "version": _WHOLE_OR_NULL,
            "toml": _STRING,
            "policy": {"$ref": "#/components/schemas/PolicyDocument"},
            "set_by": _STRING_OR_NULL,
            "set_at": _STRING_OR_NULL,
        }
    ),
    "PolicyDocument": _object(
        {},
        capacity={"type": "object", "additionalProperties": _AMOUNT},
        entry=_object(
            {}, full={"type": "string", "enum": ["allow", "refuse"]}, not_taken_after_s=_AMOUNT
        ),
        exit=_object({}, misread={"type": "string", "enum": ["ask", "accept"]}),
        watch={"type": "object", "additionalProperties": _STRING},
        alerts=_object({}, silent_edge_min=_AMOUNT),
        privacy=_object({}, keep_days=_AMOUNT),
    ),
    "Rate": _object(
        {"camera_type": _matching(CAMERA_TYPE.pattern)},
        currency=_matching("[A-Z]{3}"),
        free_minutes=_AMOUNT,
        round_to=_AMOUNT,
        cap_24h=_AMOUNT,
        lost_ticket=_AMOUNT,
        step={
            "type": "array",
            "items": _object({"every_minutes": _AMOUNT, "amount": _AMOUNT}, until_minutes=_AMOUNT),
        },
        window={
            "type": "array",
            "items": _object({"from": _CLOCK, "to": _CLOCK, "amount": _AMOUNT}),
        },
    ),
    "Quote": _object(
        {**_YES, "fee": _WHOLE, "currency": _STRING, "minutes": _WHOLE},
        breakdown={
            "type": "array",
            "items": _object({"rule": _STRING, "amount": _WHOLE}),
        },
    ),
    "QuoteRequest": _object(
        {"entry": _MOMENT, "exit": _MOMENT},
        camera_type=_matching(CAMERA_TYPE.pattern),
        lost_ticket=_FLAG,
        toml=_STRING,
    ),
    "Health": _object({**_YES, "status": {"const": "OK"}}),
}
