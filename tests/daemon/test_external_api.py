"""One look at an external API: what is good is taken, and nothing that a server does hurts."""

import gzip
import json
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.api_server import (
    GOOD,
    PASS,
    Answer,
    ApiServer,
    api_server,
    dripping,
    send,
    stuck,
)
from tests.support.tariffs import AIRPORT, CENTRE
from zparkd.config.load import ExternalApi
from zparkd.core.reference.lists import read_passes, read_staff
from zparkd.daemon.external_api import look
from zparkd.daemon.external_data import FEES, NAMES, PASSES, STAFF, Look

HEAD = b"HTTP/1.1 200 OK\r\n"


@pytest.fixture
def server() -> Iterator[ApiServer]:
    with api_server() as server:
        yield server


def api(server: ApiServer, timeout_s: float = 5.0, token_file: Path | None = None) -> ExternalApi:
    return ExternalApi(server.url, 300, timeout_s, token_file)


def test_good_documents_are_read(server: ApiServer) -> None:
    brought = look(api(server), {})
    assert brought.faults == []
    assert {name: document.value for name, document in brought.documents.items()} == {
        FEES: AIRPORT,
        PASSES: read_passes([PASS]),
        STAFF: read_staff(GOOD["staff"]),
    }
    assert [path for path, _ in server.asked] == [f"/base/{name}" for name in NAMES]


def test_what_did_not_change_is_not_sent_again(server: ApiServer) -> None:
    first = look(api(server), {})
    server.documents["fee-config"] = CENTRE
    second = look(api(server), first.documents)
    assert second.faults == []
    assert second.documents[FEES].value == CENTRE
    assert second.documents[PASSES] is first.documents[PASSES]
    assert [headers.get("If-None-Match") is not None for _, headers in server.asked] == [
        *[False] * 3,
        *[True] * 3,
    ]


def test_a_token_is_sent_from_its_file_as_it_is_by_then(server: ApiServer, tmp_path: Path) -> None:
    token = tmp_path / "token"
    for text in ("secret-1\n", "secret-2"):
        token.write_text(text)
        look(api(server, token_file=token), {})
        _, headers = server.asked[-1]
        assert headers["Authorization"] == f"Bearer {text.strip()}"
    look(api(server), {})
    assert "Authorization" not in server.asked[-1][1]


@pytest.mark.parametrize("content", [None, b"", b"two words", b"two\nlines", b"\xff"])
def test_without_a_good_token_nothing_is_asked(
    server: ApiServer, tmp_path: Path, content: bytes | None
) -> None:
    token = tmp_path / "token"
    if content is not None:
        token.write_bytes(content)
    brought = look(api(server, token_file=token), {})
    assert brought.documents == {}
    [fault] = brought.faults
    assert fault.startswith(f"token_file {token}: ")
    assert "two" not in fault
    assert server.asked == []


# --- servers that are not well --------------------------------------------------------------


def faults(brought: Look) -> list[str]:
    assert brought.documents == {}
    return brought.faults


def test_one_that_is_down(server: ApiServer) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{closed.getsockname()[1]}"
        told = faults(look(ExternalApi(url, 300, 5, None), {}))
    assert told == [f"{url}/{name}: Connection refused" for name in NAMES]


@pytest.mark.parametrize(
    "answer",
    [
        stuck,
        dripping(b""),
        dripping(HEAD + b"X-Slow: "),
        dripping(HEAD + b"Content-Length: 100000\r\n\r\n["),
        dripping(HEAD + b"Connection: close\r\n\r\n["),
        dripping(HEAD + b"Transfer-Encoding: chunked\r\n\r\n2\r\n[]\r\n1"),
    ],
    ids=["silent", "in the status", "in a header", "in the body", "without an end", "in a chunk"],
)
def test_one_that_is_slow_has_its_time_and_no_more(server: ApiServer, answer: Answer) -> None:
    server.answer = answer
    began = time.monotonic()
    told = faults(look(api(server, timeout_s=0.3), {}))
    assert time.monotonic() - began < 3 * 0.3 + 2
    assert len(told) == 3
    assert all("no whole answer within 0.3 s" in fault for fault in told), told


def broken(raw: bytes) -> Answer:
    """Say this, whatever it is, and hang up."""

    def answer(request: Any, name: str) -> None:
        request.wfile.write(raw)
        request.close_connection = True

    return answer


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (lambda request, name: send(request, b"no", 503), "HTTP 503"),
        (lambda request, name: send(request, b"", 302, Location="http://127.0.0.1/"), "HTTP 302"),
        (lambda request, name: send(request, b"", 304), "HTTP 304"),
        (lambda request, name: send(request, b"<html>Log in</html>"), "is not JSON"),
        (lambda request, name: send(request, b""), "is not JSON"),
        (lambda request, name: send(request, b"[" * 100_000), "is not JSON"),
        (
            lambda request, name: send(request, gzip.compress(b"[]"), Content_Encoding="gzip"),
            "is compressed",
        ),
        (broken(b"\x00\xff not HTTP\r\n\r\n"), ""),
        (broken(b""), ""),
        (broken(HEAD + b"Content-Length: 100\r\n\r\n[]"), ""),
        (broken(HEAD + b"X: y\r\n" * 1000 + b"\r\n[]"), ""),
        (broken(HEAD + b"X: " + b"y" * 100_000 + b"\r\n\r\n[]"), ""),
    ],
)
def test_one_that_answers_nonsense(server: ApiServer, answer: Answer, said: str) -> None:
    server.answer = answer
    told = faults(look(api(server), {}))
    assert len(told) == 3
    for name, fault in zip(NAMES, told, strict=True):
        assert fault.startswith(f"{server.url}/{name}: {said}")
        assert fault.isprintable()
        assert len(fault) < 400


def test_one_that_sends_too_much(server: ApiServer) -> None:
    def answer(request: Any, name: str) -> None:
        request.wfile.write(HEAD + b"Connection: close\r\n\r\n")
        try:
            while True:
                request.wfile.write(b" " * 65536)
        except OSError:
            request.close_connection = True

    server.answer = answer
    told = faults(look(api(server), {}))
    assert ["is longer than" in fault for fault in told] == [True] * 3


def test_each_document_is_judged_by_itself(server: ApiServer) -> None:
    server.documents["fee-config"] = {"rate": [{"camera_type": "car", "step": [{"amount": -1}]}]}
    brought = look(api(server), {})
    assert set(brought.documents) == {PASSES, STAFF}
    assert brought.faults == [
        f"{server.url}/fee-config: rate[0].step[0].every_minutes: is missing; write 60 for each"
        " started hour; rate[0].step[0].amount: -1 is not within 0 to 1,000,000,000"
    ]


def test_of_many_faults_a_few_are_told(server: ApiServer) -> None:
    server.documents["staff"] = [{}] * 40
    [fault] = look(api(server), {}).faults
    assert fault.count("staff_id: is missing") == 3
    assert fault.endswith("; and 37 more")


def test_what_can_be_read_as_json_alone_is_no_document(server: ApiServer) -> None:
    def answer(request: Any, name: str) -> None:
        send(request, json.dumps("fine").encode())

    server.answer = answer
    assert len(faults(look(api(server), {}))) == 3
