"""The commands for members: who they are, and what this central says of one.

    member.list                                who there is, and how each stands
    member.show      {"member": ID}            the same of one, with its streams
    member.disown    {"member": ID, "since_ms": MS or null}
    member.restore   {"member": ID}
    member.admit     {"member": ID}

What is said of a member is an event, and with those of other centrals decides. So the answer tells
what holds now, as far as it is known here: see `zparkd.core.members.votes`.
"""

from collections.abc import Callable, Iterable
from typing import Any

from zparkd.core import limits
from zparkd.core.central import Central
from zparkd.core.clock import Now
from zparkd.core.events.event import Position, Stream
from zparkd.core.keys import fingerprint
from zparkd.core.members.joining import as_row
from zparkd.core.members.roster import Member
from zparkd.core.members.roster_words import Role
from zparkd.core.members.votes import Voices
from zparkd.core.site import CENTRAL_ID
from zparkd.core.turn import Admit, Change, Disown, Restore
from zparkd.daemon.control.commands import Answer, Command, Request, Wants, no

_NOBODY = Voices(frozenset(), frozenset())


def member_commands(central: Central, now: Callable[[], Now]) -> dict[str, Command]:
    """The table of them, for one central."""
    log = central.log

    def of(member: str) -> dict[str, Any]:
        streams = [stream for stream in log.heads if stream.origin == member]
        return _member(central, member, streams)

    def show(request: Request) -> Answer:
        member = request.get("member")
        edge = central.roster.state.members.get((Role.EDGE, str(member)))
        if edge is not None and member not in _known(central):
            return _yes(of(edge.id) | {"membership": member_row(edge), "heads": []})
        if (refused := _unknown(central, member)) is not None:
            return refused
        assert isinstance(member, str)
        streams = sorted(stream for stream in log.heads if stream.origin == member)
        return _yes({**of(member), "heads": [_stream(central, stream) for stream in streams]})

    def said(request: Request, change: Callable[[str], Change]) -> Answer | Wants:
        member = request.get("member")
        if (refused := _unknown(central, member)) is not None:
            return refused
        assert isinstance(member, str)
        if member == central.settings.id:
            return no("own", f"{member} is this central: what it says of itself does not count")
        return Wants(change(member), lambda _: _yes(of(member)))

    def disown(request: Request) -> Answer | Wants:
        since = request.get("since_ms")
        if since is not None and not (isinstance(since, int) and 0 <= since <= limits.TIME_MS_MAX):
            return no("bad_request", "since_ms: must be a time in ms, or null")
        return said(request, lambda member: Disown(member, since, request["by"]))

    def restore(request: Request) -> Answer | Wants:
        return said(request, lambda member: Restore(member, request["by"]))

    def admit(request: Request) -> Answer | Wants:
        return said(request, lambda member: Admit(member, request["by"]))

    return {
        "member.list": lambda _: _yes({"members": [*_members(central)]} | _roster(central, now())),
        "member.show": show,
        "member.disown": disown,
        "member.restore": restore,
        "member.admit": admit,
    }


def _yes(answer: dict[str, Any]) -> Answer:
    return {"success": True, **answer}


def _unknown(central: Central, member: object) -> Answer | None:
    """The refusal of a name that is none, or that nothing is known of."""
    if not isinstance(member, str) or CENTRAL_ID.fullmatch(member) is None:
        return no("bad_request", "member: must be the id of a central")
    if member not in _known(central):
        known = ", ".join(sorted(_known(central)))
        return no("unknown_member", f"{member} is not known here; known are {known}")
    return None


def _known(central: Central) -> set[str]:
    origins = {stream.origin for stream in central.log.heads}
    said = set(central.log.members.verdicts.voices)
    waiting = {*central.admission.waiting, *central.admission.removed}
    roster = {id for role, id in central.roster.state.members if role is Role.CENTRAL}
    return origins | said | waiting | roster | _peers(central) | {central.settings.id}


def _members(central: Central) -> Iterable[dict[str, Any]]:
    streams: dict[str, list[Stream]] = {}
    for stream in central.log.heads:
        streams.setdefault(stream.origin, []).append(stream)
    return (_member(central, id, streams.get(id, [])) for id in sorted(_known(central)))


def _member(central: Central, id: str, streams: list[Stream]) -> dict[str, Any]:
    """How a member stands here. Of its events those that count, of its streams the newest."""
    verdicts, heads = central.log.members.verdicts, central.log.heads
    voices = verdicts.voices.get(id, _NOBODY)
    newest = max(streams, default=None)
    held = central.roster.state.members.get((Role.CENTRAL, id))
    return {
        "member": id,
        "standing": _standing(central, id),
        "disowned": id in verdicts.disowned,
        "disowned_by": sorted(voices.against),
        "restored_by": sorted(voices.for_it),
        "streams": len(streams),
        "events": sum(heads[stream] for stream in streams),
        "events_counting": sum(min(heads[s], verdicts.up_to(s)) for s in streams),
        "last_ms": _stamp(central, newest, heads[newest]) if newest is not None else None,
        "fingerprint": fingerprint(held.public_key) if held is not None else None,
        "membership": member_row(held) if held is not None else None,
    }


def _roster(central: Central, now: Now) -> dict[str, Any]:
    """Cameras that joined, and the invitations that are known."""
    state = central.roster.state
    edges = [member_row(it) for _, it in sorted(state.members.items()) if it.role is Role.EDGE]
    invitations = [
        {
            "role": one.said.role,
            "member": one.said.member,
            "number": one.said.number,
            "expires_ms": one.said.expires_ms,
            "invited_by": one.position.origin,
            "used_by": fingerprint(one.used.public_key) if one.used else None,
            "used_ms": one.used.at_ms if one.used else None,
            "open": one.used is None and not central.roster.is_over(one, now),
        }
        for one in sorted(state.invitations.values(), key=lambda one: one.made_ms, reverse=True)
    ]
    return {"edges": edges, "invitations": invitations}


def member_row(member: Member) -> dict[str, Any]:
    """A membership, as answers have it."""
    return {
        **as_row(member),
        "fingerprint": fingerprint(member.public_key),
        "removed": member.removed,
        "joined_ms": member.joined_ms,
    }


def _standing(central: Central, id: str) -> str:
    """How this central came to know it."""
    if id in central.roster.state.removed(Role.CENTRAL):
        return "removed"
    if id == central.settings.id:
        return "this central"
    if id in _peers(central):
        return "peer"
    if id in central.log.signed.removed():
        return "removed"
    return "waits" if id in central.admission.waiting else "through peers"


def _stream(central: Central, stream: Stream) -> dict[str, Any]:
    head = central.log.heads[stream]
    return {
        "epoch": stream.epoch,
        "head": head,
        "counts_to": min(head, central.log.members.verdicts.up_to(stream)),
        "first_ms": _stamp(central, stream, 1),
        "last_ms": _stamp(central, stream, head),
    }


def _stamp(central: Central, stream: Stream, seq: int) -> int | None:
    event = central.log.event(Position(*stream, seq))
    return event.timestamp if event is not None else None


def _peers(central: Central) -> set[str]:
    return {peer.id for peer in central.settings.peers}
