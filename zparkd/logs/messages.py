"""Everything the daemon says in its log: one table of messages, and `say`.

Each message has an id that never changes: `systemd/*.catalog` explain it to operators under that
id, and scripts find it by it. Its named fields become fields of the journal too.

A plate stands in the lines of recorded events and in no other; a key in none.
"""

from enum import Enum
from typing import NamedTuple

from loguru import logger


class Entry(NamedTuple):
    """What is said: its id for ever, its level, and its text with named fields."""

    id: str
    level: str
    text: str


class Message(Enum):
    """All that is ever said."""

    # --- this daemon
    STARTED = Entry(
        "176afab3646541f79acfbcf608f5b9f7",
        "INFO",
        "{central} of site {site}, zparkd {version}: {events} events held, {peers} peers",
    )
    READY = Entry("000066e70b1c40c9af034d8410c637e6", "INFO", "edges are now answered")
    STOPPED = Entry("3d3cbb8575e4470d88880c970f73d2e2", "INFO", "stopped")
    NOT_STARTED = Entry(
        "4eae625d53b1496f9ba65c11e611eb61",
        "ERROR",
        "not started, exit {code}; the lines before this say why",
    )
    TURN_FAILED = Entry("919987c97f9b4535a974c8ba3d1b187b", "ERROR", "a turn failed and was undone")
    LINES_LOST = Entry(
        "93ea99d70a2c4228bf3aba3e21b02db5",
        "WARNING",
        "{count} lines are missing here: the journal was too busy to take them",
    )
    # --- configuration
    CONFIG_APPLIED = Entry(
        "fdec23a05665422381e7ee4df3fa0f5f",
        "INFO",
        "configuration applied: {peers} peers, {edges} edges",
    )
    CONFIG_REFUSED = Entry(
        "2ed9c26d5ac742f68f9b4d34299db201",
        "ERROR",
        "configuration refused: {fault}",
    )
    WATCH_FAILED = Entry(
        "38112f7fbc4c4a3bae5c0b73ff58c253",
        "WARNING",
        "inotify does not work: {reason}; the configuration files are read every {every_s} s"
        " instead; raise fs.inotify.max_user_instances and max_user_watches (sysctl), and restart",
    )
    # --- disk
    STORAGE_FAILED = Entry(
        "4f72bad4bf68407c981852ce63f200ad",
        "ERROR",
        "the database can't be written: {reason}; free space or replace the disk",
    )
    STORAGE_BACK = Entry(
        "acda7d1e7e144da0995e772a2b861924",
        "INFO",
        "the database can be written again",
    )
    DATABASE_DAMAGED = Entry("c2e895532e4b42c593756573901b2e57", "CRITICAL", "{reason}")
    DATABASE_OLDER = Entry(
        "f5170d8f4b014503add2cd8a98bf8002",
        "WARNING",
        "the database is older than it was: it holds {held} of the {head} events of epoch {epoch};"
        " what is missing is fetched from peers that have it",
    )
    DATABASE_REPLACED = Entry(
        "b51527d913d8470c9ee035dd1a10a189",
        "WARNING",
        "the database is not the one used here before; the past is fetched from peers that have it",
    )
    MIGRATING = Entry(
        "3b0a5a3ef6c54f1c8c36f3c0b1c0a4de",
        "INFO",
        "the database is being migrated to this version: {moved} of {events} events done",
    )
    REREADING = Entry(
        "8f73181dd7354c9e9b70a460ed26ac89",
        "INFO",
        "before edges are answered, {count} events are read that an older version could not read",
    )
    REREAD = Entry(
        "2491213f29044b2d9cd78e1566c3b3b9",
        "INFO",
        "the events that an older version could not read have been read",
    )
    DISK_FAILED = Entry("77588ae834244488acc79c48f09ba524", "CRITICAL", "the disk failed: {reason}")
    # --- clock
    CLOCK_WRONG = Entry(
        "2c38d8df037e412ea91c774d1d4aa56e",
        "WARNING",
        "this central's wall clock is wrong: {reason}; set it (timedatectl)",
    )
    CLOCK_RIGHT = Entry(
        "ca6a1ac5405346ef8a7323d42b670b81",
        "INFO",
        "this central's wall clock is right again",
    )
    # --- peers
    PEER_CONNECTED = Entry("9a56edf667bd4ab581fd3505cabf4449", "INFO", "{peer} is connected")
    PEER_CAUGHT_UP = Entry(
        "b9c33c0cd9eb4006a20741df28878fb6",
        "INFO",
        "everything {peer} has is here",
    )
    PEER_LOST = Entry(
        "e52df43330324ee48ad8ab7edd26109c",
        "WARNING",
        "{peer} is no longer heard; what it misses is kept for it",
    )
    PEER_REFUSED = Entry(
        "20c1a7172fa4493f85f3c44dc2491401",
        "WARNING",
        "{peer} is refused: {reason}",
    )
    # --- keys
    KEY_REFUSED = Entry("41a718a69a0144f59fb76469b1b1f641", "WARNING", "turned away: {reason}")
    FLOODED = Entry(
        "5fb50f9369db4714b31328d04db4bad9",
        "ERROR",
        "{reason}; it is cut off and kept out for a while",
    )
    INSECURE = Entry(
        "9a74dc16ef414020bd6d61054db93749",
        "WARNING",
        "mode is plain with allow_insecure: any host that reaches these ports can read all plates"
        " and open barriers",
    )
    DUPLICATE_ID = Entry(
        "2a77473576954da9bbbd9c22dedf0aff",
        "ERROR",
        "another process is recording events as {central}; stop one of the two",
    )
    # --- what people ask for
    COMMAND = Entry(
        "84803267527d4e4587fd728584810880", "INFO", "{command} {outcome}, requested by {asker}"
    )
    # --- vehicles
    VEHICLE_IN = Entry(
        "bdc2bc697c8f4c3c87a0a5c80469636f",
        "INFO",
        "{plate} ({camera_type}) in at {edge}: {event_id}",
    )
    VEHICLE_CONFIRMED = Entry(
        "559c646d8cce4dcf8ddb105e8f910d53",
        "INFO",
        "{plate} ({camera_type}) passed {edge}: {event_id}",
    )
    VEHICLE_OUT = Entry(
        "eb47324e9b9a4223b3b27f187b9c7c4e",
        "INFO",
        "{plate} ({camera_type}) out at {edge}, {fee} {currency}: {event_id}",
    )
    VEHICLE_SEEN = Entry(
        "ef3637a3e7e24a5e840382d34b7288ad",
        "INFO",
        "{plate} ({camera_type}) seen at {edge}, too late to open the barrier",
    )
    OPENED_BY_HAND = Entry(
        "5919ae73f9474f499cdd88277c029d14",
        "INFO",
        "{edge} opened by hand, no plate given",
    )
    ENTRY_NOT_TAKEN = Entry(
        "d3c1c7264d99442d90bb7481a042d729",
        "INFO",
        "{plate} ({camera_type}) did not drive in at {edge}: {event_id}",
    )
    VEHICLE_CORRECTED = Entry(
        "9708f49c08054e29a091581f79852570",
        "INFO",
        "corrected to {plate} ({camera_type}): {event_id}",
    )
    STAY_CLOSED = Entry(
        "a4d2bc14959845c1ada858b6136d6d0f",
        "INFO",
        "stay of {plate} ({camera_type}) closed by hand: {event_id}",
    )
    EVENT_VOIDED = Entry(
        "255e7f5db2e944e88dfe2850cf321808",
        "INFO",
        "event of {plate} ({camera_type}) voided: {event_id}",
    )
    STAY_CHARGED = Entry(
        "c42d2ceb140047c6ab41595f65068241",
        "INFO",
        "{amount} {currency} charged on the stay of {plate} ({camera_type}): {event_id}",
    )
    VEHICLE_ERASED = Entry(
        "3f8ea006bd144658b04a6441f5b699a2",
        "INFO",
        "a vehicle was erased: the plate and all else that is personal in {events} events",
    )
    # --- reference data
    TARIFF_SET = Entry("9f8f15ae41174e46a202ff16680c8a13", "INFO", "tariff version {version} set")
    POLICY_SET = Entry("5d0c2b8a97c14a3f9f63c1d7e4b28a06", "INFO", "policy version {version} set")
    PASS_CHANGED = Entry(
        "957f7ae82a4349b9bbfaa97ff5dfb738",
        "INFO",
        "pass of a {camera_type} from {valid_from} to {valid_until} {change}",
    )
    MOVED_IN = Entry(
        "2d0c7a4d2f2a4f2b9c5b4f2a9f3f6a51",
        "INFO",
        "{stays} stays of the earlier system imported: {entries} entries and {exits} exits are new",
    )
    BUNDLE_TAKEN = Entry(
        "0aa8395f4c81469e9aace67cf995a3ba",
        "INFO",
        "bundle from {central} imported: {events} events are new",
    )
    STAFF_CHANGED = Entry("a24892d3e4e84c2ab147f54bc424afa8", "INFO", "member of staff {change}")
    CONFLICT_ACKNOWLEDGED = Entry(
        "d8b5f1e542bb47fbbec50ab2e8df7abc", "INFO", "conflict acknowledged: {conflict}"
    )
    CONFLICTS_FOUND = Entry(
        "fc5629d83677424388209e85ce30fa94",
        "WARNING",
        "everything the peers have is here: {new} new conflicts since the first of them was lost,"
        " {open} open in all; see: zparkctl conflicts",
    )
    MEMBER_DISOWNED = Entry(
        "fa3edb0257fe4e6090b9b9b3222e0407",
        "WARNING",
        "{member} is disowned: what it records from now on does not count, if most centrals agree",
    )
    MEMBER_RESTORED = Entry(
        "a904360485ff416db7d46c0e911ab6c3",
        "WARNING",
        "{member} is restored: what it records counts again",
    )
    MEMBER_ADMITTED = Entry(
        "baa2d0607b664295aa5443aa7212d987",
        "INFO",
        "{member} is admitted: what it records is accepted",
    )
    MEMBER_REMOVED = Entry(
        "a80e91248e0d4b868f53eb5d9776ef1e",
        "WARNING",
        "{member} is removed: its key opens nothing from now on, if most centrals agree",
    )
    MEMBER_INVITED = Entry(
        "76c4d8cc748340c2966ecb964252400a",
        "INFO",
        "{member} is invited: whoever has the token may join as it, once",
    )
    MEMBER_JOINED = Entry(
        "53f53f7f9f9e4482aadaecb6b564c562",
        "INFO",
        "{member} is a member",
    )
    MEMBER_CHANGED = Entry(
        "1688a74395da4ba5a8a4ac6a6f6c37ec",
        "INFO",
        "{member} has a new address or key",
    )
    EDGE_REMOVED = Entry(
        "53356b56923c456db203d3f7ab009968",
        "WARNING",
        "edge {member} is removed: its key opens nothing from now on",
    )
    JOIN_REFUSED = Entry(
        "3e01693034a64bfc969e971bba6cc5ff",
        "WARNING",
        "{came_from} did not join as {member}: {why}",
    )
    EXTERNAL_API_FAILED = Entry(
        "6858734b2c05400d80ace38ed83091a1",
        "WARNING",
        "the external API can't be used: {reason}",
    )
    EXTERNAL_API_BACK = Entry(
        "aba3568ba54a41caa41103e70548b3c6", "INFO", "the external API can be used again"
    )


def say(message: Message, fault: BaseException | None = None, /, **fields: object) -> None:
    """Log a message with its fields; `fault` adds the traceback of what was caught."""
    id, level, text = message.value
    text = text.format_map(fields)
    if not text.isprintable():  # what others sent us must not begin a line of its own
        text = "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in text)
    log = logger.bind(MESSAGE_ID=id, **fields)
    if fault is not None:
        log = log.opt(exception=fault)
    log.log(level, text)
