"""Whose database it is: of one central of one site, and told from any other."""

import secrets
import sqlite3


class NotOurs(Exception):
    """The database belongs to another central or site: `key` says which of them differs."""

    def __init__(self, key: str, theirs: str, ours: str) -> None:
        super().__init__(
            f"the database belongs to {key} {theirs!r}, not {ours!r};"
            f" write {theirs!r} or name another file in storage.path"
        )
        self.key = f"central.{key}"


def remember(connection: sqlite3.Connection, central_id: str, site: str) -> None:
    """Write down whose it is, where that is not known. Raises NotOurs."""
    run = connection.execute
    known = dict(run("SELECT key, value FROM meta").fetchall())
    for key, name, value in (("central", "id", central_id), ("site", "site", site)):
        if known.get(key, value) != value:
            raise NotOurs(name, known[key], value)
        run("INSERT OR IGNORE INTO meta VALUES (?,?)", (key, value))
    # Told apart from another database that is put in its place some day.
    run("INSERT OR IGNORE INTO meta VALUES ('database', ?)", (secrets.token_hex(16),))
