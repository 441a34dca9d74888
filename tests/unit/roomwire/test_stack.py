"""Which program an instance's name stands for, and how settings and ports are chosen."""

from pathlib import Path

import pytest
from roomwire.stack import PROGRAMS, Stack, StackFailed, program_of


def test_a_number_at_the_end_names_another_instance() -> None:
    assert program_of("media-sfu") is PROGRAMS["media-sfu"]
    assert program_of("media-sfu-2") is PROGRAMS["media-sfu"]


@pytest.mark.parametrize("name", ["", "sfu", "media-sfu-", "media-sfu-x"])
def test_other_names_are_refused(name: str) -> None:
    with pytest.raises(StackFailed):
        program_of(name)


def test_given_ports_are_kept_and_missing_ones_chosen(tmp_path: Path) -> None:
    stack = Stack(tmp_path, {"ROOMWIRE_ROOMS_API_PORT": "18080"})

    assert stack.rooms_api_url == "http://127.0.0.1:18080"
    assert stack.settings["ROOMWIRE_GATEWAY_PORT"].isdigit()
    assert stack.signaling_url == f"ws://127.0.0.1:{stack.settings['ROOMWIRE_GATEWAY_PORT']}/signaling"


def test_another_instance_has_ports_of_its_own(tmp_path: Path) -> None:
    stack = Stack(tmp_path)

    assert stack.url("media-sfu-2") != stack.url("media-sfu")
    assert stack.url("media-sfu-2") == stack.url("media-sfu-2")


def test_an_address_that_means_all_is_reached_over_loopback(tmp_path: Path) -> None:
    stack = Stack(tmp_path, {"ROOMWIRE_HOST": "0.0.0.0", "ROOMWIRE_ROOMS_API_PORT": "1"})

    assert stack.rooms_api_url == "http://127.0.0.1:1"


def test_a_given_bus_is_used_as_it_is(tmp_path: Path) -> None:
    assert Stack(tmp_path, {"ROOMWIRE_NATS_URL": "nats://bus:4222"}).nats_url == "nats://bus:4222"
    assert Stack(tmp_path).nats_url.startswith("nats://")
