"""Moving a barrier: by a camera's relay over HTTP, by a command, or by a GPIO line.

Each `open` is one attempt with a deadline. It returns where the device said that it was done,
and raises BarrierFault otherwise. Nothing here decides whether a barrier may open.
"""

import base64
import http.client
import re
import subprocess
import time
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

from zparkd.camera.digest import authorization
from zparkd.camera.secret_files import Secret

DEADLINE_S = 2.0
_ANSWER_BYTES = 16 * 1024
_STATUS_CODE = re.compile(rb"<statusCode>\s*([0-9]+)\s*</statusCode>")  # of a Hikvision answer


class BarrierFault(Exception):
    """The device did not say that it opened. The text says why."""


class BarrierKind(StrEnum):
    """How a lane's barrier is opened."""

    NONE = "none"
    HTTP = "http"
    COMMAND = "command"
    GPIO = "gpio"


@dataclass(frozen=True, slots=True)
class BarrierConfig:
    """What a lane's file says of its barrier; only what its kind needs is set."""

    kind: BarrierKind
    url: str | None = None
    method: str = "PUT"
    body: str = ""
    credentials: Secret | None = None
    argv: tuple[str, ...] = ()
    chip: Path | None = None
    line: int | None = None
    pulse_ms: int = 500


class Barrier(Protocol):
    """A barrier, for one thread."""

    def open(self) -> None:
        """Open it, within DEADLINE_S. Raises BarrierFault."""


def barrier_of(config: BarrierConfig) -> Barrier:
    """The barrier that a lane's file describes."""
    match config.kind:
        case BarrierKind.HTTP:
            return HttpBarrier(config)
        case BarrierKind.COMMAND:
            return CommandBarrier(config.argv)
        case BarrierKind.GPIO:
            return GpioBarrier(config)
        case BarrierKind.NONE:
            return NoBarrier()


class NoBarrier:
    """Something else opens it; a passage is done once a central has it."""

    def open(self) -> None:
        """Nothing to do."""


class HttpBarrier:
    """A relay that an HTTP request closes, such as that of the camera itself."""

    def __init__(self, config: BarrierConfig) -> None:
        assert config.url is not None
        parts = urlsplit(config.url)
        self._secure = parts.scheme == "https"
        self._host = parts.hostname or ""
        self._port = parts.port
        self._uri = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        self._method = config.method
        self._body = config.body.encode()
        self._credentials = config.credentials
        self._challenge: str | None = None  # of the last answer, so that most opens ask once

    def open(self) -> None:
        """One request; where the relay asks who we are, a second one."""
        until = time.monotonic() + DEADLINE_S
        status, challenge, body = self._request(until)
        if status == http.client.UNAUTHORIZED and self._credentials is not None and challenge:
            self._challenge = challenge
            status, _, body = self._request(until)
        if not 200 <= status < 300:
            raise BarrierFault(f"the relay answered {status}")
        code = _STATUS_CODE.search(body)
        if code is not None and code[1] not in (b"0", b"1"):
            raise BarrierFault(f"the relay answered statusCode {code[1].decode()}")

    def _request(self, until: float) -> tuple[int, str | None, bytes]:
        kind = http.client.HTTPSConnection if self._secure else http.client.HTTPConnection
        connection = kind(self._host, self._port)
        try:
            connection.timeout = _left(until)
            connection.connect()
            connection.sock.settimeout(_left(until))
            connection.request(self._method, self._uri, self._body or None, self._headers())
            connection.sock.settimeout(_left(until))
            answer = connection.getresponse()
            body = answer.read(_ANSWER_BYTES)
        except TimeoutError:
            raise BarrierFault(f"no answer of the relay in {DEADLINE_S:g} s") from None
        except (OSError, http.client.HTTPException) as fault:
            raise BarrierFault(
                f"the relay can't be asked: {fault or type(fault).__name__}"
            ) from None
        finally:
            connection.close()
        return answer.status, answer.headers.get("WWW-Authenticate"), body

    def _headers(self) -> dict[str, str]:
        kind = "application/json" if self._body.lstrip().startswith(b"{") else "application/xml"
        headers = {"Content-Type": kind} if self._body else {}
        if self._credentials is not None and self._challenge is not None:
            user, password = self._credentials.user or "", self._credentials.password
            if self._challenge.lower().startswith("digest"):
                said = authorization(self._challenge, user, password, self._method, self._uri)
            else:
                said = "Basic " + _base64(f"{user}:{password}")
            if said is not None:
                headers["Authorization"] = said
        return headers


class CommandBarrier:
    """A program that opens it, and whose exit code 0 says that it did."""

    def __init__(self, argv: tuple[str, ...]) -> None:
        self._argv = argv

    def open(self) -> None:
        """Run it; one that takes too long is killed."""
        try:
            done = subprocess.run(
                self._argv,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                timeout=DEADLINE_S,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise BarrierFault(f"{self._argv[0]} ran for more than {DEADLINE_S:g} s") from None
        except OSError as fault:
            raise BarrierFault(f"{self._argv[0]}: {fault.strerror}") from None
        if done.returncode != 0:
            raise BarrierFault(f"{self._argv[0]} exited with {done.returncode}")


class GpioBarrier:
    """A line of a GPIO chip, raised for a moment."""

    def __init__(self, config: BarrierConfig) -> None:
        assert config.line is not None
        self._chip = str(config.chip)
        self._line = config.line
        self._pulse_s = config.pulse_ms / 1000

    def open(self) -> None:
        """Raise the line and lower it again."""
        import gpiod  # noqa: PLC0415 - only where there is such a line
        from gpiod.line import Direction, Value  # noqa: PLC0415

        low = gpiod.LineSettings(direction=Direction.OUTPUT, output_value=Value.INACTIVE)
        try:
            with gpiod.request_lines(
                self._chip, consumer="zparkd-camera", config={self._line: low}
            ) as lines:
                lines.set_value(self._line, Value.ACTIVE)
                time.sleep(self._pulse_s)
                lines.set_value(self._line, Value.INACTIVE)
        except OSError as fault:
            raise BarrierFault(f"{self._chip} line {self._line}: {fault}") from None


def _left(until: float) -> float:
    left = until - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left


def _base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()
