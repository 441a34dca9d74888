"""Real browsers' session descriptions, and a client that answers like one."""

import re
from itertools import count
from pathlib import Path

from media_sfu.core.actions import Fingerprint, IceCredentials
from media_sfu.core.local_description import LocalTransport
from media_sfu.core.negotiation import IdMakers

FIXTURES = Path(__file__).parent / "fixtures" / "sdp"
LOCAL = LocalTransport((("192.0.2.1", 7000),), Fingerprint("sha-256", "AA:BB"))


def capture(name: str) -> str:
    """A description as it came off the wire, with its CRLFs."""
    return (FIXTURES / f"{name}.sdp").read_bytes().decode()


def id_makers() -> IdMakers:
    """Credentials u001, u002 ... and SSRCs 1001, 1002 ..."""
    ufrags, ssrcs = count(1), count(1001)
    return IdMakers(
        ice_credentials=lambda: IceCredentials(f"u{next(ufrags):03}", "p" * 24),
        ssrc=lambda: next(ssrcs),
    )


def sections(text: str) -> dict[str, list[str]]:
    """The lines of each m-section, by mid."""
    parts = [part.split("\r\n")[:-1] for part in re.split("(?m)^(?=m=)", text)[1:]]
    return {next(line[6:] for line in part if line.startswith("a=mid:")): part for part in parts}


def direction(lines: list[str]) -> str | None:
    return next((line[2:] for line in lines if line[2:] in ("sendrecv", "sendonly", "recvonly", "inactive")), None)


def browser_answer(offer: str, ufrag: str = "clie", sending: dict[str, str] | None = None) -> str:
    """
    What a browser answers to a server's offer: the same sections, active, receiving what is sent. `sending` maps mids to the track ids
    that the client sends on them.
    """
    lines: list[str] = []
    for line in offer.split("\r\n"):
        if line.startswith("a=ice-ufrag:"):
            line = f"a=ice-ufrag:{ufrag}"
        elif line.startswith("a=fingerprint:"):
            line = "a=fingerprint:sha-256 CC:DD"
        elif line == "a=setup:actpass":
            line = "a=setup:active"
        elif line.startswith(("a=msid", "a=ssrc", "a=candidate", "a=end-of", "a=ice-lite")):
            continue
        lines.append(line)
    text = "\r\n".join(lines)
    for mid, part in sections(text).items():
        offered = direction(part)
        if offered is None:
            continue
        receives, sends = offered in ("sendrecv", "sendonly"), mid in (sending or {})
        mine = {(True, True): "sendrecv", (True, False): "sendonly", (False, True): "recvonly"}.get(
            (sends, receives), "inactive"
        )
        old = "\r\n".join(part)
        new = old.replace(f"a={offered}", f"a={mine}" + (f"\r\na=msid:- {sending[mid]}" if sends and sending else ""))
        text = text.replace(old, new)
    return text
