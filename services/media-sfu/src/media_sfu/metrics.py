"""What operators see of a node in `/metrics`."""

from collections.abc import Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from media_sfu.forwarder import Forwarder
from media_sfu.node import Node
from media_sfu.node_bus import NodeBus
from media_sfu.packet_metrics import packet_metrics


class NodeCollector(Collector):
    """Reads the node when it is asked; nothing is counted twice."""

    def __init__(self, node: Node, link: NodeBus, forwarder: Forwarder) -> None:
        self._node = node
        self._link = link
        self._forwarder = forwarder

    def collect(self) -> Iterator[Metric]:
        rooms = self._node.rooms
        yield GaugeMetricFamily("roomwire_sfu_rooms", "Rooms with a peer here.", len(rooms))
        yield GaugeMetricFamily("roomwire_sfu_peers", "Peers held.", self._node.peers)
        yield GaugeMetricFamily("roomwire_sfu_capacity", "Peers this node takes.", self._node.capacity)
        yield GaugeMetricFamily("roomwire_sfu_up_tracks", "Tracks received.", sum(r.up_tracks for r in rooms))
        yield GaugeMetricFamily("roomwire_sfu_down_tracks", "Tracks sent.", sum(r.down_tracks for r in rooms))
        yield GaugeMetricFamily("roomwire_sfu_load", "Used share of one core, 0 to 1.", self._link.load)
        full = "1 while the packet path has no room for more people: its thread is too busy, or its queue overflows."
        yield GaugeMetricFamily("roomwire_sfu_full", full, float(self._node.is_full))
        yield GaugeMetricFamily("roomwire_sfu_draining", "1 while draining.", float(self._link.is_draining))
        lost = "Facts and signals dropped while the bus was away."
        yield CounterMetricFamily("roomwire_sfu_outcomes_lost", lost, self._link.lost_outcomes)
        refused = CounterMetricFamily("roomwire_sfu_refused", "Commands refused, by error code.", labels=["code"])
        for code, count in self._node.refused.items():
            refused.add_metric([str(code)], count)
        yield refused
        dropped = CounterMetricFamily("roomwire_sfu_checks_dropped", "STUN and DTLS dropped.", labels=["reason"])
        for reason, count in self._node.port.dropped.items():
            dropped.add_metric([reason], count)
        yield dropped
        yield from packet_metrics(self._forwarder.counters())
