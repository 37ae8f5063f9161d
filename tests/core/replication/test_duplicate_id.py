"""Another process under our id is found out; our own past is not taken for one."""

from tests.support.centrals import Driven, meet

HOUR_S = 3600


def site() -> tuple[Driven, Driven, Driven]:
    """A central, another process under its id, and a peer that knows one central of that id."""
    one = Driven("central-1", peers=["central-2"])
    other = Driven("central-1", peers=["central-2"])
    other.epoch = 6
    other.start()
    return one, other, Driven("central-2", peers=["central-1"])


def alarmed(driven: Driven) -> bool:
    return driven.central.duplicate_id.is_there(driven.now)


def wait(seconds: float, *centrals: Driven) -> None:
    for driven in centrals:
        driven.wait(seconds)


def test_what_another_records_under_our_id_after_our_start_is_an_alarm() -> None:
    one, other, peer = site()
    wait(60, one, other, peer)
    other.open()
    meet(other, peer)
    assert not alarmed(one)
    meet(one, peer)
    assert alarmed(one)
    assert not alarmed(other), "it has seen nothing of the first yet"
    assert not alarmed(peer)


def test_an_alarm_ends_a_while_after_the_other_stopped() -> None:
    one, other, peer = site()
    wait(60, one, other, peer)
    other.open()
    meet(other, peer)
    meet(one, peer)
    one.wait(9 * 60)
    assert alarmed(one)
    one.wait(60)
    assert not alarmed(one)


def test_our_own_past_that_comes_back_to_an_empty_disk_is_no_alarm() -> None:
    one, _, peer = site()
    one.open()
    meet(one, peer)
    again = Driven("central-1", peers=["central-2"], wall_ms=one.wall_ms)
    again.epoch = 1
    again.start()
    meet(again, peer)
    assert len(again.events()) == 1
    assert not alarmed(again)


def test_a_past_stamped_by_a_clock_that_ran_ahead_is_no_alarm_neither_now_nor_later() -> None:
    one, _, peer = site()
    one.wall_ms += HOUR_S * 1000
    one.open()
    one.wall_ms -= HOUR_S * 1000
    meet(one, peer)
    again = Driven("central-1", peers=["central-2"], wall_ms=one.wall_ms)
    again.epoch = 1
    again.start()
    meet(again, peer)
    assert not alarmed(again)
    wait(2 * HOUR_S, again, peer)
    meet(again, peer)
    assert not alarmed(again)
