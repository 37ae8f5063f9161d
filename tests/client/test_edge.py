"""EdgeClient against real ROUTER sockets that answer late, wrongly, elsewhere or never."""

import signal
import threading
import time
from collections.abc import Callable

import pytest

from tests.support.scripted import (
    DEADLINE_S,
    Asked,
    Script,
    Scripted,
    accepted,
    agree,
    dead_end,
    keep_silent,
    refused,
)
from zparkd.client.edge import EdgeClient, NoAnswer

SHORT_S = 0.5  # of a try that is meant to fail


def test_a_call_carries_type_edge_and_given_fields_only() -> None:
    with Scripted(agree) as central, EdgeClient("edge-1", [central.endpoint]) as client:
        client.detect("29A-123.45", camera_type="car", confidence=0.95)
        client.open_barrier("29A12345", direction="ENTRY", plate_view="29A-123.45")
        client.open_barrier(force=True, reason="ambulance", staff_id="nv01")
        client.close_barrier(event_id="central-1_1_29A12345")
        client.ping()
        sent = [dict(request) for request in central.requests]
    ids = [request.pop("request_id") for request in sent]
    assert len(set(ids)) == 5
    assert all(isinstance(one, str) and len(one) >= 32 for one in ids)
    assert {request.pop("edge_id") for request in sent} == {"edge-1"}
    assert sent == [
        {
            "type": "DETECTION",
            "plate_id": "29A-123.45",
            "camera_type": "car",
            "confidence": 0.95,
        },
        {
            "type": "BARRIER_OPEN",
            "plate_id": "29A12345",
            "direction": "ENTRY",
            "plate_view": "29A-123.45",
        },
        {"type": "BARRIER_OPEN", "force": True, "reason": "ambulance", "staff_id": "nv01"},
        {"type": "BARRIER_CLOSE", "event_id": "central-1_1_29A12345"},
        {"type": "PING"},
    ]


def test_the_answer_is_handed_on_as_it_came() -> None:
    def script(asked: Asked, earlier: list[Asked]) -> None:
        asked.reply(accepted(asked, action="EXIT", fee=25000, duration="1 giờ 0 phút"))

    with Scripted(script) as central, EdgeClient("edge-1", [central.endpoint]) as client:
        answer = client.open_barrier("29A12345", request_id="r-1")
    assert answer == {
        "success": True,
        "request_id": "r-1",
        "type": "BARRIER_OPEN",
        "action": "EXIT",
        "fee": 25000,
        "duration": "1 giờ 0 phút",
    }


def test_a_refusal_is_a_value_and_not_asked_again() -> None:
    def script(asked: Asked, earlier: list[Asked]) -> None:
        asked.reply(refused(asked, "already_inside"))

    with Scripted(script) as central, EdgeClient("edge-1", [central.endpoint]) as client:
        answer = client.open_barrier("29A12345", direction="ENTRY")
        assert len(central.requests) == 1
    assert answer["success"] is False
    assert answer["error"]["code"] == "already_inside"


def test_a_refusal_of_what_could_not_be_read_needs_no_request_id() -> None:
    def script(asked: Asked, earlier: list[Asked]) -> None:
        asked.reply(refused(asked, "too_large", request_id=None))

    with Scripted(script) as central, EdgeClient("edge-1", [central.endpoint]) as client:
        assert client.open_barrier("29A12345", image="x" * 70_000)["error"]["code"] == "too_large"


def test_a_yes_without_request_id_opens_nothing() -> None:
    def script(asked: Asked, earlier: list[Asked]) -> None:
        asked.reply(accepted(asked, request_id=None))

    with (
        Scripted(script) as central,
        EdgeClient("edge-1", [central.endpoint]) as client,
        pytest.raises(NoAnswer, match="another request"),
    ):
        client.open_barrier("29A12345")


def silent_first(asked: Asked, earlier: list[Asked]) -> None:
    if earlier:
        agree(asked, earlier)


def test_an_unanswered_request_is_repeated_with_its_id() -> None:
    with (
        Scripted(silent_first) as central,
        EdgeClient("edge-1", [central.endpoint], timeout_s=SHORT_S, attempts=20) as client,
    ):
        answer = client.open_barrier("29A12345")
        first, second, *_ = central.requests
    assert answer["success"] is True
    assert first == second
    assert first["request_id"] == answer["request_id"]


def test_a_late_answer_is_never_taken_for_a_later_request() -> None:
    def script(asked: Asked, earlier: list[Asked]) -> None:
        # Both at once, the old one first: it must reach nobody.
        for one in (*earlier, asked):
            one.reply(accepted(one, plate=one.request["plate_id"]))

    def late(asked: Asked, earlier: list[Asked]) -> None:
        if asked.request["plate_id"] == "29A00002":
            script(asked, earlier)

    with (
        Scripted(late) as central,
        EdgeClient("edge-1", [central.endpoint], timeout_s=SHORT_S, attempts=1) as hurried,
    ):
        with pytest.raises(NoAnswer) as caught:
            hurried.open_barrier("29A00001")
        central.wait_for(1)
        answer = _until_answered(lambda: hurried.open_barrier("29A00002"))
        assert caught.value.request_id == central.requests[0]["request_id"]
    assert answer["plate"] == "29A00002"


def test_who_has_no_keys_is_told_that_a_central_may_want_some() -> None:
    with (
        EdgeClient("edge-1", ["tcp://127.0.0.1:9"], timeout_s=SHORT_S, attempts=1) as plain,
        pytest.raises(NoAnswer, match=r"has no keys, and a central with mode = .curve.*keygen"),
    ):
        plain.ping()


def _until_answered(ask: Callable[[], dict[str, object]]) -> dict[str, object]:
    """Ask until an answer comes: the machine may be slower than a short timeout."""
    deadline = time.monotonic() + DEADLINE_S
    while True:
        try:
            return ask()
        except NoAnswer:
            assert time.monotonic() < deadline


def test_a_second_answer_to_one_request_is_not_the_answer_to_the_next() -> None:
    def stale_first(asked: Asked, earlier: list[Asked]) -> None:
        repeated = asked.request in [one.request for one in earlier]
        if earlier and not repeated:
            asked.reply(accepted(earlier[-1]))
        asked.reply(accepted(asked))

    with Scripted(stale_first) as central, EdgeClient("edge-1", [central.endpoint]) as client:
        for number in range(10):
            answer = client.open_barrier("29A12345", request_id=f"r-{number}")
            assert answer["request_id"] == f"r-{number}"
        assert len(central.requests) == 1 + 2 * 9


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (b"\xff\x00 not json", "no JSON"),
        (b"", "no JSON"),
        (["success", True], "no object"),
        (True, "no object"),
        ({"success": True, "request_id": "someone-else"}, "another request"),
        ({"success": False, "request_id": "someone-else", "error": {}}, "another request"),
    ],
)
def test_what_is_no_answer_counts_as_none_and_the_next_try_is_free(
    answer: object, reason: str
) -> None:
    def script(asked: Asked, earlier: list[Asked]) -> None:
        if len(earlier) < 3:
            asked.reply(answer)
        else:
            agree(asked, earlier)

    with Scripted(script) as central, EdgeClient("edge-1", [central.endpoint]) as client:
        with pytest.raises(NoAnswer, match=reason):
            client.open_barrier("29A12345", request_id="r-1")
        assert client.open_barrier("29A12345", request_id="r-1")["success"] is True
        assert {request["request_id"] for request in central.requests} == {"r-1"}


def test_the_next_central_is_asked_with_the_same_id_and_kept() -> None:
    with (
        Scripted(keep_silent) as first,
        Scripted(agree) as second,
        EdgeClient(
            "edge-1", [first.endpoint, second.endpoint], timeout_s=SHORT_S, attempts=1
        ) as client,
    ):
        answer = _until_answered(lambda: client.open_barrier("29A12345", request_id="r-1"))
        asked_first = len(first.requests)
        again = client.open_barrier("29A12346", request_id="r-2")
        assert len(first.requests) == asked_first, "it sticks with the one that answered"
        assert {request["request_id"] for request in first.requests} <= {"r-1"}
        assert second.requests[-1]["request_id"] == "r-2"
    assert answer["success"] is True
    assert again["success"] is True


def test_a_refused_connection_leads_to_the_next_central() -> None:
    with (
        dead_end() as nowhere,
        Scripted(agree) as central,
        EdgeClient("edge-1", [nowhere, central.endpoint], timeout_s=SHORT_S, attempts=1) as client,
    ):
        assert _until_answered(client.ping)["success"] is True


def only(*request_ids: str) -> Script:
    def script(asked: Asked, earlier: list[Asked]) -> None:
        if asked.request["request_id"] in request_ids:
            agree(asked, earlier)

    return script


def test_it_goes_round_to_the_first_when_the_one_it_sticks_with_falls_silent() -> None:
    with (
        Scripted(only("r-2")) as first,
        Scripted(only("r-1")) as second,
        EdgeClient(
            "edge-1", [first.endpoint, second.endpoint], timeout_s=SHORT_S, attempts=1
        ) as client,
    ):
        one = _until_answered(lambda: client.open_barrier("29A12345", request_id="r-1"))
        two = _until_answered(lambda: client.open_barrier("29A12345", request_id="r-2"))
        assert (one["request_id"], two["request_id"]) == ("r-1", "r-2")
        assert "r-2" in [request["request_id"] for request in second.requests]


def unavailable(asked: Asked, earlier: list[Asked]) -> None:
    asked.reply(refused(asked, "storage_unavailable"))


def test_a_central_that_cannot_record_leads_to_the_next_at_once() -> None:
    with (
        Scripted(unavailable) as first,
        Scripted(agree) as second,
        EdgeClient("edge-1", [first.endpoint, second.endpoint]) as client,
    ):
        answer = client.open_barrier("29A12345")
        assert answer["success"] is True
        assert first.requests == second.requests


def test_where_no_central_can_record_the_last_one_says_so() -> None:
    def second_says(asked: Asked, earlier: list[Asked]) -> None:
        asked.reply(refused(asked, "storage_unavailable", who="second"))

    with (
        Scripted(unavailable) as first,
        Scripted(second_says) as second,
        dead_end() as nowhere,
        EdgeClient(
            "edge-1", [first.endpoint, second.endpoint, nowhere], timeout_s=1.0, attempts=1
        ) as client,
    ):
        answer = client.open_barrier("29A12345")
    assert answer["error"]["code"] == "storage_unavailable"
    assert answer["who"] == "second"


def test_no_answer_names_the_centrals_and_why_and_what_to_repeat() -> None:
    def garbage(asked: Asked, earlier: list[Asked]) -> None:
        asked.reply(b"garbage")

    with (
        dead_end() as nowhere,
        Scripted(garbage) as central,
        EdgeClient("edge-1", [nowhere, central.endpoint], timeout_s=1.0) as client,
        pytest.raises(NoAnswer) as caught,
    ):
        client.open_barrier("29A12345")
    text = str(caught.value)
    assert [where for where, _ in caught.value.tried] == [nowhere, central.endpoint]
    assert f"{nowhere}: no answer in 1 s (asked 2 times)" in text
    assert f"{central.endpoint}: answered what is no JSON (asked 2 times)" in text
    assert "systemctl" in text
    assert caught.value.request_id == central.requests[0]["request_id"]
    assert repr(caught.value.request_id) in text


def test_an_interrupted_call_leaves_a_client_that_works() -> None:
    class Interrupted(BaseException):
        """Stands for KeyboardInterrupt, which pytest would take for its own."""

    def interrupt(number: int, frame: object) -> None:
        raise Interrupted

    def interrupts_once(asked: Asked, earlier: list[Asked]) -> None:
        if earlier:
            agree(asked, earlier)
        else:
            signal.pthread_kill(caller, signal.SIGUSR1)

    caller = threading.get_ident()
    before = signal.signal(signal.SIGUSR1, interrupt)
    try:
        with (
            Scripted(interrupts_once) as central,
            EdgeClient("edge-1", [central.endpoint]) as client,
        ):
            with pytest.raises(Interrupted):
                client.ping()
            assert client.ping()["success"] is True
    finally:
        signal.signal(signal.SIGUSR1, before)


@pytest.mark.parametrize(
    ("edge_id", "centrals", "said"),
    [
        ("", ["tcp://127.0.0.1:9002"], "edge id"),
        ("edge 1", ["tcp://127.0.0.1:9002"], "edge id"),
        ("edge-1", [], "must be a list"),
        ("edge-1", "tcp://127.0.0.1:9002", "must be a list"),
        ("edge-1", ["127.0.0.1:9002"], "write tcp://host:port"),
        ("edge-1", ["tcp://127.0.0.1"], "write tcp://host:port"),
        ("edge-1", ["tcp://::1:9002"], "write tcp://host:port"),
    ],
)
def test_wrong_arguments_are_told_at_once(edge_id: str, centrals: list[str], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        EdgeClient(edge_id, centrals)


@pytest.mark.parametrize("wrong", [{"timeout_s": 0.0}, {"attempts": 0}])
def test_no_time_or_no_try_is_no_client(wrong: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="must be above 0"):
        EdgeClient("edge-1", ["tcp://127.0.0.1:9002"], **wrong)


def test_what_cannot_be_sent_is_told_and_does_no_harm() -> None:
    with Scripted(agree) as central, EdgeClient("edge-1", [central.endpoint]) as client:
        with pytest.raises(TypeError):
            client.request("DETECTION", {"plate_id": object()})
        with pytest.raises(ValueError, match="too long"):
            client.detect("29A12345", image="x" * (1024 * 1024))
        assert client.ping()["success"] is True


def test_a_closed_client_says_so() -> None:
    client = EdgeClient("edge-1", ["tcp://127.0.0.1:9002"])
    client.close()
    client.close()
    with pytest.raises(RuntimeError, match="closed"):
        client.ping()


def test_an_ipv6_address_in_brackets_is_reached() -> None:
    try:
        central = Scripted(agree, "tcp://[::1]:0", ipv6=True)
    except OSError:
        pytest.skip("no IPv6 on this machine")
    with central, EdgeClient("edge-1", [central.endpoint]) as client:
        assert client.ping()["success"] is True
