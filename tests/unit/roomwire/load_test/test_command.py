import argparse

import pytest
from roomwire.load_test.command import BadArguments, add_arguments, main, settings_from
from roomwire.load_test.settings import Credentials

KEYS = {"ROOMWIRE_ACCOUNT_SID": "AC1", "ROOMWIRE_API_KEYS": "SK1:first, SK2:second"}


def parse(*words: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    return parser.parse_args(["--room", "room", *words])


def test_credentials_come_from_the_environment():
    assert settings_from(parse(), KEYS).credentials == Credentials("AC1", "SK1", "first")


def test_flags_win_over_the_environment():
    settings = settings_from(
        parse("--api-key", "SK9", "--api-secret", "ninth", "--signaling", "wss://far/signaling"), KEYS
    )

    assert settings.credentials == Credentials("AC1", "SK9", "ninth")
    assert settings.signaling_url == "wss://far/signaling"


@pytest.mark.parametrize(("text", "seconds"), [("30", 30), ("1.5s", 1.5), ("2m", 120), ("1h", 3600)])
def test_a_duration_has_a_unit(text, seconds):
    assert parse("--duration", text).duration == seconds


@pytest.mark.parametrize(("text", "bps"), [("500k", 500_000), ("2M", 2_000_000), ("0", 0)])
def test_a_bit_rate_has_a_unit(text, bps):
    assert parse("--video-bitrate", text).video_bitrate == bps


@pytest.mark.parametrize(
    "words",
    [
        ("--duration", "0"),
        ("--duration", "soon"),
        ("--publishers", "-1"),
        ("--video-bitrate", "x"),
        ("--join-rate", "0"),
    ],
)
def test_bad_numbers_end_with_code_2(words, capsys):
    with pytest.raises(SystemExit) as end:
        parse(*words)

    assert end.value.code == 2
    assert words[0] in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--publishers", "0", "--subscribers", "0"), "nobody to join"),
        (("--no-audio", "--video-bitrate", "0"), "nothing to publish"),
        (("--room", ""), "--room wants a name"),
        (("--signaling", "http://x"), "ws:// or wss://"),
        (("--base-url", "x"), "http:// or https://"),
    ],
)
def test_arguments_that_make_no_test_are_refused(words, message):
    with pytest.raises(BadArguments, match=message):
        settings_from(parse(*words), KEYS)


def test_missing_credentials_are_named():
    with pytest.raises(BadArguments, match="missing --api-key, --api-secret"):
        settings_from(parse(), {"ROOMWIRE_ACCOUNT_SID": "AC1"})


def test_the_command_ends_with_code_2_for_bad_arguments(capsys, monkeypatch):
    monkeypatch.delenv("ROOMWIRE_API_KEYS", raising=False)
    code = main(["--room", "room", "--publishers", "0", "--subscribers", "0"])

    assert code == 2
    assert "nobody to join" in capsys.readouterr().err


def test_a_report_that_cannot_be_written_is_refused_before_the_test(capsys, tmp_path, monkeypatch):
    for name, value in KEYS.items():
        monkeypatch.setenv(name, value)
    code = main(
        ["--room", "room", "--signaling", "ws://127.0.0.1:1/", "--json", str(tmp_path / "none" / "report.json")]
    )

    assert code == 2
    assert "--json cannot write" in capsys.readouterr().err
