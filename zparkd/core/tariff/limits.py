"""The bounds of a tariff, and of what is calculated by it.

Each has its unit in its name. Values only.
"""

from zparkd.core import limits

PRICED_DAYS_MAX = 3_660  # a longer stay costs no more
AMOUNT_MAX = 1_000_000_000  # of one step, window, cap or surcharge
TARIFF_BYTES = 24 * 1024  # as JSON: one event must hold it
TARIFF_RATES = 32
TARIFF_STEPS = 16  # of one rate
TARIFF_WINDOWS = 8  # of one rate
DOCUMENT_FAULTS = 50  # told of one document; of the rest only their number

assert AMOUNT_MAX < limits.FEE_MAX
assert TARIFF_BYTES + 4096 < limits.EVENT_BYTES
