"""`/api/tariff`: what is seen, tried and set is what the gates charge."""

import json

import pytest

from tests.support.gateway import Gateway
from tests.support.harness import enter, leave
from zparkd.testbed.loopback import zparkctl

TOML = """\
[[rate]]
camera_type = "car"
free_minutes = 10
round_to = 1000

[[rate.step]]
until_minutes = 60
every_minutes = 60
amount = 15000

[[rate.step]]
every_minutes = 30
amount = 5000
"""
STAY = {"camera_type": "car", "entry": "2025-12-02 10:30:00", "exit": "2025-12-02 11:31:00"}


def put(gateway: Gateway, text: str):
    return gateway.http.put("/api/tariff", content=text.encode())


def quote(gateway: Gateway, **fields: object):
    return gateway.http.post("/api/tariff/quote", json={**STAY, **fields})


def test_a_tariff_is_tried_set_seen_and_charged(gateway: Gateway) -> None:
    first = gateway.get("/api/tariff").json()
    assert (first["version"], first["set_by"]) == (None, None)
    assert first["rate"][0]["step"] == [{"every_minutes": 60, "amount": 25000}]
    assert quote(gateway).json()["fee"] == 50000
    assert quote(gateway, camera_type="motorbike").json()["fee"] == 10000

    tried = quote(gateway, toml=TOML).json()
    assert (tried["fee"], tried["currency"], tried["minutes"]) == (20000, "VND", 61)
    assert gateway.get("/api/tariff").json() == first

    set_ = put(gateway, TOML).json()
    assert (set_["version"], set_["set_by"], set_["rate"][0]["camera_type"]) == (
        1,
        "central-1",
        "car",
    )
    assert gateway.get("/api/tariff").json() == set_
    options = [f"--{name.replace('_', '-')}={value}" for name, value in STAY.items()]
    said = json.loads(zparkctl(gateway.central.config, "tariff", "quote", "--json", *options))
    assert quote(gateway).json() == {"success": True, **said}
    enter(gateway.central, "29A12345")
    assert leave(gateway.central, "29A12345")["fee"] == 0, "of the free minutes"

    again = put(gateway, json.dumps({"rate": set_["rate"]})).json()
    assert again == set_, "the same is no news"
    dearer = put(gateway, set_["toml"].replace("15000", "16000")).json()
    assert (dearer["version"], dearer["rate"][0]["step"][0]["amount"]) == (2, 16000)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "rate: is missing"),
        ("[[rate]", "1: document: is not TOML"),
        ('{"rate": [', "is not JSON"),
        (TOML.replace("15000", "-1"), "9: rate[0].step[0].amount"),
        (TOML.replace("round_to", "round_too"), "write round_to"),
        (f"{TOML}{TOML}", "car"),
        ('{"rate": 1e999}', "rate"),
        ("\ufeff[[rate]]\r\n", "camera_type"),
        ('{"rate": [' + '{"x":' * 3000, "document"),
    ],
)
def test_what_is_wrong_with_a_tariff_is_named_with_its_line(
    gateway: Gateway, text: str, said: str
) -> None:
    before = gateway.get("/api/tariff").json()
    for answer in (put(gateway, text), quote(gateway, toml=text.removeprefix("\ufeff"))):
        assert (answer.status_code, answer.json()["error"]["code"]) == (422, "bad_document")
        assert said in answer.json()["error"]["message"]
    assert gateway.get("/api/tariff").json() == before


@pytest.mark.parametrize(
    "fields",
    [
        {"entry": "yesterday"},
        {"entry": None},
        {"exit": "2025-12-02 10:29:59"},
        {"exit": "9999-12-31 23:59:59"},
        {"entry": "0001-01-01 00:00:00"},
        {"camera_type": "a car"},
        {"camera_type": 1},
        {"lost_ticket": "yes"},
        {"toml": 1},
    ],
)
def test_a_stay_that_is_none_is_refused(gateway: Gateway, fields: dict[str, object]) -> None:
    assert quote(gateway, **fields).status_code == 400


def test_a_tariff_that_is_no_text_is_refused(gateway: Gateway) -> None:
    answer = gateway.http.put("/api/tariff", content=b"\xff\xfe")
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "bad_request")


def test_a_tariff_is_judged_without_being_set(gateway: Gateway) -> None:
    before = gateway.get("/api/tariff").json()
    judged = gateway.http.post("/api/tariff/check", content=TOML.encode()).json()
    assert judged["rate"][0]["free_minutes"] == 10
    again = gateway.http.post("/api/tariff/check", content=judged["toml"].encode()).json()
    assert again == judged, "as it is written down it is the same"
    wrong = TOML.replace("= 5000", "= -5").replace("= 10\n", "= -1\n").encode()
    refused = gateway.http.post("/api/tariff/check", content=wrong)
    assert (refused.status_code, len(refused.json()["faults"])) == (422, 2)
    assert gateway.get("/api/tariff").json() == before
