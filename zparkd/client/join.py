"""Joining by a token: one JOIN, at each address of the central that invited, until one answers."""

import json
import os
import socket
import time
from typing import Any

import zmq

from zparkd.core import limits
from zparkd.core.events import xeddsa
from zparkd.core.keys import key_bytes, key_text
from zparkd.core.members import limits as member_limits
from zparkd.core.members.joining import write_join
from zparkd.core.members.token import Token, join_text

_ANSWER_S = 8.0
_CONNECT_S = 2.0


class NotReached(Exception):
    """Nobody answered. The text says why at each address."""


class JoinRefused(Exception):
    """The central that invited says no. The text says why."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(text)
        self.code = code


Ports = tuple[int | None, int | None, int | None]


def join(
    token: Token, secret: bytes, address: str | None = None, ports: Ports = (None, None, None)
) -> dict[str, Any]:
    """Become the member that a token names; the answer with site, time zone and roster.

    `secret` is the own secret key, as Z85; a central says its address and ports. The same again,
    with the same key, gets the same answer. Raises NotReached and JoinRefused.
    """
    text = join_text(
        site=token.site,
        role=token.role,
        member=token.member,
        number=token.number,
        inviter_key=token.inviter_key,
        onetime_key=key_bytes(zmq.curve_public(key_text(token.secret).encode()).decode()),
        address=address,
        ports=ports,
    )
    signature = xeddsa.sign(key_bytes(secret.decode()), text, os.urandom(xeddsa.CHANCE_BYTES))
    answer = ask(token, write_join(zmq.curve_public(secret).decode(), signature, address, ports))
    if answer.get("success") is not True:
        error = answer.get("error")
        said = error if isinstance(error, dict) else {}
        raise JoinRefused(str(said.get("code")), str(said.get("message")))
    if (answer.get("site"), answer.get("member")) != (token.site, token.member):
        raise JoinRefused("forged", "the answer is for another site or member; nothing was changed")
    return answer


def ask(token: Token, join: bytes) -> dict[str, Any]:
    """The answer to a JOIN. Raises NotReached."""
    said = []
    for address in token.addresses:
        why = _unreachable(address, token.port)
        if why is None:
            answer = _asked(token, address, join)
            if answer is not None:
                return answer
            why = (
                f"no answer in {_ANSWER_S:g} s: another machine, an invitation that was over for a"
                f" week, or tried more than {member_limits.JOINS_A_MINUTE} times in a minute"
            )
        said.append(f"{address} port {token.port}: {why}")
    raise NotReached(f"{token.inviter} is not reached: " + "; ".join(said))


def _asked(token: Token, address: str, join: bytes) -> dict[str, Any] | None:
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    secret = key_text(token.secret).encode()
    asking = context.socket(zmq.DEALER)
    try:
        asking.linger = 0
        asking.maxmsgsize = limits.BUS_FRAME_BYTES
        asking.ipv6 = ":" in address
        asking.curve_secretkey, asking.curve_publickey = secret, zmq.curve_public(secret)
        asking.curve_serverkey = key_text(token.inviter_key).encode()
        host = f"[{address}]" if ":" in address else address
        asking.connect(f"tcp://{host}:{token.port}")
        asking.send(join)
        until = time.monotonic() + _ANSWER_S
        while (left_s := until - time.monotonic()) > 0:
            if not asking.poll(max(1, round(left_s * 1000))):
                continue
            try:
                answer = json.loads(asking.recv_multipart()[-1])
            except (ValueError, RecursionError):
                return None
            return answer if isinstance(answer, dict) else None
        return None
    finally:
        context.destroy(linger=0)


def _unreachable(host: str, port: int) -> str | None:
    """Why a port can't be connected to, which ZeroMQ would never say; None where it can."""
    try:
        socket.create_connection((host, port), _CONNECT_S).close()
    except TimeoutError:
        return f"no connection in {_CONNECT_S:g} s; is it on, and the port open in firewalls?"
    except ConnectionRefusedError:
        return "connection refused; nothing listens there: does zparkd run?"
    except OSError as fault:
        return (fault.strerror or str(fault)).lower()
    return None
