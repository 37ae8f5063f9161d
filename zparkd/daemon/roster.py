"""The roster at work: who comes with an invitation is answered, and files follow the events.

What is new is applied at once. What takes a key away waits a moment, so that whoever it was hears
of it before nobody speaks to it any more.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from zparkd.config import roster_files
from zparkd.config.atomic_file import put_file
from zparkd.config.load import Config
from zparkd.config.roster_files import EDGES, PEERS
from zparkd.core import limits
from zparkd.core.central import Central
from zparkd.core.clock import Now
from zparkd.core.members import limits as member_limits
from zparkd.core.members.joining import as_row
from zparkd.core.members.roster import EMPTY, RosterState
from zparkd.core.members.roster_acts import Join
from zparkd.core.members.roster_words import Role
from zparkd.daemon.key_change import KeyChange, Step, awaited
from zparkd.daemon.problems import Problem, ProblemCode, problem
from zparkd.daemon.transactions import Committed
from zparkd.transport.bus import Bus, Joins


class RosterAtWork:
    """The roster of one daemon. Does nothing without keys."""

    def __init__(self, central: Central, bus: Bus, config: Config) -> None:
        self._central = central
        self._bus = bus
        self._config = config
        self._applied: RosterState = EMPTY
        self._seen: RosterState = EMPTY
        self._due_ms = 0
        self._keys_due_ms = 0
        self._unwritten: str | None = None
        self.key_change = KeyChange(central, lambda: self._config)

    @property
    def own_key(self) -> str | None:
        """The public key of this central; None without keys."""
        own = self._bus.keys.own
        return own.public.decode() if own is not None else None

    @property
    def id_is_taken(self) -> bool:
        """Whether this machine joined under an id that was another's before."""
        state, own = self._central.roster.state, self._central.settings.id
        if not state.lost or (Role.CENTRAL, own, self.own_key) not in state.lost:
            return False
        return self.own_key not in state.members[Role.CENTRAL, own].public_keys

    @property
    def member_ids(self) -> list[str]:
        """The centrals of the roster."""
        return [member.id for member in self._central.roster.state.active(Role.CENTRAL)]

    @property
    def is_removed(self) -> bool:
        """Whether the membership of this central has ended."""
        return self._central.settings.id in self._central.roster.state.removed(Role.CENTRAL)

    def turn(
        self,
        now: Now,
        joins: Sequence[Joins],
        step: Step,
        reload: Callable[[], object],
    ) -> None:
        """Answer who wants to join, and have files and keys as the roster says."""
        own_key = self.own_key
        if own_key is None:
            return
        for asked in joins:
            done = step(now, [Join(asked.key, asked.body, asked.came_from, own_key)])
            if isinstance(done, Committed) and isinstance(done.result.outcomes[0], bytes):
                self._bus.answer_join(asked, done.result.outcomes[0])
        self.key_change.turn(now, lambda: self.own_key, step, reload)
        state = self._central.roster.state
        if state is EMPTY:
            return
        if state is not self._seen or now.mono_ms >= self._keys_due_ms:
            self._keys_due_ms = now.mono_ms + limits.TURN_AT_LEAST_MS
            self._bus.admit_invited(frozenset(self._central.roster.admitted(now)))
        if state is not self._seen:
            self._seen = state
            self._due_ms = now.mono_ms + self._grace_ms(state)
        if state is not self._applied and now.mono_ms >= self._due_ms:
            self._due_ms = now.mono_ms + member_limits.ROSTER_RETRY_MS
            if self._write(state):
                self._applied = state
                reload()

    def _grace_ms(self, state: RosterState) -> int:
        """How long what changed is to be kept from whom it takes a key."""
        lost = {key for _, _, key in state.lost}
        gone = state.removed(Role.CENTRAL)
        members = {member.id: member for member in state.active(Role.CENTRAL)}
        grace_ms = 0
        for peer in self._central.settings.peers:
            if peer.id in gone:
                grace_ms = max(grace_ms, member_limits.ROSTER_DROPPED_MS)
            elif peer.id in members and lost & set(peer.public_keys) - set(
                members[peer.id].public_keys
            ):
                grace_ms = member_limits.ROSTER_TOLD_MS
        return grace_ms

    def _write(self, state: RosterState) -> bool:
        """Have the files as the roster says; False where they can't be written."""
        self._unwritten = None
        if self.is_removed or self.id_is_taken:
            return True  # what others are to whom is no business of ours any more
        base = self._config.path.parent
        try:
            for folder, role in ((PEERS, Role.CENTRAL), (EDGES, Role.EDGE)):
                rows = self._rows(state, role)
                gone = state.removed(role)
                for path, text in roster_files.differing(base, folder, rows, gone).items():
                    put_file(path, text)
        except OSError as fault:
            self._unwritten = f"{fault.filename or base}: {fault.strerror or fault}"
            return False
        return True

    def _rows(self, state: RosterState, role: Role) -> list[dict[str, Any]]:
        own = self._central.settings.id if role is Role.CENTRAL else None
        return [as_row(member) for member in state.active(role) if member.id != own]

    def judged(self, config: Config) -> Config:
        """A configuration as it is applied: nobody in it whose membership has ended."""
        if self.own_key is None:
            return config
        state = self._central.roster.state
        return roster_files.judged(
            config,
            gone_peers=state.removed(Role.CENTRAL),
            gone_edges=state.removed(Role.EDGE),
            keys=state.keys,
        )

    # --- what status says ---------------------------------------------------------------------

    def problems(self) -> Iterator[Problem]:
        """What is wrong with the roster, or with this central's place in it."""
        state = self._central.roster.state
        if self.own_key is None or state is EMPTY:
            return
        own = self._central.settings.id
        if self.is_removed:
            yield problem(
                ProblemCode.REMOVED,
                f"{own} was removed from the site: no other central speaks to it any more, and what"
                " it records means nothing",
                "if that was a mistake: zparkctl member restore at another central; else stop it,"
                " or have it invited anew and join with a new key",
            )
        if self.id_is_taken:
            yield problem(
                ProblemCode.ID_TAKEN,
                f"another machine joined as {own} before this one; no camera is answered here",
                "have this machine invited under another id; what it recorded counts, and is"
                " brought to the others as a bundle",
            )
        if self._unwritten is not None:
            yield problem(
                ProblemCode.ROSTER_UNWRITTEN,
                f"files of the roster can't be written: {self._unwritten}",
                "let the daemon write to peers.d and edges.d: sudo zparkctl setup does so",
            )
        yield from self._differing(state)
        waits_for = awaited(self._central, own)
        if waits_for:
            yield problem(
                ProblemCode.KEY_AWAITED,
                f"the next key of {own} waits for {', '.join(waits_for)} to know it",
                "it is in use once they do; zparkctl member rotate-key --now does not wait",
            )
        elif self.key_change.fault is not None:
            yield problem(
                ProblemCode.KEY_AWAITED,
                f"all know the next key of {own}, and it can't be put in its place:"
                f" {self.key_change.fault}",
                "sudo zparkctl member rotate-key",
            )

    def _differing(self, state: RosterState) -> Iterator[Problem]:
        base = self._config.path.parent
        for folder, role in ((PEERS, Role.CENTRAL), (EDGES, Role.EDGE)):
            gone = state.removed(role)
            for file in roster_files.files_in(base / folder):
                if file.id in gone and not file.of_roster:
                    yield problem(
                        ProblemCode.ROSTER_DIFFERS,
                        f"{file.path} is by hand and names {file.id}, which was removed; it counts"
                        " for nothing",
                        f"remove the file, or invite {file.id} anew",
                    )
            for file, keys in roster_files.by_hand(base, folder, self._rows(state, role)):
                if keys:
                    yield problem(
                        ProblemCode.ROSTER_DIFFERS,
                        f"{file.path} is by hand and differs from the roster in {', '.join(keys)};"
                        " what the file says counts here",
                        "remove the file, and the daemon writes what the roster says; or change the"
                        " roster: zparkctl member",
                    )
