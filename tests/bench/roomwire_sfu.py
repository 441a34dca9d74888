"""
Adapter for Roomwire: the whole stack as `roomwire run` starts it, real signaling and a real NATS server, the SFU's process alone on its core.

It also serves another generator whose peers have the members of `generator.Peer`.
"""

import asyncio
import contextlib
import json
import os
import secrets
import shutil
import tempfile
import threading
import time
import uuid
from pathlib import Path

import httpx
from description import parse_remote
from roomwire.load_test.sdp import LocalTransport, make_answer, make_offer, parse_sections
from roomwire.load_test.settings import Credentials
from roomwire.load_test.signaling import Signaling
from roomwire.load_test.tokens import make_token
from roomwire.stack import Stack

NAME = "Roomwire"
PATIENCE_S = 20.0


def is_installed() -> bool:
    return True


class Adapter:
    def __init__(self, core: int = 0) -> None:
        self._core = core
        self._credentials = Credentials(
            "AC" + secrets.token_hex(16), "SK" + secrets.token_hex(16), secrets.token_hex(24)
        )
        self._members: list[Member] = []

    def start(self) -> list[int]:
        self._folder = Path(tempfile.mkdtemp(prefix="roomwire-bench-"))
        key = self._credentials
        settings = {
            "ROOMWIRE_ACCOUNT_SID": key.account_sid,
            "ROOMWIRE_API_KEYS": f"{key.key_sid}:{key.secret}",
            "ROOMWIRE_MAX_PARTICIPANTS": "1000",
            "ROOMWIRE_LOG_LEVEL": "warning",
        }
        self._stack = Stack(self._folder / "var", settings, logs=self._folder)
        self._stack.start()
        pid = self._stack.pids["media-sfu"]
        for thread in os.listdir(f"/proc/{pid}/task"):
            os.sched_setaffinity(int(thread), {self._core})
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        return [pid]

    def stop(self) -> None:
        for member in self._members:
            with contextlib.suppress(Exception):  # the stack goes anyway
                self._call(member.leave())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._stack.stop()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _call(self, work):
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(PATIENCE_S)

    def publish(self, room: str, peer) -> str:
        return self._join(room, peer, peer.offer(), "exclude")

    def subscribe(self, room: str, peer, feeds: list[str]) -> None:
        offer = make_offer(LocalTransport(peer.ufrag, peer.pwd, peer.e.fingerprint), ())
        if set(feeds) == {member.identity for member in self._members if member.room == room and member.publishes}:
            self._join(room, peer, offer, "include")
        else:
            identity = self._join(room, peer, offer, "exclude")
            self._set_rules(room, identity, [{"type": "include", "publisher": feed} for feed in feeds])

    def _join(self, room: str, peer, offer: str, rule: str) -> str:
        identity = f"peer-{peer.i}"
        token = make_token(self._credentials, identity, room, time.time(), 3600)
        member = Member(identity, room, peer, offer, rule)
        self._call(member.join(self._stack.signaling_url, token))
        self._members.append(member)
        return identity

    def _set_rules(self, room: str, identity: str, rules: list[dict]) -> None:
        """By REST, as an application chooses what a participant receives."""
        answer = httpx.post(
            f"{self._stack.rooms_api_url}/v1/Rooms/{room}/Participants/{identity}/SubscribeRules",
            data={"Rules": json.dumps(rules)},
            auth=(self._credentials.key_sid, self._credentials.secret),
            trust_env=False,
        )
        answer.raise_for_status()


class Member:
    """A participant whose media is the generator's peer."""

    def __init__(self, identity: str, room: str, peer, offer: str, rule: str) -> None:
        self.identity, self.room, self._peer, self._offer, self._rule = identity, room, peer, offer, rule
        self._local = LocalTransport(peer.ufrag, peer.pwd, peer.e.fingerprint)
        self._id = str(uuid.uuid4())
        self._revision = 1
        self._tracks = [
            {"id": s.track_id, "kind": s.kind, "name": s.kind, "enabled": True, "priority": "standard"}
            for s in parse_sections(offer)
            if s.track_id
        ]

    @property
    def publishes(self) -> bool:
        return bool(self._tracks)

    async def join(self, url: str, token: str) -> None:
        self._signaling = Signaling(url, token, self._receive)
        connected = await self._signaling.connect(self._connect)
        await self._receive(connected)
        self._running = asyncio.ensure_future(self._signaling.run())

    async def leave(self) -> None:
        await self._signaling.leave()
        await self._running

    @property
    def _participant(self) -> dict:
        return {"revision": 1, "tracks": self._tracks}

    def _describe(self, kind: str, sdp: str) -> list[dict]:
        return [{"id": self._id, "description": {"type": kind, "revision": self._revision, "sdp": sdp}}]

    def _connect(self) -> dict:
        return {
            "name": self.room,
            "ice_servers": "acquire",
            "publisher": {"name": "roomwire-bench", "sdk_version": "2.36.0", "user_agent": "roomwire bench"},
            "participant": self._participant,
            "peer_connections": self._describe("offer", self._offer),
            "subscribe": {"revision": 1, "rules": [{"type": self._rule, "all": True}]},
        }

    async def _receive(self, body: dict) -> None:
        for peer_connection in body.get("peer_connections", ()):
            description = peer_connection.get("description", {})
            if description.get("type") == "answer":
                remote = parse_remote(description["sdp"])
                await asyncio.to_thread(self._peer.remote, remote, dtls_client=True, controlling=True)
            elif description.get("type") == "offer":
                self._revision = description["revision"]
                answer = make_answer(self._local, description["sdp"], "active", {})
                await self._signaling.update(
                    {"participant": self._participant, "peer_connections": self._describe("answer", answer)}
                )
