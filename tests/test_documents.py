"""Documents say what the code says."""

from __future__ import annotations

from models.contracts.topics import KAFKA_TOPICS, MQTT_ROOT, MQTT_TOPICS
from tests.servers import ROOT


def topic_tables() -> str:
    """The two tables of ARCHITECTURE.md, from the table in the code."""
    lines = ["| Kafka topic | key | message | writers | readers |", "|---|---|---|---|---|"]
    lines += [
        f"| `{t.name}`{' (compacted)' if t.compacted else ''} | {t.key} | {t.message} |"
        f" {', '.join(t.writers)} | {', '.join(t.readers)} |"
        for t in KAFKA_TOPICS
    ]
    lines += ["", "| MQTT topic | message | the device may |", "|---|---|---|"]
    lines += [
        f"| `{t.pattern.format(root=MQTT_ROOT, site='{site}', gateway='{gateway}', unit='{unit}')}`"
        f"{' (retained)' if t.retained else ''} | {t.message} | {t.device} |"
        for t in MQTT_TOPICS
    ]
    return "\n".join(lines)


def test_the_topic_tables_of_the_architecture_are_those_of_the_code() -> None:
    assert topic_tables() in (ROOT / "ARCHITECTURE.md").read_text()
