"""The bounds of the daemon, each with its unit in its name.

A queue, frame, page, batch or table that could grow has its limit here, or in the `limits` of the
room that it bounds. Values only.
"""

# --- what an edge may send -------------------------------------------------------------------
EDGE_FRAME_BYTES = 1024 * 1024  # longer drops the connection (per frame, by the socket)
EDGE_ENVELOPE_FRAMES = 8  # before a request; with more there is nobody to answer
TEXT_CHARACTERS = 256  # of any free string in a request

# --- what centrals send each other -----------------------------------------------------------
TOPIC_FRAME_BYTES = 1024  # what a subscriber says; the frames of its handshake count too
TOPICS_QUEUE = 8  # subscriptions not yet taken in, of each connection
BUS_FRAME_BYTES = 4 * 1024 * 1024
EVENT_BYTES = 32 * 1024  # skeleton and personal part of one event, each
EPOCHS_IN_HEARTBEAT = 2  # of each origin; all older ones are covered by one digest
HEADS_IN_HEARTBEAT = 512  # of all origins, however many there are

# --- sockets ---------------------------------------------------------------------------------
OPEN_FILES = 8_192  # asked of the system at the start; each connection is one
SOCKETS = 4_096  # of the daemon; each peer has three
BUS_QUEUE = 1_000  # messages waiting for one connection; a reader that lags misses the rest
ASKS_WAITING = 1  # sync requests to one peer that is not connected; more are not sent
SYNC_QUEUE = 16
EDGE_QUEUE = 1_000
CONTROL_QUEUE = 100
CONNECTIONS_WAITING = 256  # not yet accepted, of one port
HANDSHAKE_MS = 1_000  # a connection that has not proved by then who it is is closed
DIAL_HANDSHAKE_MS = 3_000  # the same of one that we dial
SELF_TEST_MS = 5_000  # for each port to turn away a key that nobody has
REFUSALS_REMEMBERED = 64  # keys that were turned away, for `status`
REFUSALS_SHOWN_MS = 60_000  # how long one is a problem
FORGED_SHOWN_MS = 3_600_000  # how long what a peer sent in another's name is a problem
FLOOD_LOOKED_AT_MS = 100  # how often it is seen how much memory is taken
FLOOD_GROWTH_BYTES = 32 * 1024 * 1024  # by so much more, it is asked who sent what
FLOOD_BYTES = 8 * 1024 * 1024  # of one connection, more than was handed over: it is cut
FLOOD_LOOK_MS = 600_000  # so long growth is added up
FLOOD_DENIED_MS = 600_000  # so long the key of such a one opens nothing
CONNECTIONS_TOLD_APART = 256  # of one address, at the moment their keys are let in
REFUSAL_LINES_PER_MINUTE = 10  # in the log; what is over is counted

# --- the loop --------------------------------------------------------------------------------
TURN_AT_LEAST_MS = 250  # so often the loop turns where nothing comes in
COMPANY_MS = 3  # events of peers wait for more where several just came, if nobody else does
REJUDGED_PER_TURN = 200  # events that come to count, or count no more, by what members say
EVENTS_WRITTEN_AT_ONCE = 500  # what so many events come to is written behind them, if not before
WRITTEN_WITHIN_MS = 50  # or so long after the first of them,
WRITTEN_AT_REST_MS = 2  # or where nothing comes in for so long
WRITTEN_AGAIN_MS = 1_000  # and tried again so long after it could not be
EVENTS_BEHIND_MAX = 4_000  # beyond so many it is part of their own transaction
PLATES_REMEMBERED = 1_024  # whose open stays are at hand without asking the disk
EVENTS_PER_TURN = 500  # taken from peers; other messages of theirs wait for the next turn
EVENTS_FOLDED_PER_TURN = 500  # looked at to bring stays up to date; the rest likewise
EVENTS_PER_PIECE = 200  # of one vehicle, before others have their turn
MESSAGES_PER_SOCKET = 256  # drained from one socket in one turn
MESSAGES_SET_ASIDE = 1_000  # that could not be handled, kept for who mends it
SET_ASIDE_CHARACTERS = 64 * 1024  # of each of them
CONTROL_REQUEST_BYTES = 8 * 1024 * 1024  # a list of passes is the longest
HANDED_WAITING = 256  # requests of edges that came over the control socket
START_CATCH_UP_MS = 2_000  # before edges are answered, at most
START_CHECK_MS = 200  # for a look at the database after a stop in good order
START_CHECK_UNCLEAN_MS = 1_000  # after any other
START_CHECKS_STREAMS = 100  # whose newest events are looked at, the newest streams
START_CHECKS_EVENTS = 20  # of each of them
START_HELLO_MS = 500  # a peer that has not answered by then does not hold up the start
WAL_WARNED_BYTES = 96 * 1024 * 1024  # of commits that can't be taken over into the database
DISK_LOW_BYTES = 512 * 1024 * 1024  # less that is free is a problem
FILE_LOOKED_AT_MS = 1_000  # how often it is seen that the database is still in its place
UPLINK_EVERY_S = 10.0  # between two words of the uplink
OUTAGES_KEPT = 1_000  # the newest, with when a peer was lost and back
PEERS_LOOKED_AT_MS = 100  # how often it is seen that a peer was lost or is back
OUTAGES_RETRY_MS = 2_000  # after that could not be written
EDGE_SHOWN_MS = 30 * 24 * 3600 * 1000  # an edge that is not configured is listed for so long
EDGES_FLUSH_MS = 60_000  # how often it is written down when edges were heard
EDGES_NEW_FLUSH_MS = 5_000  # the same where one is heard for the first time

# --- numbers on the wire ---------------------------------------------------------------------
SEQ_MAX = 2**40 - 1
EPOCH_MAX = 2**53 - 1
TIME_MS_MAX = 2**53 - 1
FEE_MAX = 1_000_000_000_000  # an exit that charged more means nothing
VERSION_MAX = 2**53 - 1
TIME_SHOWN_MS_MAX = 4_102_444_800_000  # 2100-01-01: a later event means nothing
ORDER_RAISED_MAX = TIME_SHOWN_MS_MAX - 86_400_000  # of what edges ask; beyond stand only the wrong

# --- what the policy may say, and the lists of passes and staff --------------------------------
POLICY_BYTES = 24 * 1024  # as JSON: one event must hold it
CAPACITY_MAX = 1_000_000
NOT_TAKEN_AFTER_S_MIN = 1
NOT_TAKEN_AFTER_S_MAX = 24 * 3600
SILENT_EDGE_MIN_MAX = 31 * 24 * 60
KEEP_DAYS_MAX = 36_525
ERASED_AT_ONCE = 2_000  # positions that one erase names
REFERENCE_ENTRIES = 20_000  # of a list of passes or staff
REFERENCE_EVENTS_PER_TURN = 200  # of an import; the rest follows, so that edges wait for few
API_TARIFF_BYTES = 256 * 1024  # of an answer of the external API
API_LIST_BYTES = 4 * 1024 * 1024
API_BACK_OFF = 8  # intervals between two looks at an API that fails, at most

# --- reports ---------------------------------------------------------------------------------
REPORT_DAYS = 400  # of one report: by the hour that is 9,600 rows

# --- time ------------------------------------------------------------------------------------
CLOCK_BOUND_MS = 10_000  # off by more than this from the median of the centrals is wrong
CLOCK_STEP_MS = 1_000  # a wall clock that moves by more against the monotonic one was set
CLOCK_STEP_BACK_MS = 1_000  # a wall clock behind the last event by more is not believed
ABSURD_STAY_MS = 90 * 24 * 3600 * 1000  # a longer stay is marked for a person to look at

assert POLICY_BYTES + 4096 < EVENT_BYTES
