"""The bounds of membership: whose events are taken in and how many, and who may join.

Each has its unit in its name. Values only.
"""

# --- whose events are taken in, and how many ---------------------------------------------------
STRANGERS = 32  # origins that are not configured whose events are taken in
WAITING_ORIGINS = 1_000  # of those that are not, as many are named
QUOTA_STREAMS_PER_H = 1_000  # of one origin: a run is a stream
QUOTA_EVENTS_PER_H = 200_000  # the same; 55 a second without end
QUOTA_BYTES_PER_H = 256 * 1024 * 1024  # the same
QUOTA_BURST_H = 10  # so many hours' worth may come at once
QUOTA_CREDIT_H_MAX = 20 * 366 * 24  # the same of an origin of which nothing is held
QUOTA_SHOWN_MS = 600_000  # how long it is a problem that something waited

# --- who joins ---------------------------------------------------------------------------------
INVITATIONS_OPEN = 16  # of one inviter, neither used nor over
INVITATIONS_CLOSED = 64  # used or over, whose keys are still let in to be told why
INVITATION_SHOWN_MS = 7 * 24 * 3600 * 1000  # after it is over, its key is told why
INVITATION_VALID_MS = 90 * 24 * 3600 * 1000  # the longest
JOIN_BYTES = 4 * 1024  # what is read of who comes with an invitation
JOINS_A_MINUTE = 5  # with one invitation; more get no answer
JOINS_REFUSED_RECORDED = 32  # attempts that failed, of one invitation, for the audit
ROSTER_DROPPED_MS = 1_000  # a key is let go so long after that is known: who is removed hears it
ROSTER_TOLD_MS = 4_000  # the same of a key that lost to an older join
KEY_LEFT_ALONE_MS = 3_000  # a change of the own key, to the command that waits for it
ROSTER_RETRY_MS = 5_000  # after files of the roster could not be written

# --- who is disowned ---------------------------------------------------------------------------
HEADS_OF_A_MEMBER = 800  # that one event lists of a member which is disowned
