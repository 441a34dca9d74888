from roomwire.load_test.latency import bucket_value_s, difference, quantile_s


def histogram(counts: dict[int, int]) -> list[int]:
    return [counts.get(bucket, 0) for bucket in range(1024)]


def test_small_latencies_have_a_bucket_for_each_microsecond():
    assert bucket_value_s(0) == 0.0
    assert bucket_value_s(31) == 0.000_031


def test_a_bucket_above_32_microseconds_is_a_32nd_of_a_power_of_two():
    # 32 to 33 us, and 1024 to 1056 us: bucket (power - 4) * 32 + step
    assert bucket_value_s(32) == 0.000_032_5
    assert bucket_value_s(192) == 0.001_040


def test_the_median_of_two_is_the_lower_one():
    assert quantile_s(histogram({10: 1, 20: 1}), 0.5) == 0.000_010


def test_a_high_percentile_finds_the_one_slow_packet():
    assert quantile_s(histogram({10: 99, 20: 1}), 0.99) == 0.000_010
    assert quantile_s(histogram({10: 99, 20: 1}), 0.999) == 0.000_020


def test_without_packets_there_is_no_percentile():
    assert quantile_s(histogram({}), 0.5) is None


def test_a_difference_counts_what_came_between_two_readings():
    assert difference([3, 5], [1, 5]) == [2, 0]
