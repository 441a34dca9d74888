"""Settings of the launcher, and what it passes on."""

import socket
from pathlib import Path

import pytest
from roomwire.settings import RunSettings, ports_in_use, variables
from service_kit.settings import load


def test_what_is_set_is_passed_on_and_what_is_not_has_its_default(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / ".env").write_text("ROOMWIRE_TURN_SECRET=from-file\nROOMWIRE_DEMO_PORT=1\nOTHER=x\n")
    monkeypatch.setenv("ROOMWIRE_DEMO_PORT", "3333")
    passed = variables(load(RunSettings), tmp_path / ".env")

    assert passed["ROOMWIRE_TURN_SECRET"] == "from-file"
    assert passed["ROOMWIRE_DEMO_PORT"] == "3333"
    assert passed["ROOMWIRE_AD_HOC_ROOMS"] == "true"
    assert "OTHER" not in passed
    assert "ROOMWIRE_PUBLIC_URL" not in passed


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ROOMWIRE_DEMO_PORT", "0"),
        ("ROOMWIRE_MAX_PARTICIPANTS", "many"),
        ("ROOMWIRE_PUBLIC_URL", "video.example.org"),
        ("ROOMWIRE_AD_HOC_ROOMS", "perhaps"),
        ("ROOMWIRE_SFU_ANNOUNCED", "media.example.org"),
        ("ROOMWIRE_SFU_ANNOUNCED", "0.0.0.0"),
        ("ROOMWIRE_NATS_URL", "nats://bus.example.org:many"),
        ("ROOMWIRE_NATS_URL", "nats://:4222"),
        ("ROOMWIRE_NATS_URL", "nats://user:pass#word@bus"),
    ],
)
def test_a_bad_value_is_refused_by_name(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)

    with pytest.raises(SystemExit) as ended:
        load(RunSettings)

    assert ended.value.code == 2
    told = capsys.readouterr().err
    assert told.startswith(name + ": ")
    assert "pass" not in told


def test_a_port_that_is_in_use_is_told_by_its_variable() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        told = ports_in_use(RunSettings(demo_port=port, rooms_api_port=port))

    assert f"ROOMWIRE_ROOMS_API_PORT: port {port} is in use" in told
    assert f"ROOMWIRE_DEMO_PORT: port {port} is taken by ROOMWIRE_ROOMS_API_PORT" in told


def test_an_address_that_is_not_of_this_machine_is_no_port_in_use() -> None:
    told = ports_in_use(RunSettings(host="192.0.2.1"))

    assert "ROOMWIRE_DEMO_PORT: port 3000 cannot be bound at 192.0.2.1: Cannot assign requested address" in told
