"""What a stay costs and how long it was, in whole units of the currency and whole minutes.

Until a site sets its own tariff the built-in one counts: each started hour of a car costs
25,000 VND, of every other type 5,000 VND; a stay is at least one started hour.
"""

CURRENCY = "VND"
_HOUR_MS = 3_600_000
_PER_STARTED_HOUR = {"car": 25_000}
_PER_STARTED_HOUR_OTHER = 5_000


def fee(camera_type: str, entry_ms: int, exit_ms: int) -> int:
    """The fee of a stay in VND. A stay that ends before it begins is one of no length."""
    started_hours = max(1, -((entry_ms - exit_ms) // _HOUR_MS))
    return started_hours * _PER_STARTED_HOUR.get(camera_type, _PER_STARTED_HOUR_OTHER)


def duration_text(duration_s: int) -> str:
    """A duration in Vietnamese, whole minutes rounded down: `5 phút`, `1 giờ 0 phút`."""
    hours, minutes = divmod(duration_s // 60, 60)
    return f"{hours} giờ {minutes} phút" if hours else f"{minutes} phút"
