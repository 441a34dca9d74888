"""
One simulated participant: it joins over signaling, connects its transport, publishes its tracks, answers the server's offers, and keeps the moments at
which each happened.
"""

import asyncio
import time
import uuid
from dataclasses import dataclass

from roomwire.load_test.dtls import Identity
from roomwire.load_test.engine import Endpoint, StreamPlan
from roomwire.load_test.sdp import (
    Kind,
    OwnTrack,
    Section,
    UnusableDescription,
    make_answer,
    make_offer,
    parse_sections,
    parse_transport,
)
from roomwire.load_test.signaling import Message, Signaling, SignalingFailed
from roomwire.load_test.transport import Network, Transport


@dataclass(frozen=True, slots=True)
class ParticipantPlan:
    """
    Who joins and what for. `streams` are sent; `subscribes` tells whether it receives the room's other tracks. Only one that `decrypts` measures
    latency; `asks_again` sends NACKs.
    """

    identity: str
    room: str
    token: str
    streams: tuple[StreamPlan, ...] = ()
    subscribes: bool = True
    decrypts: bool = False
    asks_again: bool = True


@dataclass(slots=True)
class Moments:
    """Monotonic seconds; None for what did not happen yet."""

    started: float
    signaled: float | None = None
    connected: float | None = None


class Participant:
    """`join`, then `run` until `leave`."""

    def __init__(self, plan: ParticipantPlan, url: str, network: Network, identity: Identity) -> None:
        self.plan = plan
        self.transport = Transport(network, identity, decrypt=plan.decrypts, nack=plan.asks_again)
        self.moments = Moments(time.monotonic())
        self.subscribed: frozenset[str] = frozenset()
        self._signaling = Signaling(url, plan.token, self._receive_update)
        self._peer_connection_id = str(uuid.uuid4())
        self._tracks = [OwnTrack(str(uuid.uuid4()), _kind(plan), plan.ssrc) for plan in plan.streams]
        self._revision = 0
        self._own_mids: dict[str, OwnTrack] = {}
        self._sections: list[Section] = []
        self._published: dict[str, asyncio.Future[str]] = {}

    @property
    def endpoint(self) -> Endpoint | None:
        return self.transport.endpoint

    @property
    def received_track_ids(self) -> frozenset[str]:
        """The subscriptions that the server's latest description sends."""
        return frozenset(
            section.track_id
            for section in self._sections
            if section.track_id and section.direction in ("sendonly", "sendrecv")
        )

    async def join(self, patience_s: float) -> None:
        """
        Connect and wait until ICE and DTLS stand and our tracks are published.

        Raises SignalingFailed (Refused), HandshakeFailed, OSError, ValueError, TimeoutError.
        """
        self.moments.started = time.monotonic()
        connected = await self._signaling.connect(self._connect_members)
        self.moments.signaled = time.monotonic()
        await self._receive_update(connected)
        self._running = asyncio.ensure_future(self._signaling.run())
        published = [self._publication(track.id) for track in self._tracks]
        async with asyncio.timeout(patience_s):
            await self._or_ended(asyncio.gather(self.transport.connected, *published))
        self.moments.connected = time.monotonic()

    async def run(self) -> None:
        """Stay until `leave`. Raises SignalingFailed when the server ends the session."""
        await self._running

    async def leave(self) -> None:
        await self._signaling.leave()
        self.transport.close()

    async def _or_ended(self, wanted: "asyncio.Future[list[object]]") -> None:
        done, _ = await asyncio.wait((wanted, self._running), return_when=asyncio.FIRST_COMPLETED)
        if wanted in done:
            wanted.result()
            return
        wanted.cancel()
        self._running.result()

    def _publication(self, track_id: str) -> "asyncio.Future[str]":
        return self._published.setdefault(track_id, asyncio.get_running_loop().create_future())

    # -- signaling -----------------------------------------------------------------------------------------------------------------

    def _connect_members(self) -> Message:
        self._revision += 1
        offer = make_offer(self.transport.local, self._tracks)
        self._own_mids = {str(mid): track for mid, track in enumerate(self._tracks)}
        rule = {"type": "include" if self.plan.subscribes else "exclude", "all": True}
        return {
            "name": self.plan.room,
            "ice_servers": "acquire",
            "publisher": {"name": "roomwire-load-test", "sdk_version": "2.36.0", "user_agent": "roomwire load-test"},
            "participant": self._participant_state(),
            "peer_connections": [self._describe("offer", offer)],
            "subscribe": {"revision": 1, "rules": [rule]},
        }

    def _participant_state(self) -> Message:
        tracks = [
            {"id": track.id, "kind": track.kind, "name": track.kind, "enabled": True, "priority": "standard"}
            for track in self._tracks
        ]
        return {"revision": 1, "tracks": tracks}

    def _describe(self, kind: str, sdp: str) -> Message:
        return {"id": self._peer_connection_id, "description": {"type": kind, "revision": self._revision, "sdp": sdp}}

    async def _receive_update(self, body: Message) -> None:
        if subscribed := body.get("subscribed"):
            self.subscribed = frozenset(track["id"] for track in subscribed["tracks"] if "id" in track)
        for track in (body.get("published") or {}).get("tracks", ()):
            self._receive_publication(track)
        for peer_connection in body.get("peer_connections", ()):
            description = peer_connection.get("description")
            if peer_connection["id"] == self._peer_connection_id and description:
                await self._receive_description(description)

    def _receive_publication(self, track: Message) -> None:
        future = self._publication(track["id"])
        if future.done():
            return
        if track.get("state") == "ready":
            future.set_result(track["sid"])
        elif track.get("state") == "failed":
            error = track.get("error", {})
            future.set_exception(SignalingFailed(f"a track was refused: {error.get('message')} ({error.get('code')})"))

    async def _receive_description(self, description: Message) -> None:
        try:
            match description["type"]:
                case "answer" if description["revision"] == self._revision:
                    self._connect_transport(description["sdp"])
                case "offer" if description["revision"] >= self._revision:
                    self._revision = description["revision"]
                    await self._answer_offer(description["sdp"])
                case "close":
                    raise SignalingFailed("the server closed the peer connection")
                case _:
                    pass  # stale, or a wish for an offer: nothing here changes after the first one
        except UnusableDescription as error:
            raise SignalingFailed(str(error)) from error

    async def _answer_offer(self, sdp: str) -> None:
        if self.transport.is_restarted_by(parse_transport(sdp)):
            self.transport.renew_credentials()
        answer = make_answer(
            self.transport.local, sdp, "active" if self.transport.is_client else "passive", self._own_mids
        )
        self._connect_transport(sdp)
        await self._signaling.update(
            {"participant": self._participant_state(), "peer_connections": [self._describe("answer", answer)]}
        )

    def _connect_transport(self, sdp: str) -> None:
        self._sections = parse_sections(sdp)
        remote = parse_transport(sdp)
        is_client = remote.setup != "active"
        self.transport.connect(remote, is_client=is_client, on_open=self._add_streams)

    def _add_streams(self, endpoint: Endpoint) -> None:
        for stream in self.plan.streams:
            endpoint.add_stream(stream)


def _kind(plan: StreamPlan) -> Kind:
    return "video" if plan.kind == "video" else "audio"
