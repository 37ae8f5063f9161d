"""Moving a barrier: one attempt, in time, and no other answer taken for a yes."""

import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.camera.relay import Relay
from zparkd.camera.barriers import (
    DEADLINE_S,
    BarrierConfig,
    BarrierFault,
    BarrierKind,
    barrier_of,
)
from zparkd.camera.digest import response, words_of
from zparkd.camera.secret_files import Secret
from zparkd.testbed.loopback import free_ports

BODY = "<BarrierGate><ctrlMode>open</ctrlMode></BarrierGate>"


def http(url: str, **more: object) -> BarrierConfig:
    return BarrierConfig(BarrierKind.HTTP, url=url, body=BODY, **more)  # type: ignore[arg-type]


def faults(opens: Callable[[], None]) -> str:
    with pytest.raises(BarrierFault) as found:
        opens()
    return str(found.value)


def test_a_relay_is_asked_once_with_what_the_lane_s_file_says(relay: Relay) -> None:
    barrier_of(http(f"{relay.url}/ISAPI/Parking/channels/1/barrierGate?a=b")).open()
    assert relay.opened == ["/ISAPI/Parking/channels/1/barrierGate?a=b"]
    assert relay.bodies == [BODY.encode()]


@pytest.mark.parametrize(
    "challenge",
    [
        'Digest qop="auth", realm="IP Camera", nonce="abc", algorithm=MD5',
        'Digest realm="IP Camera", nonce="abc"',
        'Digest qop="auth,auth-int", realm="x", nonce="abc", opaque="o", algorithm=SHA-256',
    ],
)
def test_a_relay_that_asks_for_digest_is_answered(relay: Relay, challenge: str) -> None:
    relay.challenge = challenge
    barrier = barrier_of(http(f"{relay.url}/open", credentials=Secret("admin", "secret-12")))
    barrier.open()
    [said] = relay.authorized
    words = words_of(said)
    wanted = response(words, "admin", "secret-12", "PUT", "/open")
    assert words["response"] == wanted
    assert words["username"] == "admin"
    barrier.open()  # from now on with the nonce that is known
    assert len(relay.opened) == 2


def test_a_relay_that_asks_for_basic_is_answered(relay: Relay) -> None:
    relay.challenge = 'Basic realm="IP Camera"'
    barrier_of(http(f"{relay.url}/open", credentials=Secret("admin", "secret-12"))).open()
    assert relay.authorized == ["Basic YWRtaW46c2VjcmV0LTEy"]


def test_the_digest_is_that_of_the_standard() -> None:
    # The example of RFC 7616, section 3.9.1.
    words = {
        "realm": "http-auth@example.org",
        "nonce": "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v",
        "nc": "00000001",
        "cnonce": "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ",
        "qop": "auth",
    }
    said = ("Mufasa", "Circle of Life", "GET", "/dir/index.html")
    assert response(words, *said) == "8ca523f5e9506fed4657c9700eebdbec"
    sha = response(words | {"algorithm": "SHA-256"}, *said)
    assert sha == "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"


@pytest.mark.parametrize("status", [401, 403, 404, 500])
def test_a_relay_that_refuses_did_not_open(relay: Relay, status: int) -> None:
    relay.status = status
    assert str(status) in faults(barrier_of(http(f"{relay.url}/open")).open)


def test_a_relay_that_says_no_in_its_body_did_not_open(relay: Relay) -> None:
    relay.answer = b"<ResponseStatus><statusCode>4</statusCode></ResponseStatus>"
    assert "statusCode 4" in faults(barrier_of(http(f"{relay.url}/open")).open)


def test_a_relay_that_is_slow_is_given_up_in_time(relay: Relay) -> None:
    relay.slow_s = 60
    started = time.monotonic()
    assert "no answer" in faults(barrier_of(http(f"{relay.url}/open")).open)
    assert time.monotonic() - started < DEADLINE_S + 3


def test_a_relay_that_is_not_there_is_named() -> None:
    port = free_ports(1)[0]
    assert "can't be asked" in faults(barrier_of(http(f"http://127.0.0.1:{port}/")).open)


def command(*argv: str) -> Callable[[], None]:
    return barrier_of(BarrierConfig(BarrierKind.COMMAND, argv=argv)).open


@pytest.mark.programs
def test_a_command_opens_where_it_exits_with_0(tmp_path: Path) -> None:
    touched = tmp_path / "opened $(here)"
    command(sys.executable, "-c", "import sys; open(sys.argv[1], 'w')", str(touched))()
    assert touched.exists()


@pytest.mark.programs
def test_a_command_that_fails_did_not_open() -> None:
    assert "exited with 3" in faults(command(sys.executable, "-c", "raise SystemExit(3)"))
    assert "/no/such/program" in faults(command("/no/such/program"))


@pytest.mark.programs
def test_a_command_that_hangs_is_killed() -> None:
    assert "more than 2 s" in faults(command(sys.executable, "-c", "import time; time.sleep(60)"))


def test_a_gpio_chip_that_is_not_there_is_named() -> None:
    pytest.importorskip("gpiod", reason="the library gpiod is not installed")
    chip = Path("/dev/no-such-chip")
    opens = barrier_of(BarrierConfig(BarrierKind.GPIO, chip=chip, line=17)).open
    assert "/dev/no-such-chip line 17" in faults(opens)


def test_without_a_barrier_there_is_nothing_to_move() -> None:
    barrier_of(BarrierConfig(BarrierKind.NONE)).open()
