"""What a run says of the units of one plant, and the pure replay as judge of it: no Kafka, no worker, no clock."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from models.contracts import topics
from models.contracts.messages import AlertEvent, Health, decode_json
from stream.app import Encoded
from stream.hvac.state import LIVE
from stream.replay import Recorded, Replay
from stream.table import SEEN_HOUR, State
from tests.faults.account import Account
from tests.faults.stream.plant import PARTITION_NUMBERS, Plant, partition_of
from tests.stream import fleet
from tests.stream.site import WAIT_SECONDS, Message


@dataclass(slots=True)
class Outcome:
    """What a run says of the units of one plant: live rows by unit and column, alert events, health."""

    rows: dict[str, dict[str, bytes]] = field(default_factory=dict)
    alerts: Counter[bytes] = field(default_factory=Counter)
    health: Counter[bytes] = field(default_factory=Counter)

    def without_log_time(self) -> Outcome:
        """Without the hour of the log in which a unit was last heard of: what comes again or later is heard later."""
        rows = {
            key: {name: value for name, value in row.items() if name != SEEN_HOUR} for key, row in self.rows.items()
        }
        return Outcome(rows, self.alerts, self.health)

    def without_history(self) -> Outcome:
        """Only what live state has said."""
        return Outcome(
            self.rows,
            Counter({value: n for value, n in self.alerts.items() if not decode_json(value, AlertEvent).retrospective}),
            Counter({value: n for value, n in self.health.items() if not decode_json(value, Health).historical}),
        )


def outcome_of(states: Iterable[State], outputs: Iterable[Encoded], plant: Plant) -> Outcome:
    """What these states and outputs say of a plant."""
    found = Outcome()
    for state in states:
        table = state.tables[LIVE]
        for key in table.keys:
            row = table.find(key) if key.startswith(plant.prefix) else None
            if row is not None:
                found.rows[key] = {name: column[row].tobytes() for name, column in table.columns.items()}
    prefix = plant.prefix.encode()
    for output in outputs:
        if output.key.startswith(prefix):
            if output.topic == topics.ALERTS:
                found.alerts[output.value] += 1
            elif output.topic == topics.HEALTH:
                found.health[output.value] += 1
    return found


def clean_run(plant: Plant, messages: Sequence[Message]) -> Outcome:
    """What the pure replay says of these messages: no Kafka, no worker, no clock."""
    ends = dict.fromkeys(PARTITION_NUMBERS, 0)
    records = []
    for message in messages:
        number, at_ms = partition_of(message.key), message.at_ms or 0
        records.append(Recorded(topics.FRAMES, number, ends[number], at_ms, message.key.encode(), message.value))
        ends[number] += 1
    return replayed(plant, records)


def replayed(plant: Plant, records: Iterable[Recorded]) -> Outcome:
    """What the pure replay says of these records of the frames' topic."""
    replay = Replay(fleet.app(WAIT_SECONDS))
    in_order = sorted(records, key=lambda record: (record.partition, record.offset))
    outputs = [output for _, output in replay.run(in_order)]
    return outcome_of((partition.state for partition in replay.partitions.values()), outputs, plant)


def compare(account: Account, found: Outcome, clean: Outcome, name: str = "") -> None:
    """Enter how what Kafka holds differs from the clean run: in nothing."""
    differing = [key for key, row in clean.rows.items() if found.rows.get(key) != row]
    account.tell(f"{name}units", len(clean.rows), "units")
    account.exactly(f"{name}units_differing", len(differing) + len(found.rows.keys() - clean.rows.keys()), 0, "units")
    account.at_least(f"{name}alert_events", len(clean.alerts), 1, "events")
    account.exactly(f"{name}alerts_missing", len(clean.alerts.keys() - found.alerts.keys()), 0, "events")
    account.exactly(f"{name}alerts_extra", len(found.alerts.keys() - clean.alerts.keys()), 0, "events")
    told = Counter(
        (event.alert_id, event.transition) for event in (decode_json(one, AlertEvent) for one in found.alerts)
    )
    account.exactly(f"{name}alerts_duplicate_by_id", sum(told.values()) - len(told), 0, "events")
    account.tell(f"{name}alerts_sent_again", sum(found.alerts.values()) - len(found.alerts), "events")
    account.exactly(f"{name}health_missing", len(clean.health.keys() - found.health.keys()), 0, "records")
    account.exactly(f"{name}health_extra", len(found.health.keys() - clean.health.keys()), 0, "records")
