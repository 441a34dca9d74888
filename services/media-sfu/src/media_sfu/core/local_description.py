"""
Our side of a connection's SDP: addresses, ICE credentials and certificate in every m-section, and the line of versions under one session id. Which
sections there are and what they say is `negotiation`'s affair.

Source: RFC 8829 (JSEP), RFC 8843 (BUNDLE), RFC 8839 (ICE in SDP), RFC 8841 (SCTP in SDP).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from media_sfu.core import codecs, sdp
from media_sfu.core.actions import Fingerprint, IceCredentials
from media_sfu.core.sdp import MediaSection, Msid, SessionDescription, SsrcGroup
from media_sfu.forwarder import Address

SCTP_PORT = 5_000

MAX_MESSAGE_SIZE = 262_144
"""What a client may send on a data channel in one message, in bytes; Chromium's own bound."""


@dataclass(frozen=True, slots=True)
class LocalTransport:
    """What a peer's SDP says of our side: the addresses that clients reach, and the certificate made for this one transport."""

    addresses: tuple[Address, ...]
    fingerprint: Fingerprint


class LocalDescription:
    """`ice` are our present credentials: others restart ICE."""

    def __init__(self, local: LocalTransport, ice: IceCredentials, session_id: int) -> None:
        self.ice = ice
        self._local = local
        self._session_id = session_id
        self._version = 0

    def rtp_section(self, proposal: MediaSection, msid: Msid | None, ssrcs: tuple[int, int]) -> MediaSection:
        """
        An audio or video section. With `msid` it sends that track, `ssrcs` being its own and that of its RTX. The client's own attributes do not come
        back.
        """
        has_rtx = any(codecs.is_rtx(codec) for codec in proposal.codecs)
        used = () if msid is None else ssrcs if has_rtx else ssrcs[:1]
        return replace(
            self._with_transport(proposal),
            msid=msid,
            cname=None if msid is None else msid.stream,
            ssrcs=used,
            ssrc_groups=(SsrcGroup("FID", used),) if len(used) == 2 else (),
            rids=(),
            simulcast=None,
        )

    def data_section(self, mid: str, protocol: str, setup: str) -> MediaSection:
        """The section of all data channels."""
        return self._with_transport(
            MediaSection(
                kind="application",
                mid=mid,
                protocol=protocol,
                setup=setup,
                sctp_port=SCTP_PORT,
                max_message_size=MAX_MESSAGE_SIZE,
            )
        )

    def write(self, sections: Sequence[MediaSection], bundle: Sequence[str] | None) -> str:
        """The next version. `bundle` is the client's group, kept to the sections that live (RFC 8843 section 7.3); None puts all of them in it."""
        self._version += 1
        living = [section.mid for section in sections if not section.is_rejected]
        return sdp.write(
            SessionDescription(
                sections=tuple(sections),
                session_id=self._session_id,
                session_version=self._version,
                bundle=tuple(living if bundle is None else [mid for mid in bundle if mid in living]),
                is_ice_lite=True,
            )
        )

    def _with_transport(self, section: MediaSection) -> MediaSection:
        return replace(
            section,
            port=9,
            bundle_only=False,
            ice=self.ice,
            fingerprints=(self._local.fingerprint,),
            candidates=tuple(_candidates(self._local.addresses)),
        )


def _candidates(addresses: Iterable[Address]) -> Iterable[str]:
    """Host candidates (RFC 8839 section 5.1), the first address preferred (RFC 8445 section 5.1.2.1)."""
    for index, (host, port) in enumerate(addresses):
        priority = (126 << 24) | ((65_535 - index) << 8) | 255
        yield f"{index + 1} 1 udp {priority} {host} {port} typ host"
