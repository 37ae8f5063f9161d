"""The bounds of the gateway: of what comes in over HTTP.

Each has its unit in its name. Values only.
"""

CONNECTIONS = 1_024  # open at a time, pages and calls together
CONNECTIONS_OF_ADDRESS = 320  # of these; behind a proxy that is named, of all
SLOW_S = 10.0  # for a request to be whole, and for what is sent to be taken
PAGES = 512  # that are sent events as they come
MESSAGES_WAITING = 256  # for a page that takes them slowly; with more it is let go
EVENTS_RESUMED = 1_000  # that a page which was cut off is sent at once
CONTROL_THREADS = 4
READ_THREADS = 2
CALLS_WAITING = 256  # of the daemon, and as many of the database
READ_S = 5.0  # how long a query may take
ROWS = 10_000  # of one JSON answer
PICTURES_AT_ONCE = 4  # asked of the cameras' process
PICTURE_BYTES = 8 * 1024 * 1024
STORY_EVENTS = 1_000  # the newest of a vehicle
TRAFFIC_DAYS = 400
SESSIONS = 1_024  # of people who logged in
SESSION_S = 12 * 3600  # of a session, at most
SESSION_IDLE_S = 4 * 3600
LOGINS_A_MINUTE = 6  # that fail, from one address
LOGINS_OF_A_NAME_A_MINUTE = 20  # that fail, from wherever
LOGINS_WAITING = 8
ATTEMPTS_REMEMBERED = 4_096  # addresses and names whose logins failed
METRICS_OF_EDGES = 200  # the ones heard last
METRICS_OF_CENTRALS = 100
METRICS_OF_STREAMS = 1_000  # looked at for the oldest event that a peer lacks
LIST_BYTES = 8 * 1024 * 1024  # of passes or staff, as JSON
CSV_PARTS = 1_000  # of a thousand rows each, in one file
