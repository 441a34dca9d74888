"""
Adapter for the Pion forwarder in pion/main.go. It is built once, into the user's cache, from Debian's packages (`golang-go`,
`golang-github-pion-webrtc.v3-dev`) or with whatever Pion the Go installation finds.
"""

import hashlib
import json
import os
import shutil
import subprocess
from pathlib import Path

from description import parse_remote

NAME = "Pion 3.1 forwarder"
SOURCE = Path(__file__).parent / "pion" / "main.go"
PACKAGES = Path("/usr/share/gocode")
CACHE = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "roomwire-bench"


def is_installed() -> bool:
    return shutil.which("go") is not None and (PACKAGES / "src/github.com/pion/webrtc").exists()


def build() -> Path:
    """Compile once per content."""
    program = CACHE / f"pion-{hashlib.sha256(SOURCE.read_bytes()).hexdigest()[:16]}"
    if not program.exists():
        package = CACHE / "go/src/bench/forwarder"
        package.mkdir(parents=True, exist_ok=True)
        shutil.copy(SOURCE, package / "main.go")
        # Without modules, a go.mod that names the module lets the /v3 import path resolve (minimal module compatibility).
        (package / "go.mod").write_text("module bench/forwarder\n\nrequire github.com/pion/webrtc/v3 v3.1.0\n")
        paths = {"GO111MODULE": "off", "GOPATH": f"{CACHE / 'go'}:{PACKAGES}", "GOFLAGS": ""}
        subprocess.run(["go", "build", "-o", str(program), "."], cwd=package, env=os.environ | paths, check=True)
    return program


class Adapter:
    def __init__(self, core: int = 0) -> None:
        self._core = core

    def start(self) -> list[int]:
        command = ["taskset", "-c", str(self._core), str(build())]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        return [self._process.pid]

    def stop(self) -> None:
        self._process.stdin.close()
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _call(self, **request: object) -> dict:
        self._process.stdin.write(json.dumps(request).encode() + b"\n")
        self._process.stdin.flush()
        for line in self._process.stdout:
            if line.startswith(b"{"):
                break
        else:
            raise RuntimeError("the Pion forwarder ended")
        answer = json.loads(line)
        if "error" in answer:
            raise RuntimeError(f"Pion: {answer['error']}")
        return answer

    def publish(self, room: str, peer) -> int:
        answer = self._call(op="publish", sdp=peer.offer())
        remote = parse_remote(answer["sdp"])
        peer.remote(remote, dtls_client=remote["setup"] == "passive", controlling=True)
        return answer["feed"]

    def subscribe(self, room: str, peer, feeds: list[int]) -> None:
        offer = self._call(op="subscribe", feeds=feeds)
        self._call(op="answer", id=offer["id"], sdp=peer.answer(offer["sdp"]))
        peer.remote(parse_remote(offer["sdp"]), dtls_client=True, controlling=True)
