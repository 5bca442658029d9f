"""Whole frames through the app: any order within the wait, duplicates and batches give one state and one set of alerts."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from models.contracts import topics
from models.contracts.messages import AlertEvent, EdgeAlert, Health, alert_id_for, encode_json
from models.hvac.rules import RULE_TABLE
from tests.stream import fleet
from tests.stream.records import Rec, difference, log_of, messages, run

WAIT_MS = 5_000
T0_MS = 1_764_100_000_000
STEP_MS = 2_000
FRAMES_A_UNIT = 14
RULE = next(rule.id for rule in RULE_TABLE if rule.families[:1] == ("heating_valve_leaking",))
UNITS = ("ahu-1", "ahu-2", "ahu-3")


def history(lost: frozenset[int] = frozenset(), restart_at: int = FRAMES_A_UNIT) -> list[tuple[int, str, bytes]]:
    """(time sent, key, frame) of a fleet in true order; one unit is faulty for a while, the gateway restarts its outbox."""
    sender, out = fleet.Sender(), []
    for index in range(FRAMES_A_UNIT):
        if index == restart_at:
            sender = fleet.Sender(epoch=12)
        for number, unit in enumerate(UNITS):
            payload = sender.frame(unit, index, faulty=unit == "ahu-2" and 5 <= index < 9)
            if index * len(UNITS) + number not in lost:
                out.append((T0_MS + index * STEP_MS + number, f"plant/{unit}", payload))
    return out


def closing(after_ms: int) -> tuple[int, str, bytes]:
    """A frame of another unit, late enough that nothing waits any more."""
    return (after_ms + 100_000, "plant/clock", fleet.Sender(gateway="gw9").frame("clock", 0))


def alerts_of(log: list[Rec], cuts: list[int]) -> tuple[object, list[tuple[str, str, str, int]]]:
    partition, outputs = run(fleet.app(WAIT_MS / 1000), topics.FRAMES, log, cuts)
    events = messages(outputs, topics.ALERTS, AlertEvent)
    assert not messages(outputs, topics.HVAC_DEAD, AlertEvent)
    return partition.state, sorted((one.alert_id, one.transition, one.unit, one.measured_at_ms) for one in events)


@settings(max_examples=10, deadline=None)
@given(st.data())
def test_any_order_within_the_wait_gives_equal_state_and_equal_alerts(data: st.DataObject) -> None:
    lost = frozenset(data.draw(st.lists(st.integers(6, FRAMES_A_UNIT * 3 - 1), max_size=3), label="lost"))
    sent = history(lost, data.draw(st.integers(2, FRAMES_A_UNIT), label="restart at"))
    shuffled = []
    for at_ms, key, payload in sent:
        first = at_ms + data.draw(st.integers(0, WAIT_MS - 1))
        copies = data.draw(st.lists(st.integers(0, 30_000), max_size=1))
        shuffled += [(time_ms, key, payload) for time_ms in (first, *(first + extra for extra in copies))]
    shuffled.sort(key=lambda one: one[0])
    end_ms = shuffled[-1][0]
    cuts = data.draw(st.lists(st.integers(1, len(shuffled)), max_size=6), label="cuts")
    clean_state, clean_alerts = alerts_of(log_of([*sent, closing(end_ms)]), [])
    state, alerts = alerts_of(log_of([*shuffled, closing(end_ms)]), cuts)
    assert alerts == clean_alerts
    assert len(alerts) >= 1
    assert difference(state, clean_state) == ""  # type: ignore[arg-type]


def test_the_faulty_unit_has_one_episode_opened_once_and_cleared_once() -> None:
    _, outputs = run(fleet.app(), topics.FRAMES, log_of([*history(), closing(T0_MS + 50_000)]))
    events = messages(outputs, topics.ALERTS, AlertEvent)
    assert [(one.unit, one.family, one.transition) for one in events] == [
        ("ahu-2", "heating_valve_leaking", "opened"),
        ("ahu-2", "heating_valve_leaking", "cleared"),
    ]
    assert events[0].alert_id == events[1].alert_id
    assert events[0].reasons
    assert all(reason.text for reason in events[0].reasons)
    assert events[0].checks


def test_each_frame_that_closed_a_minute_has_one_health_message() -> None:
    _, outputs = run(fleet.app(), topics.FRAMES, log_of([*history(), closing(T0_MS + 50_000)]))
    health = messages(outputs, topics.HEALTH, Health)
    mine = [one.measured_at_ms for one in health if one.unit == "ahu-1"]
    last_minute_of = [fleet.START_MS + (index + 1) * fleet.FRAME_MS - 60_000 for index in range(FRAMES_A_UNIT)]
    assert mine == last_minute_of


def test_a_backlog_is_scored_in_silence_and_leaves_live_state_alone() -> None:
    sender = fleet.Sender()
    live = [(T0_MS + i * STEP_MS, "plant/ahu-1", sender.frame("ahu-1", i)) for i in range(3)]
    backlog = [sender.frame("ahu-1", i, faulty=True, historical=True) for i in range(3, 9)]
    later = [(T0_MS + 10_000 + i * STEP_MS, "plant/ahu-1", sender.frame("ahu-1", i)) for i in range(9, 12)]
    late = [(T0_MS + 60_000 + i, "plant/ahu-1", payload) for i, payload in enumerate(backlog)]
    end = closing(T0_MS + 100_000)
    partition, outputs = run(fleet.app(), topics.FRAMES, log_of([*live, *later, *late, end]))
    clean, _ = run(fleet.app(), topics.FRAMES, log_of([*live, *later, end]))
    assert difference_of_live(partition.state, clean.state) == ""
    events = messages(outputs, topics.ALERTS, AlertEvent)
    assert [(one.transition, one.retrospective) for one in events] == [("opened", True)]
    health = [one for one in messages(outputs, topics.HEALTH, Health) if one.historical]
    assert len(health) == len(backlog)


def difference_of_live(one: object, other: object) -> str:
    from tests.stream.records import table_difference

    return table_difference(one.tables["live"], other.tables["live"], ["extras"])  # type: ignore[attr-defined]


def edge_alert(unit: str, opened_at_ms: int, rule: str = RULE) -> EdgeAlert:
    return EdgeAlert(
        site="plant",
        gateway="gw1",
        unit=unit,
        alert_id=alert_id_for("plant", unit, rule, opened_at_ms),
        transition="opened",
        family="heating_valve_leaking",
        rule=rule,
        severity="warning",
        opened_at_ms=opened_at_ms,
        measured_at_ms=opened_at_ms,
    )


def test_an_edge_alert_opens_the_episode_and_the_stream_says_nothing_twice() -> None:
    app = fleet.app(0)
    partition, outputs = run(app, topics.FRAMES, log_of(history()[: 3 * 6]))
    opened_at_ms = fleet.START_MS + 6 * fleet.FRAME_MS
    payload = encode_json(edge_alert("ahu-2", opened_at_ms))
    first = partition.process(topics.EDGE_ALERTS, log_of([(T0_MS, "plant/ahu-2", payload)] * 2)).outputs
    rest = partition.process(topics.FRAMES, log_of([*history()[3 * 6 :], closing(T0_MS + 50_000)], first=3 * 6)).outputs
    events = messages([*outputs, *first, *rest], topics.ALERTS, AlertEvent)
    assert [one.transition for one in events] == ["opened", "cleared"]
    assert {one.alert_id for one in events} == {alert_id_for("plant", "ahu-2", RULE, opened_at_ms)}
    assert events[0].equipment in ("ahu", "generic")


def test_an_edge_alert_of_a_minute_that_was_judged_here_opens_nothing() -> None:
    partition, _ = run(fleet.app(0), topics.FRAMES, log_of(history()))
    payload = encode_json(edge_alert("ahu-1", fleet.START_MS + 2 * fleet.FRAME_MS))
    assert partition.process(topics.EDGE_ALERTS, log_of([(T0_MS, "plant/ahu-1", payload)])).outputs == []
