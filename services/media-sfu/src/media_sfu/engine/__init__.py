"""The packet engine: the `Forwarder` that moves the packets in C. `PacketForwarder` is all that the rest of the node sees of it."""

from media_sfu.engine.forwarder import ForwarderPolicy, PacketForwarder, log_self_test

__all__ = ["ForwarderPolicy", "PacketForwarder", "log_self_test"]
