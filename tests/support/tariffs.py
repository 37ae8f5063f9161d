"""Tariffs that several tests price by."""

from typing import Any

from zparkd.core.tariff.document import read_tariff
from zparkd.core.tariff.pricing import Tariff

AIRPORT: dict[str, Any] = {
    "rate": [
        {
            "camera_type": "car",
            "currency": "VND",
            "free_minutes": 10,
            "step": [
                {"until_minutes": 60, "every_minutes": 60, "amount": 15_000},
                {"every_minutes": 30, "amount": 5_000},
            ],
        }
    ]
}
CENTRE: dict[str, Any] = {
    "rate": [
        {
            "camera_type": "car",
            "step": [
                {"until_minutes": 120, "every_minutes": 60, "amount": 25_000},
                {"until_minutes": 240, "every_minutes": 60, "amount": 35_000},
                {"every_minutes": 60, "amount": 45_000},
            ],
        }
    ]
}
DAY_AND_NIGHT: dict[str, Any] = {
    "rate": [
        {
            "camera_type": "car",
            "window": [
                {"from": "06:00", "to": "22:00", "amount": 20_000},
                {"from": "22:00", "to": "06:00", "amount": 40_000},
            ],
        }
    ]
}


def flat(amount: int, camera_type: str = "car") -> dict[str, Any]:
    """A tariff of so much for each started day."""
    step = {"every_minutes": 24 * 60, "amount": amount}
    return {"rate": [{"camera_type": camera_type, "step": [step]}]}


def tariff(document: object, version: int = 1) -> Tariff:
    return Tariff(version, read_tariff(document))
