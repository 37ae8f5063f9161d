"""The commands for tariff, passes and staff: what tools on the same machine set, import and list.

    tariff.set    {"document": {"rate": [...]}}      the version that counts now; `incomplete`:
                                                     who may have a higher one that is not here yet
    tariff.show                                      the tariff that counts, and who set it when
    pass.import   {"entries": [...]}                 how many entries changed, and how many are left
    staff.import  {"entries": [...]}                 likewise
    pass.list, staff.list

A document at fault changes nothing, and every fault is told. An import records as much as edges can
wait for: who asks repeats it until nothing is `left`.
"""

from collections.abc import Callable
from typing import Any

from zparkd.core.central import Central
from zparkd.core.clock import Now
from zparkd.core.reference.changes import Imported, NotCounting, Outranked
from zparkd.core.reference.lists import read_passes, read_staff
from zparkd.core.tariff.fields import BadDocument
from zparkd.daemon.control.commands import Answer, Command, Request, no


def reference_commands(central: Central, now: Callable[[], Now]) -> dict[str, Command]:
    """The table of them, for one central."""
    changes = central.reference
    held = central.log.reference

    def missing() -> dict[str, Any]:
        """Which peers may have a higher version that is not here yet, where any may."""
        peers = central.peers.incomplete(central.log.heads, now().mono_ms)
        return {"incomplete": peers} if peers else {}

    def set_tariff(request: Request) -> Answer:
        document = request.get("document")
        return _judged(
            lambda: {"version": changes.set_tariff(now(), document, request["by"]), **missing()}
        )

    def show_tariff(_: Request) -> Answer:
        tariff = held.tariff()
        if tariff is None:
            return _yes({"version": None, "document": {"rate": []}, "set_by": None, "set_ms": None})
        set_by = tariff.tariff.set_by
        answer = {"version": tariff.tariff.version, "document": tariff.document}
        return _yes(answer | {"set_by": set_by and set_by[0], "set_ms": tariff.set_ms})

    def import_passes(request: Request) -> Answer:
        entries = request.get("entries")
        return _imported(lambda: changes.import_passes(now(), read_passes(entries), request["by"]))

    def import_staff(request: Request) -> Answer:
        entries = request.get("entries")
        return _imported(lambda: changes.import_staff(now(), read_staff(entries), request["by"]))

    return {
        "tariff.set": set_tariff,
        "tariff.show": show_tariff,
        "pass.import": import_passes,
        "pass.list": lambda _: _yes({"passes": [entry._asdict() for entry in held.passes()]}),
        "staff.import": import_staff,
        "staff.list": lambda _: _yes({"staff": [entry._asdict() for entry in held.staff()]}),
    }


def _yes(answer: dict[str, Any]) -> Answer:
    return {"success": True, **answer}


def _imported(work: Callable[[], Imported]) -> Answer:
    def imported() -> dict[str, Any]:
        done = work()
        return {**done._asdict(), "outranked": [_of(lost) for lost in done.outranked]}

    return _judged(imported)


def _judged(work: Callable[[], dict[str, Any]]) -> Answer:
    """What `work` answers, or what is wrong with the document that it was given."""
    try:
        return _yes(work())
    except NotCounting as fault:
        lost = fault.outranked
        return no("outranked", f"{lost}; {remedy(lost)}") | {"outranked": [_of(lost)]}
    except BadDocument as bad:
        faults = [str(fault) for fault in bad.faults]
        answer = no("bad_document", "; ".join(faults))
        answer["error"]["faults"] = faults
        return answer | {"faults": faults}


def remedy(lost: Outranked) -> str:
    """What to do about an event that nothing outranks."""
    if lost.by is None:
        return "zparkctl member show names who says so; zparkctl member restore at others denies it"
    return f"if {lost.by} should not have said so: zparkctl member disown {lost.by} --since TIME"


def _of(lost: Outranked) -> dict[str, Any]:
    return {**lost._asdict(), "text": f"{lost}; {remedy(lost)}"}
