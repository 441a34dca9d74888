"""
Adapter for Janus's videoroom, as Debian packages it, with one event loop: its cheapest arrangement. It runs in the foreground with a configuration of
its own and is driven over its HTTP API.
"""

import glob
import hashlib
import os
import secrets
import shutil
import socket
import subprocess
import tempfile
import threading
import time
from pathlib import Path

import httpx
from description import parse_remote

NAME = "Janus, one event loop"
SHIM = Path(__file__).parent / "loopback.c"
CACHE = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "roomwire-bench"
PLUGIN = "janus.plugin.videoroom"
PARTS = ("plugins/libjanus_videoroom.so", "transports/libjanus_http.so")


def is_installed() -> bool:
    return shutil.which("janus") is not None and shutil.which("gcc") is not None


def build_shim() -> Path:
    library = CACHE / f"loopback-{hashlib.sha256(SHIM.read_bytes()).hexdigest()[:16]}.so"
    if not library.exists():
        CACHE.mkdir(parents=True, exist_ok=True)
        subprocess.run(["gcc", "-O2", "-shared", "-fPIC", "-o", str(library), str(SHIM), "-ldl"], check=True)
    return library


class Adapter:
    def __init__(self, core: int = 0) -> None:
        self._core = core
        self._rooms: dict[str, int] = {}
        self._events: dict[str, dict] = {}
        self._arrived = threading.Condition()
        self._stopping = False

    def start(self) -> list[int]:
        self._folder = Path(tempfile.mkdtemp(prefix="roomwire-bench-janus-"))
        self._port = _free_port()
        self._configure()
        with open(self._folder / "log", "wb") as log:
            self._process = subprocess.Popen(
                ["taskset", "-c", str(self._core), "janus", "-F", str(self._folder)],
                stdout=log,
                stderr=log,
                env=os.environ | {"LD_PRELOAD": str(build_shim())},
            )
        self._client = httpx.Client(base_url=f"http://127.0.0.1:{self._port}/janus", timeout=60, trust_env=False)
        self._session = self._wait_for_session()
        self._poller = threading.Thread(target=self._poll, daemon=True)
        self._poller.start()
        self._control = self._attach()
        return [self._process.pid]

    def stop(self) -> None:
        self._stopping = True
        self._process.terminate()
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._poller.join()
        self._client.close()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _configure(self) -> None:
        libraries = glob.glob("/usr/lib/*/janus")[0]
        for name in ("plugins", "transports", "none"):
            (self._folder / name).mkdir()
        for part in PARTS:
            (self._folder / part).symlink_to(f"{libraries}/{part}")
        folder = self._folder
        (folder / "janus.jcfg").write_text(f"""
general: {{
  configs_folder = "{folder}" plugins_folder = "{folder}/plugins" transports_folder = "{folder}/transports"
  events_folder = "{folder}/none" loggers_folder = "{folder}/none" debug_level = 2 session_timeout = 0 event_loops = 1
}}
media: {{ ipv6 = false rtp_port_range = "20000-40000" }}
nat: {{ ice_lite = true ice_tcp = false full_trickle = false ice_enforce_list = "127.0.0.1" }}
""")
        (folder / "janus.transport.http.jcfg").write_text(f"""
general: {{ json = "compact" base_path = "/janus" http = true https = false port = {self._port} ip = "127.0.0.1" }}
admin: {{ admin_http = false }}
""")
        (folder / "janus.plugin.videoroom.jcfg").write_text("general: { }\n")

    def _wait_for_session(self) -> int:
        for _ in range(100):
            try:
                return self._post("", janus="create")["data"]["id"]
            except httpx.TransportError:
                if self._process.poll() is not None:
                    break
                time.sleep(0.1)
        raise RuntimeError(f"Janus did not start: {(self._folder / 'log').read_text()[-2000:]}")

    def _post(self, path: str, **message: object) -> dict:
        message["transaction"] = secrets.token_hex(8)
        answer = self._client.post(path, json=message).json()
        return {**answer, "transaction": message["transaction"]}

    def _poll(self) -> None:
        while not self._stopping:
            try:
                events = self._client.get(f"/{self._session}", params={"maxev": 20}).json()
            except (httpx.HTTPError, ValueError):
                continue
            with self._arrived:
                for event in events if isinstance(events, list) else [events]:
                    if event.get("janus") in ("event", "error"):
                        self._events[event.get("transaction")] = event
                self._arrived.notify_all()

    def _attach(self) -> int:
        return self._post(f"/{self._session}", janus="attach", plugin=PLUGIN)["data"]["id"]

    def _ask(self, handle: int, body: dict, jsep: dict | None = None) -> tuple[dict, str]:
        """Send a plugin message; returns the plugin's data and its SDP, if any."""
        answer = self._post(
            f"/{self._session}/{handle}", janus="message", body=body, **({"jsep": jsep} if jsep else {})
        )
        if answer["janus"] == "ack":
            with self._arrived:
                if not self._arrived.wait_for(lambda: answer["transaction"] in self._events, 15):
                    raise RuntimeError(f"Janus did not answer {body}")
                answer = self._events.pop(answer["transaction"])
        data = answer.get("plugindata", {}).get("data", {})
        if "plugindata" not in answer or "error" in data:
            raise RuntimeError(f"Janus: {answer}")
        return data, answer.get("jsep", {}).get("sdp", "")

    def _room(self, name: str) -> int:
        if name not in self._rooms:
            extensions = dict.fromkeys(
                ("transport_wide_cc_ext", "audiolevel_ext", "videoorient_ext", "playoutdelay_ext"), False
            )
            room = {
                "request": "create",
                "publishers": 1000,
                "bitrate": 0,
                "audiocodec": "opus",
                "videocodec": "vp8",
                **extensions,
            }
            self._rooms[name] = self._ask(self._control, room)[0]["room"]
        return self._rooms[name]

    def publish(self, room: str, peer) -> int:
        handle, display = self._attach(), f"peer{peer.i}"
        joined, _ = self._ask(
            handle, {"request": "join", "ptype": "publisher", "room": self._room(room), "display": display}
        )
        _, sdp = self._ask(handle, {"request": "publish"}, {"type": "offer", "sdp": peer.offer()})
        remote = parse_remote(sdp)
        peer.remote(remote, dtls_client=remote["setup"] == "passive", controlling=True)
        return joined["id"]

    def subscribe(self, room: str, peer, feeds: list[int]) -> None:
        handle = self._attach()
        streams = [{"feed": feed} for feed in feeds]
        body = {"request": "join", "ptype": "subscriber", "room": self._room(room), "streams": streams}
        offer = self._join_when_published(handle, body)
        self._ask(handle, {"request": "start"}, {"type": "answer", "sdp": peer.answer(offer)})
        peer.remote(parse_remote(offer), dtls_client=True, controlling=True)

    def _join_when_published(self, handle: int, body: dict) -> str:
        """A feed exists for Janus a moment after its publisher's DTLS stands."""
        deadline = time.monotonic() + 10
        while True:
            try:
                return self._ask(handle, body)[1]
            except RuntimeError as error:
                if "No such feed" not in str(error) or time.monotonic() > deadline:
                    raise
            time.sleep(0.05)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
