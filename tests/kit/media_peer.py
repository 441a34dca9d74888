"""A participant without a browser: a `WebRtcClient` whose SDP is a browser's with its own transport in it, and who talks to a node over the bus."""

import re
import secrets
from dataclasses import dataclass, field

from contract import subjects
from contract.media import (
    ApplyDescription,
    ClosePeer,
    Description,
    DesiredState,
    MediaDone,
    MediaRefused,
    NodePublication,
    NodeSubscription,
    OpenPeer,
    PeerDescribed,
    PeerSignal,
    SetDesired,
    media_reply,
)
from contract.rooms import TrackKind
from pydantic import TypeAdapter
from service_kit.bus import Bus

from tests.kit.sdp import browser_answer, capture
from tests.kit.webrtc_client import WebRtcClient


@dataclass
class MediaPeer:
    """`signals` collects what the node says; its offers are answered at once."""

    bus: Bus
    node_id: str
    room_sid: str
    sid: str = field(default_factory=lambda: "PA" + secrets.token_hex(16))
    signals: list[PeerSignal] = field(default_factory=list)
    publications: tuple[NodePublication, ...] = ()
    subscriptions: tuple[NodeSubscription, ...] = ()
    revision: int = 0

    async def join(self, capture_name: str = "chromium_audio_video_data") -> PeerDescribed:
        """Offer, and connect to what the answer says. Every track of the offer is published under `MT-audio-<sid>` and so on."""
        self.client = WebRtcClient(("127.0.0.1", 1))
        await self.client.open()
        self.listening = await self.bus.listen(
            subjects.participant_signal(self.sid), TypeAdapter(PeerSignal), self._receive_signal
        )
        offer = self.own(capture(capture_name))
        self.sending = _sent_tracks(offer)
        self.publications = tuple(
            NodePublication(
                client_track_id=track_id, track_sid=self.track_sid(kind), kind=TrackKind(kind), enabled=True
            )
            for kind, track_id in (*self.sending.values(), ("data", "data-of-" + self.sid))
        )
        reply = await self.ask(self.open_command(offer))
        assert isinstance(reply, PeerDescribed), reply
        assert reply.description is not None
        answer = reply.description.sdp or ""
        self.client.remote = remote_address(answer)
        await self.client.connect(value(answer, "ice-ufrag"), value(answer, "ice-pwd"), fingerprint(answer))
        return reply

    def open_command(self, offer: str) -> OpenPeer:
        return OpenPeer(
            room_sid=self.room_sid,
            participant_sid=self.sid,
            lease_epoch=1,
            peer_connection_id="pc-" + self.sid,
            offer=Description(type="offer", revision=1, sdp=offer),
            video_codecs=("VP8", "H264"),
            audio_only=False,
            desired=self.desired,
        )

    @property
    def desired(self) -> DesiredState:
        return DesiredState(revision=self.revision, publications=self.publications, subscriptions=self.subscriptions)

    async def subscribe(self, *publishers: "MediaPeer") -> None:
        """Receive everything that these publish, and nothing else."""
        self.revision += 1
        self.subscriptions = tuple(
            NodeSubscription(
                id=f"{publication.track_sid}-{self.revision}",
                track_sid=publication.track_sid,
                publisher_sid=publisher.sid,
                kind=publication.kind,
            )
            for publisher in publishers
            for publication in publisher.publications
        )
        reply = await self.ask(SetDesired(participant_sid=self.sid, lease_epoch=1, desired=self.desired))
        assert isinstance(reply, MediaDone), reply

    def subscription_id(self, kind: str, publisher: "MediaPeer") -> str:
        return next(s.id for s in self.subscriptions if s.track_sid == publisher.track_sid(kind))

    async def leave(self) -> None:
        """As the gateway does it."""
        await self.ask(ClosePeer(participant_sid=self.sid, lease_epoch=1))
        await self.listening.stop()
        await self.client.close()

    def track_sid(self, kind: str) -> str:
        return f"MT-{kind}-{self.sid}"

    def ssrc(self, kind: str) -> int:
        """The first SSRC that this peer's own offer names for a kind."""
        section = next(part for part in self.offer.split("\r\nm=") if part.startswith(kind))
        return int(re.findall(r"a=ssrc:(\d+)", section)[0])

    def own(self, offer: str) -> str:
        """The description with this client's transport in it."""
        algorithm, digest = self.client.fingerprint
        offer = re.sub(r"a=ice-ufrag:\S+", f"a=ice-ufrag:{self.client.ufrag}", offer)
        offer = re.sub(r"a=ice-pwd:\S+", f"a=ice-pwd:{self.client.pwd}", offer)
        self.offer = re.sub(r"a=fingerprint:\S+ \S+", f"a=fingerprint:{algorithm} {digest}", offer)
        return self.offer

    async def ask(
        self, command: OpenPeer | ApplyDescription | SetDesired | ClosePeer
    ) -> PeerDescribed | MediaDone | MediaRefused:
        return await self.bus.request(subjects.media_command(self.node_id), command, media_reply)

    async def _receive_signal(self, signal: PeerSignal) -> None:
        self.signals.append(signal)
        if signal.description is None or signal.description.sdp is None:
            return
        sending = {mid: track_id for mid, (_, track_id) in self.sending.items()}
        answer = browser_answer(signal.description.sdp, self.client.ufrag, sending)
        algorithm, digest = self.client.fingerprint
        answer = answer.replace("a=fingerprint:sha-256 CC:DD", f"a=fingerprint:{algorithm} {digest}")
        for mid, (kind, _) in self.sending.items():
            answer = answer.replace(f"a=mid:{mid}\r\n", f"a=mid:{mid}\r\na=ssrc:{self.ssrc(kind)} cname:x\r\n", 1)
        await self.ask(
            ApplyDescription(
                participant_sid=self.sid,
                lease_epoch=1,
                peer_connection_id=signal.peer_connection_id,
                description=Description(type="answer", revision=signal.description.revision, sdp=answer),
            )
        )


def value(text: str, attribute: str) -> str:
    found = re.search(rf"a={attribute}:(\S+)", text)
    assert found is not None, f"no {attribute}"
    return found[1]


def fingerprint(text: str) -> tuple[str, str]:
    found = re.search(r"a=fingerprint:(\S+) (\S+)", text)
    assert found is not None
    return (found[1], found[2])


def remote_address(text: str) -> tuple[str, int]:
    found = re.search(r"a=candidate:\S+ 1 \w+ \d+ (\S+) (\d+) typ host", text)
    assert found is not None
    return (found[1], int(found[2]))


def _sent_tracks(offer: str) -> dict[str, tuple[str, str]]:
    """Mid -> kind and msid track id, of what an offer sends."""
    tracks = {}
    for part in offer.split("\r\nm=")[1:]:
        track = re.search(r"a=msid:\S+ (\S+)", part)
        if track is not None:
            tracks[value(part, "mid")] = (part.split(" ")[0], track[1])
    return tracks
