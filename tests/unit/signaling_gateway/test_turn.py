"""TURN credentials against a value made with `openssl dgst -sha1 -hmac`."""

from signaling_gateway.core.turn import ice_servers


def test_no_urls_make_no_servers() -> None:
    assert ice_servers([], "", "alice", 1000) == []


def test_turn_urls_get_credentials_and_stun_urls_none() -> None:
    # printf '1700000000:alice' | openssl dgst -sha1 -hmac north -binary | base64
    assert ice_servers(["stun:a", "turn:b"], "north", "alice", 1_700_000_000) == [
        {"urls": "stun:a"},
        {"urls": "turn:b", "username": "1700000000:alice", "credential": "Cd/49soE35ICqcJF/bCTn8Z4OyE="},
    ]
