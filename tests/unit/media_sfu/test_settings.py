import pytest
from media_sfu.settings import SfuSettings, announced_addresses
from pydantic import ValidationError


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


@pytest.mark.parametrize(
    "announced",
    [
        "",
        " , ",
        "media.example.org",
        "192.0.2.1:0",
        "192.0.2.1:65536",
        "192.0.2.1:x",
        "[2001:db8::1]3478",
        "0.0.0.0",
        "::",
    ],
)
def test_what_no_client_could_reach_is_refused_at_the_start(announced):
    with pytest.raises(ValidationError) as refused:
        SfuSettings(sfu_announced=announced)

    assert [error["loc"] for error in refused.value.errors()] == [("sfu_announced",)]
