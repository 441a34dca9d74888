from media_sfu.rate_cap import MAX_SOURCES, RateCap


def test_a_source_has_a_burst_and_then_its_rate():
    cap = RateCap(rate=2, total_rate=100)

    assert [cap.admits("192.0.2.1", 0.0) for _ in range(5)] == [True, True, True, True, False]
    assert cap.admits("192.0.2.1", 0.5)
    assert not cap.admits("192.0.2.1", 0.6)


def test_one_source_does_not_use_up_anothers_share():
    cap = RateCap(rate=2, total_rate=100)
    for _ in range(50):
        cap.admits("192.0.2.1", 0.0)

    assert cap.admits("192.0.2.2", 0.0)


def test_all_sources_together_are_capped():
    cap = RateCap(rate=2, total_rate=3)

    admitted = [cap.admits(f"192.0.2.{last}", 0.0) for last in range(10)]

    assert admitted.count(True) == 6


def test_only_so_many_sources_are_remembered():
    cap = RateCap(rate=1, total_rate=1e9)
    for _ in range(3):
        cap.admits("192.0.2.1", 0.0)
    for number in range(MAX_SOURCES):
        cap.admits(f"source {number}", 0.0)

    assert cap.admits("192.0.2.1", 0.0)
