"""Settings: what is accepted, and that a refusal names the variable and shows no secret."""

import pytest
from service_kit.settings import load
from token_issuer.settings import IssuerSettings

SID = "SK" + "1" * 32
OTHER = "SK" + "2" * 32


def test_keys_and_urls_are_lists_separated_by_commas(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROOMWIRE_API_KEYS", f"{SID}:{'s' * 32}, {OTHER}:{'t:' * 16},")
    monkeypatch.setenv("ROOMWIRE_TURN_URLS", "stun:h:3478,turn:h:3478?transport=udp")
    settings = load(IssuerSettings)

    assert settings.api_keys == {SID: "s" * 32, OTHER: "t:" * 16}
    assert settings.turn_urls == ("stun:h:3478", "turn:h:3478?transport=udp")


def test_empty_values_are_unset_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ACCOUNT_SID", "AUTH_TOKEN", "API_KEYS", "TURN_URLS", "TURN_SECRET", "DATABASE_URL"):
        monkeypatch.setenv(f"ROOMWIRE_{name}", "")
    settings = load(IssuerSettings)

    assert (settings.account_sid, settings.api_keys, settings.turn_urls) == (None, {}, ())


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ROOMWIRE_API_KEYS", "SK1:secretsecretsecret"),
        ("ROOMWIRE_API_KEYS", SID),
        ("ROOMWIRE_API_KEYS", f"{SID}:short"),
        ("ROOMWIRE_ACCOUNT_SID", "AC1"),
        ("ROOMWIRE_AUTH_TOKEN", "short"),
        ("ROOMWIRE_TURN_URLS", "http://h"),
        ("ROOMWIRE_TOKEN_ISSUER_PORT", "99999"),
    ],
)
def test_a_bad_value_is_refused_by_name_and_not_shown(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)

    with pytest.raises(SystemExit):
        load(IssuerSettings)

    told = capsys.readouterr().err
    assert told.startswith(name + ": ")
    assert value not in told
