"""How often a credential may ask."""

from service_kit.rate_limit import RateLimit


def admitted(limit: RateLimit, times: int, now: float, credential: str = "SK1", is_write: bool = False) -> int:
    return sum(limit.admits(credential, is_write, now) for _ in range(times))


def test_a_second_s_worth_comes_at_once_and_then_at_the_rate() -> None:
    limit = RateLimit(reads_per_s=5, writes_per_s=2)

    assert admitted(limit, 10, now=100.0) == 5
    assert admitted(limit, 10, now=100.4) == 2
    assert admitted(limit, 10, now=200.0) == 5


def test_writes_and_other_credentials_are_counted_apart() -> None:
    limit = RateLimit(reads_per_s=5, writes_per_s=2)

    assert admitted(limit, 10, now=0.0) == 5
    assert admitted(limit, 10, now=0.0, is_write=True) == 2
    assert admitted(limit, 10, now=0.0, credential="SK2") == 5


def test_no_rate_is_no_limit_and_less_than_one_a_second_is_possible() -> None:
    limit = RateLimit(reads_per_s=0, writes_per_s=0.5)

    assert admitted(limit, 1000, now=0.0) == 1000
    assert [limit.admits("SK1", True, now) for now in (0.0, 1.0, 2.0)] == [True, False, True]
