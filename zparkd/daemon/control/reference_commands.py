"""The commands for tariff, policy, passes and staff: what tools on this machine set and list.

    tariff.set    {"document": {"rate": [...]}}      the version that counts now; `incomplete`:
                                                     who may have a higher one that is not here yet
    tariff.show                                      the tariff that counts, and who set it when
    policy.set, policy.show                          likewise of the policy
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
from zparkd.core.turn import ImportPasses, ImportStaff, SetPolicy, SetTariff
from zparkd.core.view import View
from zparkd.daemon.control.commands import Answer, Command, Request, Wants, no


def reference_commands(central: Central, now: Callable[[], Now]) -> dict[str, Command]:
    """The table of them, for one central."""
    held = central.log.reference

    def missing() -> dict[str, Any]:
        """Which peers may have a higher version that is not here yet, where any may."""
        peers = View(central, now()).incomplete
        return {"incomplete": peers} if peers else {}

    def told(done: int | NotCounting | BadDocument) -> Answer:
        return _yes({"version": done, **missing()}) if isinstance(done, int) else _refused(done)

    def set_tariff(request: Request) -> Wants:
        return Wants(SetTariff(request.get("document"), request["by"]), told)

    def set_policy(request: Request) -> Wants:
        return Wants(SetPolicy(request.get("document"), request["by"]), told)

    def show_tariff(_: Request) -> Answer:
        tariff = held.tariff()
        if tariff is None:
            return _yes({"version": None, "document": {"rate": []}, "set_by": None, "set_ms": None})
        set_by = tariff.tariff.set_by
        answer = {"version": tariff.tariff.version, "document": tariff.document}
        return _yes(answer | {"set_by": set_by and set_by[0], "set_ms": tariff.set_ms})

    def show_policy(_: Request) -> Answer:
        policy = held.policy()
        if policy is None:
            return _yes({"version": None, "document": {}, "set_by": None, "set_ms": None})
        answer = {"version": policy.version, "document": policy.document}
        return _yes(answer | {"set_by": policy.set_by[0], "set_ms": policy.set_ms})

    def import_passes(request: Request) -> Answer | Wants:
        try:
            entries = read_passes(request.get("entries"))
        except BadDocument as bad:
            return _refused(bad)
        return Wants(ImportPasses(entries, request["by"]), _imported)

    def import_staff(request: Request) -> Answer | Wants:
        try:
            entries = read_staff(request.get("entries"))
        except BadDocument as bad:
            return _refused(bad)
        return Wants(ImportStaff(entries, request["by"]), _imported)

    return {
        "tariff.set": set_tariff,
        "tariff.show": show_tariff,
        "policy.set": set_policy,
        "policy.show": show_policy,
        "pass.import": import_passes,
        "pass.list": lambda _: _yes({"passes": [entry._asdict() for entry in held.passes()]}),
        "staff.import": import_staff,
        "staff.list": lambda _: _yes({"staff": [entry._asdict() for entry in held.staff()]}),
    }


def _yes(answer: dict[str, Any]) -> Answer:
    return {"success": True, **answer}


def _imported(done: Imported | NotCounting | BadDocument) -> Answer:
    if isinstance(done, Imported):
        return _yes({**done._asdict(), "outranked": [_of(lost) for lost in done.outranked]})
    return _refused(done)


def _refused(why: NotCounting | BadDocument) -> Answer:
    """What is wrong with the document that was given, or who outranks it."""
    if isinstance(why, NotCounting):
        lost = why.outranked
        return no("outranked", f"{lost}; {remedy(lost)}") | {"outranked": [_of(lost)]}
    faults = [str(fault) for fault in why.faults]
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
