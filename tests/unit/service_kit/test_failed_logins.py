"""Who fails too often, and who is not kept out by it."""

import pytest
from service_kit.failed_logins import REMEMBERED, FailedLogins, Login


@pytest.fixture
def logins() -> FailedLogins:
    return FailedLogins(b"key", per_second=10)


def fail(logins: FailedLogins, login: Login, times: int, now: float = 0.0) -> int:
    """How many of `times` tries were looked at."""
    looked_at = 0
    for _ in range(times):
        if logins.admits(login, now):
            looked_at += 1
            logins.receive_failure(login, now)
    return looked_at


def test_one_user_may_fail_fifty_times_and_then_once_a_second(logins):
    login = logins.login("192.0.2.1", "SK1", "wrong")

    assert [fail(logins, login, 100, now) for now in (0.0, 0.9, 1.0, 4.0)] == [50, 0, 1, 3]


def test_an_address_that_tries_many_users_is_held_back_as_well(logins):
    looked_at = [fail(logins, logins.login("192.0.2.1", f"SK{n}", "wrong"), 1) for n in range(300)]

    assert sum(looked_at) == 200
    assert fail(logins, logins.login("192.0.2.1", "SK0", "wrong"), 40, now=1.0) == 10


def test_a_secret_without_user_is_counted_by_address_alone(logins):
    assert fail(logins, logins.login("192.0.2.1", None, "forged token"), 300) == 200


def test_who_was_in_before_is_looked_at_whoever_fails_beside_her(logins):
    alice = logins.login("192.0.2.1", "SK1", "right")
    logins.receive_success(alice, 0.0)
    fail(logins, logins.login("192.0.2.1", "SK1", "wrong"), 100)
    for n in range(300):
        fail(logins, logins.login("192.0.2.1", f"SK{n}", "wrong"), 1)

    assert logins.admits(alice, 3599.0)
    assert not logins.admits(logins.login("192.0.2.1", "SK1", "other"), 0.0)


def test_without_a_limit_everybody_is_looked_at():
    logins = FailedLogins(b"key", per_second=0)

    assert fail(logins, logins.login("192.0.2.1", "SK1", "wrong"), 10_000) == 10_000


def test_from_elsewhere_nobody_is_kept_out(logins):
    fail(logins, logins.login("192.0.2.1", "SK1", "wrong"), 100)

    assert logins.admits(logins.login("192.0.2.2", "SK1", "right"), 0.0)


def test_success_uses_nothing_up(logins):
    login = logins.login("192.0.2.1", "SK1", "right")
    for _ in range(300):
        assert logins.admits(login, 0.0)
        logins.receive_success(login, 0.0)

    assert logins.admits(logins.login("192.0.2.1", "SK1", "wrong"), 0.0)


def test_what_no_longer_succeeds_is_nothing_special(logins):
    login = logins.login("192.0.2.1", "SK1", "deleted later")
    logins.receive_success(login, 0.0)

    assert fail(logins, login, 100) == 50


def test_many_at_once_are_paid_for_afterwards(logins):
    login = logins.login("192.0.2.1", "SK1", "wrong")
    for _ in range(1000):  # all admitted before the first had failed
        logins.receive_failure(login, 0.0)

    assert not logins.admits(login, 50.0)
    assert logins.admits(login, 51.0)


def test_addresses_of_one_household_are_one(logins):
    fail(logins, logins.login("2001:db8::1", "SK1", "wrong"), 100)

    assert not logins.admits(logins.login("2001:db8::2:2", "SK1", "wrong"), 0.0)
    assert logins.admits(logins.login("2001:db8:0:1::1", "SK1", "wrong"), 0.0)


@pytest.mark.parametrize("address", ["", "testclient", "/run/socket", "fe80::1%eth0", "::ffff:192.0.2.1"])
def test_whatever_an_address_is_it_is_counted(logins, address):
    login = logins.login(address, "SK1", "wrong")

    assert fail(logins, login, 100) == 50


def test_user_and_secret_are_not_confused(logins):
    assert logins.login("a", "SK1", "2secret").digest != logins.login("a", "SK12", "secret").digest


def test_only_so_much_is_remembered(logins):
    first = logins.login("192.0.2.1", "SK1", "wrong")
    fail(logins, first, 100)
    for n in range(REMEMBERED):
        logins.receive_failure(logins.login(f"other-{n}", "SK1", "wrong"), 0.0)

    assert logins.admits(first, 0.0)
