import pytest
from roomwire.load_test.dtls import MTU, Handshake, HandshakeFailed, Identity

SERVER, CLIENT = Identity(), Identity()


def shake(client: Handshake, server: Handshake) -> None:
    """Carry datagrams to and fro until both are silent."""
    client.start()
    while flight := client.datagrams_to_send():
        for datagram in flight:
            server.receive_datagram(datagram)
        for datagram in server.datagrams_to_send():
            client.receive_datagram(datagram)


def pair(profiles: tuple[str, ...]) -> tuple[Handshake, Handshake]:
    client, server = Identity(profiles), SERVER
    return (
        Handshake(client, ("sha-256", server.fingerprint), is_client=True),
        Handshake(server, ("sha-256", client.fingerprint), is_client=False),
    )


@pytest.mark.parametrize(
    ("profile", "octets"),
    [("SRTP_AEAD_AES_128_GCM", 28), ("SRTP_AEAD_AES_256_GCM", 44), ("SRTP_AES128_CM_SHA1_80", 30)],
)
def test_both_ends_have_each_others_keys(profile, octets):
    client, server = pair((profile,))
    shake(client, server)

    assert client.keys
    assert server.keys
    assert client.keys.profile == profile
    assert len(client.keys.send) == octets
    assert (client.keys.send, client.keys.receive) == (server.keys.receive, server.keys.send)


def test_gcm_is_preferred():
    client = Handshake(CLIENT, ("sha-256", SERVER.fingerprint), is_client=True)
    shake(client, Handshake(SERVER, ("sha-256", CLIENT.fingerprint), is_client=False))

    assert client.keys
    assert client.keys.profile == "SRTP_AEAD_AES_128_GCM"


def test_flights_fit_the_mtu():
    client, server = pair(("SRTP_AEAD_AES_128_GCM",))
    client.start()
    (hello,) = client.datagrams_to_send()
    server.receive_datagram(hello)

    assert all(len(datagram) <= MTU for datagram in server.datagrams_to_send())


def test_another_certificate_than_the_description_says_is_refused():
    client = Handshake(CLIENT, ("sha-256", CLIENT.fingerprint), is_client=True)
    server = Handshake(SERVER, ("sha-256", CLIENT.fingerprint), is_client=False)

    with pytest.raises(HandshakeFailed, match="not the one of its description"):
        shake(client, server)


def test_a_lost_flight_is_due_again_within_a_second_or_so():
    client, _ = pair(("SRTP_AEAD_AES_128_GCM",))
    client.start()
    client.datagrams_to_send()
    timeout_s = client.timeout_s()

    assert timeout_s is not None
    assert 0 < timeout_s <= 1
