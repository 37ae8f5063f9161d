"""The bounds of the gate, each with its unit in its name. Values only."""

from zparkd.core import limits

# --- one request -----------------------------------------------------------------------------
EDGE_REQUEST_BYTES = 64 * 1024  # longer is answered `too_large`
CAPTURE_AGE_MS = 30_000  # an open for something seen longer ago is recorded, not opened
RETRY_AGE_MS = 24 * 3600 * 1000  # a request_id met again later than this is a counter reset
UNNAMED_RETRY_MS = 10_000  # an open without request_id repeated within this is a retry

CANDIDATES_SHOWN = 5  # stays that a misread plate may be of

NOT_TAKEN_LEAVES_MS = 24 * 3600 * 1000  # so long one that was not taken can leave all the same

# --- what is remembered of edges -------------------------------------------------------------
EDGES_REMEMBERED = 1024  # edges whose detections, rate and last sight are kept
RATE_BURST_S = 2.0  # a bucket holds this many seconds' worth of requests
DETECTIONS_PER_EDGE = 32
DETECTION_AGE_MS = 120_000  # how long a detection tells direction and type of an open
QUOTE_AGE_MS = 180_000  # how long an exit is charged what its edge was quoted
OPEN_AGE_MS = 120_000  # how long a close without plate is about what was opened here last
OWN_ENTRIES_LOOKED_AT = 64  # how far a close without plate looks back at its own lane

# --- plates to look out for -------------------------------------------------------------------
WATCHED_SHOWN_MS = 10 * 60 * 1000  # how long one that was seen is shown
WATCHED_REMEMBERED = 64

# --- stays of the earlier system -------------------------------------------------------------
OLD_STAYS_PER_TURN = 200  # of two events each; the rest follows, so that edges wait for few

assert EDGE_REQUEST_BYTES < limits.EDGE_FRAME_BYTES
