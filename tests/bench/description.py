"""What an adapter reads from an SFU's description, as a plain dictionary that any generator understands."""

from roomwire.load_test.sdp import parse_transport


def parse_remote(sdp: str) -> dict:
    """ICE credentials, fingerprint, setup, whether it is ICE-lite, and the first UDP address on 127.0.0.1. Raises ValueError."""
    transport = parse_transport(sdp)
    ip, port = next(address for address in transport.addresses if address[0] == "127.0.0.1")
    return {
        "ufrag": transport.ufrag,
        "pwd": transport.password,
        "fingerprint": transport.fingerprint,
        "setup": transport.setup,
        "lite": "a=ice-lite" in sdp,
        "ip": ip,
        "port": port,
    }
