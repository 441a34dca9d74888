"""TURN credentials and ICE servers."""

from token_issuer.core.turn import TurnCredentials, ice_servers, turn_credentials

# The value is from `printf '1767225600:abc' | openssl dgst -sha1 -hmac secret -binary | base64`.
CREDENTIALS = TurnCredentials("1767225600:abc", "fDey3hkZG8DUdS9LlN3EPFTNH10=")


def test_credentials_are_an_hmac_of_expiry_and_nonce() -> None:
    assert turn_credentials("secret", 1_767_225_600, "abc") == CREDENTIALS


def test_each_url_is_an_entry_with_its_legacy_twin() -> None:
    assert ice_servers(["stun:h:3478", "turn:h:3478?transport=udp"], CREDENTIALS) == [
        {"url": "stun:h:3478", "urls": "stun:h:3478"},
        {
            "url": "turn:h:3478?transport=udp",
            "urls": "turn:h:3478?transport=udp",
            "username": "1767225600:abc",
            "credential": "fDey3hkZG8DUdS9LlN3EPFTNH10=",
        },
    ]


def test_turn_servers_without_credentials_are_left_out() -> None:
    assert ice_servers(["stun:h:3478", "turn:h:3478"], None) == [{"url": "stun:h:3478", "urls": "stun:h:3478"}]
