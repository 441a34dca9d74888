"""
SRTP sessions for the engine: made here with pylibsrtp, used in C alone. The engine gets libsrtp's functions as addresses out of pylibsrtp's own library,
so that nothing is linked and both use one libsrtp. The names of pylibsrtp that start with an underscore are used in this module only.
"""

from dataclasses import dataclass

from pylibsrtp import Policy, Session
from pylibsrtp._binding import ffi as srtp_ffi
from pylibsrtp._binding import lib as srtp_lib

from media_sfu.forwarder import SrtpKeys

PROFILES = {
    "SRTP_AEAD_AES_128_GCM": Policy.SRTP_PROFILE_AEAD_AES_128_GCM,
    "SRTP_AEAD_AES_256_GCM": Policy.SRTP_PROFILE_AEAD_AES_256_GCM,
    "SRTP_AES128_CM_SHA1_80": Policy.SRTP_PROFILE_AES128_CM_SHA1_80,
}
REPLAY_WINDOW = 1024
"""Packets. As long as the retransmission ring: a packet sent again must still be inside (libsrtp checks the sender's index too)."""

FUNCTIONS = ("srtp_protect", "srtp_unprotect", "srtp_protect_rtcp", "srtp_unprotect_rtcp", "srtp_remove_stream")


@dataclass(frozen=True, slots=True)
class SessionPair:
    """Both directions of one peer. Keep it as long as the engine may use its addresses."""

    receive: Session
    send: Session

    def addresses(self) -> tuple[int, int]:
        return _address(self.receive._srtp[0]), _address(self.send._srtp[0])


def make_sessions(keys: SrtpKeys) -> SessionPair:
    """Sessions that take any SSRC. Raises ValueError for keys of the wrong length."""
    profile = PROFILES[keys.profile]
    receive = Policy(keys.receive, ssrc_type=Policy.SSRC_ANY_INBOUND, srtp_profile=profile)
    send = Policy(keys.send, ssrc_type=Policy.SSRC_ANY_OUTBOUND, srtp_profile=profile)
    for policy in (receive, send):
        policy.window_size = REPLAY_WINDOW
    send.allow_repeat_tx = True  # a subscriber without RTX gets the same packet again
    return SessionPair(Session(receive), Session(send))


def function_addresses() -> dict[str, int]:
    """Where libsrtp's functions are, by name without the prefix `srtp_`."""
    return {name.removeprefix("srtp_"): _address(srtp_ffi.addressof(srtp_lib, name)) for name in FUNCTIONS}


def _address(pointer: object) -> int:
    return int(srtp_ffi.cast("uintptr_t", pointer))
