"""A system whose message bus is somebody else's."""

from pathlib import Path

import pytest
from roomwire import stack
from roomwire.stack import Stack, StackFailed, free_port


def test_a_bus_that_is_not_there_is_told_and_waited_for(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(stack, "QUIET_S", 0.1)
    port = free_port()
    told: list[str] = []
    waiting = Stack(tmp_path, {"ROOMWIRE_NATS_URL": f"nats://secret@127.0.0.1:{port}"}, on_wait=told.append)

    with pytest.raises(StackFailed) as failed:
        waiting.start(deadline_s=0.4)

    assert told == [f"the message bus at 127.0.0.1:{port} (ROOMWIRE_NATS_URL)"]
    assert str(failed.value) == f"ROOMWIRE_NATS_URL: nothing listens at 127.0.0.1:{port}"
    assert waiting.pids == {}
