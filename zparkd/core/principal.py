"""Who acts, where that is not the edge itself: what an event, the log and the audit keep of it.

It stands in the skeleton of an event: who forgets a vehicle does not forget who opened for it.
"""

from typing import Annotated

from msgspec import Meta, Struct


class Principal(Struct, frozen=True, omit_defaults=True):
    """Who is proved to have acted: somebody logged in, else an account on the central's machine.

    `login` is a name at the gateway; `uid` the number of the account, 0 for root.
    """

    login: Annotated[str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}\Z")] | None = None
    uid: Annotated[int, Meta(ge=0, lt=2**32)] | None = None

    def __str__(self) -> str:
        """For people."""
        if self.login is not None:
            return self.login
        return "root" if self.uid == 0 else "local user"
