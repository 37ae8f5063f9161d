"""What a camera or barrier controller uses to talk to the centrals of its site.

One request, one answer, as JSON over a ZeroMQ REQ socket; asked again, here and then at the
next central, until somebody answers. No rule of the car park may live here: whether a barrier
opens is the central's decision, and what it says is handed on as it came.
"""

import re
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from time import monotonic
from types import TracebackType
from typing import Any, Self

import orjson
import zmq

from zparkd.client import edge_file
from zparkd.client.dial import CurveKeys, connect
from zparkd.core.keys import key_bytes
from zparkd.core.limits import EDGE_FRAME_BYTES
from zparkd.core.site import EDGE_ID

_ENDPOINT = re.compile(r"tcp://(\[[0-9A-Fa-f:.%\w]+\]|[^\s:/\[\]]+):[0-9]{1,5}")


# Who has no key is not even told so: the connection is closed before a word is said.
_NO_KEYS = (
    '. This EdgeClient has no keys, and a central with mode = "curve", the default, answers nobody'
    " without: give secret_key_file (zparkctl keygen FILE) and public_keys, and the camera a file"
    " in the central's edges.d"
)


class NoAnswer(Exception):
    """No central answered. Whether the request was recorded is not known.

    `tried` names each central asked and why its answer did not count; `request_id` is what to
    repeat: a request asked again with it has no second effect.
    """

    def __init__(
        self, request_id: str, tried: Sequence[tuple[str, str]], *, keyed: bool = True
    ) -> None:
        self.request_id = request_id
        self.tried = tuple(tried)
        centrals = "; ".join(f"{central}: {reason}" for central, reason in self.tried)
        super().__init__(
            f"no central answered ({centrals}). Leave the barrier as it is. Check that zparkd runs"
            " there (systemctl status zparkd), that the addresses and edge_port are right and"
            f" that the network is up; then ask again with request_id={request_id!r}"
            + ("" if keyed else _NO_KEYS)
        )


class _Unusable(Exception):
    """One try brought no answer that counts. The text says why."""


class EdgeClient:
    """A camera's side of the edge ingress.

        with EdgeClient("edge-1", ["tcp://192.168.1.101:9002", "tcp://192.168.1.102:9002"]) as gate:
            answer = gate.open_barrier("29A-123.45", direction="ENTRY")
            if answer["success"] is True:
                raise_the_barrier()

    `edge_id` is this camera's name at the site; `centrals` lists where centrals answer edges, as
    `tcp://host:port` (an IPv6 address in brackets), the preferred one first. A try waits
    `timeout_s` seconds; each central gets `attempts` tries before the next one is asked, so a
    call lasts at most `timeout_s * attempts * len(centrals)` seconds. The central that answered
    is asked first from then on. ValueError where an argument is none of this.

    All tries of a call carry the same `request_id`, made here and never used twice, so a barrier
    request that was recorded although its answer got lost has no second effect. Pass `request_id`
    only to repeat an earlier call, with the one its NoAnswer names.

    Every call returns the central's answer, a dict with `success` and `request_id`. A refusal is
    an answer too: `success` is False and `error` holds `code` and `message`. Open only on
    `success` True. The refusal `storage_unavailable` (nothing was recorded) makes the next
    central be asked; it is returned where no other central gives a better answer.

    Every call raises NoAnswer where no central answered, TypeError for a value that JSON can't
    hold, ValueError for a request longer than a central reads, RuntimeError after `close()`.

    Where the centrals use keys (`security.mode = "curve"`): `secret_key_file` is this camera's own
    key, made with `zparkctl keygen FILE`, or `secret_key` what is in it; `public_keys` are those of
    the centrals, one for each of `centrals`, in their order. Only who has that key gets a request,
    and only this camera can ask under its `edge_id`. While a central changes its key, list it
    twice: once with each. A camera that was invited needs none of this: see `join`.

    An EdgeClient belongs to the thread that uses it: give each thread its own, and make it
    after a fork. It holds sockets: use it in a `with`, or call `close()`.
    """

    def __init__(
        self,
        edge_id: str,
        centrals: Sequence[str],
        timeout_s: float = 2.0,
        attempts: int = 2,
        *,
        secret_key_file: str | Path | None = None,
        secret_key: bytes | None = None,
        public_keys: Sequence[str] = (),
    ) -> None:
        if not EDGE_ID.fullmatch(edge_id):
            raise ValueError(f"edge_id {edge_id!r} is no edge id; write {EDGE_ID.pattern}")
        if isinstance(centrals, str) or not centrals:
            raise ValueError('centrals must be a list such as ["tcp://192.168.1.101:9002"]')
        for central in centrals:
            if not _ENDPOINT.fullmatch(central):
                raise ValueError(f"central {central!r} is no address; write tcp://host:port")
        if timeout_s <= 0 or attempts < 1:
            raise ValueError("timeout_s must be above 0 and attempts at least 1")
        self.edge_id = edge_id
        self._centrals = tuple(centrals)
        self._keys = _Keys(secret_key_file, public_keys, len(centrals), secret_key)
        self._timeout_s = timeout_s
        self._attempts = attempts
        self._current = 0  # the central that answered last
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._socket: zmq.Socket[bytes] | None = None
        self._connected_to: int | None = None
        self._joined: tuple[Path, str] | None = (
            None  # the file of a join, what it knows of centrals
        )

    @classmethod
    def join(cls, token: str, file: str | Path, **options: Any) -> "EdgeClient":
        """Become the camera that a token names, and speak as it.

            gate = EdgeClient.join("zparkd1.…", "/var/lib/camera/edge-1.json")

        `token` is what `zparkctl invite --edge` printed. `file` keeps the key and the centrals,
        mode 0600; where it is there, it is what counts and the token may be `""`: nothing is asked,
        unless joining was cut off half-way, which is then finished. `options` as those of
        EdgeClient. Which centrals there are, where and with which keys, is brought up to date by
        each answer, in `file` too.

        Raises zparkd.core.members.token.BadToken, zparkd.client.join.NotReached and JoinRefused,
        whose texts say why; ValueError where `file` is another camera's; OSError.
        """
        kept = edge_file.joined(token, Path(file))
        made = cls(
            kept.edge_id,
            kept.centrals,
            secret_key=kept.secret,
            public_keys=kept.public_keys,
            **options,
        )
        made._joined = (Path(file), kept.digest)
        return made

    @property
    def centrals(self) -> tuple[str, ...]:
        """Where it asks, in this order."""
        return self._centrals

    # --- what a camera can say ---------------------------------------------------------------

    def detect(
        self,
        plate_id: str,
        *,
        plate_view: str | None = None,
        camera_type: str | None = None,
        direction: str | None = None,
        confidence: float | None = None,
        captured_ms: int | None = None,
        image: str | None = None,
        request_id: str | None = None,
    ) -> dict[str, Any]:
        """Say that a plate was seen, and ask whether its vehicle is inside.

        `plate_id` is the plate as read (`29A-123.45`); `plate_view` how to show it; `camera_type`
        such as `car` or `motorbike`; `direction` `ENTRY` or `EXIT`; `confidence` 0 to 1;
        `captured_ms` when it was seen, in ms since 1970 UTC; `image` a reference that is kept.

            >>> gate.detect("29A-123.45", camera_type="car")["vehicle_info"]
            {'already_inside': False, 'plate_id': '29A12345'}

        Where it is inside, `vehicle_info` also has `event_id`, `entry_time`, `source_central`,
        and `fee` and `duration` as of now.
        """
        return self.request(
            "DETECTION",
            {
                "plate_id": plate_id,
                "plate_view": plate_view,
                "camera_type": camera_type,
                "direction": direction,
                "confidence": confidence,
                "captured_ms": captured_ms,
                "image": image,
                "request_id": request_id,
            },
        )

    def open_barrier(
        self,
        plate_id: str | None = None,
        *,
        direction: str | None = None,
        camera_type: str | None = None,
        force: bool | None = None,
        reason: str | None = None,
        captured_ms: int | None = None,
        staff_id: str | None = None,
        plate_view: str | None = None,
        confidence: float | None = None,
        image: str | None = None,
        lost_ticket: bool | None = None,
        event_id: str | None = None,
        fee: int | None = None,
        entry_time: str | None = None,
        request_id: str | None = None,
    ) -> dict[str, Any]:
        """Ask to let a vehicle through; `success` True means that it is recorded on disk.

        The fields of `detect`, and: `force` with a `reason` overrides `already_inside` and
        `not_inside`, and without a plate opens for something that has none; `staff_id` who does
        it; `lost_ticket` adds what the tariff asks for one. `event_id` names the stay that ends,
        as a candidate of a detection has it: then the plate is only what was read. An exit by
        force may say what `fee` was taken, or the `entry_time` at the site from which it is priced.
        What is left out the central fills in from the lane and the edge's last detection.

            >>> gate.open_barrier("29A12345", direction="EXIT")
            {'success': True, 'request_id': '…', 'action': 'EXIT', 'event_id': '…', 'fee': 25000,
             'currency': 'VND', 'duration': '1 giờ 0 phút', 'duration_s': 3600}

        `action` is `ENTRY`, `EXIT` or `MANUAL`; `fee` is in whole units of `currency`.
        """
        return self.request(
            "BARRIER_OPEN",
            {
                "plate_id": plate_id,
                "direction": direction,
                "camera_type": camera_type,
                "force": force,
                "reason": reason,
                "captured_ms": captured_ms,
                "staff_id": staff_id,
                "plate_view": plate_view,
                "confidence": confidence,
                "image": image,
                "lost_ticket": lost_ticket,
                "event_id": event_id,
                "fee": fee,
                "entry_time": entry_time,
                "request_id": request_id,
            },
        )

    def close_barrier(
        self,
        plate_id: str | None = None,
        event_id: str | None = None,
        *,
        request_id: str | None = None,
    ) -> dict[str, Any]:
        """Say that the barrier is closed again behind a vehicle, which confirms its entry.

        Without plate or event id it is this edge's latest own entry that is confirmed.

            >>> gate.close_barrier()
            {'success': True, 'request_id': '…', 'action': 'ENTRY_CONFIRMED', 'event_id': '…'}

        `action` is `NONE` where nothing waited for it.
        """
        return self.request(
            "BARRIER_CLOSE",
            {"plate_id": plate_id, "event_id": event_id, "request_id": request_id},
        )

    def ping(self) -> dict[str, Any]:
        """Ask whether a central answers, which one, and what time (ms since 1970 UTC) it has.

        >>> gate.ping()
        {'success': True, 'request_id': '…', 'central_id': 'central-1', 'time_ms': 1733140800000}
        """
        return self.request("PING", {})

    def request(self, request_type: str, fields: Mapping[str, object]) -> dict[str, Any]:
        """Send any request and return its answer; the methods above are this with names.

        `request_type` is the `type` on the wire; `fields` are the others. Those that are None
        are left out, and a missing `request_id` is made.
        """
        given = {key: value for key, value in fields.items() if value is not None}
        request_id = given.setdefault("request_id", uuid.uuid4().hex)
        known = {"centrals": self._joined[1]} if self._joined is not None else {}
        body = orjson.dumps({**known, **given, "type": request_type, "edge_id": self.edge_id})
        if len(body) > EDGE_FRAME_BYTES:
            raise ValueError(f"a request of {len(body)} bytes is too long to be read anywhere")
        if self._context.closed:
            raise RuntimeError("this EdgeClient is closed; make a new one")
        tried: list[tuple[str, str]] = []
        unavailable: dict[str, Any] | None = None
        for step in range(len(self._centrals)):
            index = (self._current + step) % len(self._centrals)
            try:
                answer = self._ask(index, body, request_id)
            except _Unusable as fault:
                tried.append((self._centrals[index], str(fault)))
                continue
            if not _is_storage_unavailable(answer):
                self._current = index
                if self._joined is not None and "centrals" in answer:
                    self._learn(self._joined[0], answer.pop("centrals"))
                return answer
            unavailable = answer
        if unavailable is not None:
            return unavailable
        raise NoAnswer(str(request_id), tried, keyed=self._keys.given)

    def close(self) -> None:
        """Give back the sockets. What was not answered is dropped; closing twice is no fault."""
        self._drop_socket()
        self._context.term()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        fault: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _learn(self, file: Path, told: object) -> None:
        """Take over which centrals there are, and go on with the one that answered."""
        kept = edge_file.learned(file, told)
        if kept is None:
            return
        answered = self._centrals[self._current]
        self._centrals = kept.centrals
        self._keys = _Keys(None, kept.public_keys, len(kept.centrals), kept.secret)
        self._joined = (file, kept.digest)
        self._current = self._centrals.index(answered) if answered in self._centrals else 0
        self._drop_socket()

    # --- how it gets there -------------------------------------------------------------------

    def _ask(self, central: int, body: bytes, request_id: object) -> dict[str, Any]:
        """All tries at one central; _Unusable with the reason of the last one."""
        for left in reversed(range(self._attempts)):
            try:
                return self._try_once(central, body, request_id)
            except _Unusable as fault:
                if not left:
                    raise _Unusable(f"{fault} ({_times(self._attempts)})") from None
        raise AssertionError("at least one try is made")

    def _try_once(self, central: int, body: bytes, request_id: object) -> dict[str, Any]:
        try:
            socket = self._socket_to(central)
            socket.send(body, zmq.NOBLOCK)
            return _understood(self._received(socket), request_id)
        except BaseException as fault:
            # A REQ socket without a good answer waits for one for ever, and could take a late
            # one for the answer to the next request: the next try gets a new one.
            self._drop_socket()
            if isinstance(fault, zmq.ZMQError):
                raise _Unusable(f"could not be asked: {fault}") from fault
            raise

    def _received(self, socket: "zmq.Socket[bytes]") -> list[bytes]:
        """The frames of the next answer; _Unusable where none comes in time."""
        deadline = monotonic() + self._timeout_s
        while (left := deadline - monotonic()) > 0:
            # A signal can end a poll early, so the clock is asked again.
            if socket.poll(max(1, round(left * 1000)), zmq.POLLIN):
                return socket.recv_multipart()
        raise _Unusable(f"no answer in {self._timeout_s:g} s")

    def _socket_to(self, central: int) -> "zmq.Socket[bytes]":
        if self._socket is not None and self._connected_to == central:
            return self._socket
        self._drop_socket()
        self._socket = socket = self._context.socket(zmq.REQ)
        socket.linger = 0
        connect(socket, self._centrals[central], self._keys.to(central))
        self._connected_to = central
        return socket

    def _drop_socket(self) -> None:
        if self._socket is not None:
            self._socket.close(linger=0)
        self._socket = self._connected_to = None


class _Keys:
    """Our own key pair and the key of each central; none where it is spoken in plain."""

    def __init__(
        self,
        secret_key_file: str | Path | None,
        public_keys: Sequence[str],
        centrals: int,
        secret: bytes | None = None,
    ) -> None:
        self._pair: tuple[bytes, bytes] | None = None
        if (secret_key_file is None and secret is None) != (not public_keys):
            raise ValueError("secret_key_file and public_keys go together: give both, or neither")
        if not public_keys:
            return
        if isinstance(public_keys, str) or len(public_keys) != centrals:
            raise ValueError("public_keys must be a list with one key for each of centrals")
        self._servers = [_public_key(key) for key in public_keys]
        secret = secret or Path(secret_key_file or "").read_bytes().strip()
        try:
            self._pair = (zmq.curve_public(secret), secret)
        except (ValueError, zmq.ZMQError):
            raise ValueError(
                f"{secret_key_file}: no secret key; make one: zparkctl keygen FILE"
            ) from None

    @property
    def given(self) -> bool:
        """Whether there are any."""
        return self._pair is not None

    def to(self, central: int) -> CurveKeys | None:
        """To prove who we are, and to ask nobody but this central."""
        return CurveKeys(*self._pair, self._servers[central]) if self._pair is not None else None


def _public_key(text: str) -> bytes:
    try:
        key_bytes(text)
    except ValueError as fault:
        raise ValueError(f"one of public_keys is no key ({fault}); see zparkctl keygen") from None
    return text.encode()


def _understood(frames: Sequence[bytes], request_id: object) -> dict[str, Any]:
    """The answer in `frames`, if it is one to this request; else _Unusable.

    Only a refusal may come without a request_id: of a request that could not be read.
    """
    if len(frames) != 1:
        raise _Unusable(f"answered {len(frames)} frames instead of one")
    try:
        answer = orjson.loads(frames[0])
    except orjson.JSONDecodeError:
        raise _Unusable("answered what is no JSON") from None
    if not isinstance(answer, dict):
        raise _Unusable("answered JSON that is no object")
    named = answer.get("request_id")
    if named != request_id and not (named is None and answer.get("success") is False):
        raise _Unusable(f"answered another request ({str(named)[:64]})")
    return answer


def _is_storage_unavailable(answer: Mapping[str, Any]) -> bool:
    error = answer.get("error")
    return isinstance(error, dict) and error.get("code") == "storage_unavailable"


def _times(attempts: int) -> str:
    return "asked once" if attempts == 1 else f"asked {attempts} times"
