import pytest
from media_sfu.settings import announced_addresses


@pytest.mark.parametrize(
    ("announced", "addresses"),
    [
        ("192.0.2.1", (("192.0.2.1", 40000),)),
        ("192.0.2.1:3478", (("192.0.2.1", 3478),)),
        ("2001:db8::1", (("2001:db8::1", 40000),)),
        ("[2001:db8::1]:3478", (("2001:db8::1", 3478),)),
        ("[2001:db8::1]", (("2001:db8::1", 40000),)),
        ("192.0.2.1, 2001:db8::1", (("192.0.2.1", 40000), ("2001:db8::1", 40000))),
    ],
)
def test_announced_addresses_may_have_a_port(announced, addresses):
    assert announced_addresses(announced, 40000) == addresses
