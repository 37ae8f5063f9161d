"""The bounds of replication, each with its unit in its name. Values only."""

from zparkd.core import limits

# --- one message -----------------------------------------------------------------------------
PAGE_BYTES = 512 * 1024  # a page ends with the event that passes this
PAGE_EVENTS = 500  # of a page, and what is read of any message: the rest is asked for
PAGE_INFLATED_BYTES = 4 * 1024 * 1024  # a page that unpacks to more is refused
BODY_COMMAS = 300_000  # more than any body of events has: each value costs far more than its bytes
COMPRESS_FROM_BYTES = 4 * 1024
SIGNED_EVENTS = 256  # of one stream without a signature between them, at most
SIGNED_BYTES = 256 * 1024  # and so many bytes of them, so that a page reaches the next signature
SIGNATURES_PER_MESSAGE = 4_096
STREAMS_PER_REQUEST = 512  # of one sync request; the rest is asked for with the next
STREAMS_PER_VECTOR = 20_000  # that one message may list
HEADS_PER_PAGE = 4_000  # of a vector that is asked for; the rest follows, so that no turn is long
RANGES_PER_REQUEST = 512  # of one request for digests
DIGEST_EVENTS = 500  # whose digest is asked for at once: what one such request costs the loop

# --- what is kept of a peer --------------------------------------------------------------------
STREAMS_OF_A_PEER = 100_000  # heads kept of one peer beyond those held here; then the rest
REFUSALS_OF_A_PEER = 4_096  # streams of which that is remembered; the oldest are forgotten
FORKS_KEPT = 4  # the newest streams of each origin of which the proof is kept
DUPLICATE_ID_SHOWN_MS = 10 * 60 * 1000  # an alarm about a second central of our id stands so long

# --- what is written down of peers --------------------------------------------------------------
SYNC_STATE_FLUSH_MS = 5_000  # how often what peers hold is written down, where it changed
SYNC_STATE_IDLE_MS = 60_000  # how often the time up to which it was looked at is, where it did not
HEADS_NOTED = 2_000  # with more, what other peers hold is written down the next time

# --- asking ------------------------------------------------------------------------------------
ASK_TIMEOUT_MS = 3_000  # a sync request without an answer is asked elsewhere
REDIAL_MS = 10_000  # a peer silent for so long is connected to anew; probes are more often
THIRD_PARTY_GRACE_MS = 300  # how long an event may be on its way from its own origin
REFUSED_MS = 1_000  # before a stream that a peer could not continue is asked of it again
REFUSED_MS_MAX = 60_000  # the same after many times: each doubles it
UNREADABLE_PAGES = 10  # in a row, each asked for anew with fewer streams; then the peer rests

# --- the pace of it ----------------------------------------------------------------------------
PROBE_EVERY_MS = 5_000  # a peer is asked so often, whether anything is missing or not
REST_MS = 1_000  # before a peer is asked again whose answer was of no use
RETRY_MS = 100  # the same where a request could not be sent
LOST_MS = 250  # a request older than this was lost where its peer comes back
MEASURE_EVERY_MS = 1_000  # its clock, where that or ours is being set
OFFSET_FROM_ROUND_TRIP_MS = 1_000  # a longer round trip says nothing of a clock
REST_OF_VECTOR_MS = 60_000  # after a part of it, though not all that it names is here

# --- answering ---------------------------------------------------------------------------------
PAGES_PER_TURN = 4  # sync pages read from disk in one turn, so that edges wait for few
SYNC_REQUESTS_WAITING = 256  # not yet served; more are dropped, and asked again
SYNC_REQUESTS_OF_ONE = 16  # of these, of one central

assert SIGNED_EVENTS < PAGE_EVENTS
assert SIGNED_BYTES + 2 * limits.EVENT_BYTES < PAGE_BYTES
assert PAGE_BYTES + 2 * limits.EVENT_BYTES < PAGE_INFLATED_BYTES <= limits.BUS_FRAME_BYTES
