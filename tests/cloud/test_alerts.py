"""The life of alerts: the same end for every order of events, an audit that nobody can rewrite, lists that page."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloud.alerts import lifecycle
from cloud.alerts.database import Database, DatabaseError
from cloud.alerts.lifecycle import Act, Alert, AlertError, merge, notices
from cloud.alerts.service import AlertService
from models.contracts.messages import AlertEvent, Reason

OPENED_AT_MS = 1_700_000_000_000


def event(**changes: Any) -> AlertEvent:
    """An event of one episode, changed where a test cares."""
    values: dict[str, Any] = {
        "alert_id": "al_1",
        "transition": "opened",
        "site": "hq",
        "gateway": "gw1",
        "unit": "ahu-1",
        "equipment": "ahu",
        "family": "heating_valve_leaking",
        "rule": "heating_valve_leak",
        "severity": "warning",
        "title": "Heating valve leaks",
        "opened_at_ms": OPENED_AT_MS,
        "measured_at_ms": OPENED_AT_MS,
        "reasons": (Reason("rule", "heating_valve_leak", "Supply air is 4.1 K warmer than mixed air."),),
    }
    return AlertEvent(**(values | changes))


def cleared(**changes: Any) -> AlertEvent:
    at_ms = changes.pop("measured_at_ms", OPENED_AT_MS + 600_000)
    return event(transition="cleared", measured_at_ms=at_ms, cleared_at_ms=at_ms, reasons=(), **changes)


@pytest.fixture
def service(tmp_path: Path) -> AlertService:
    return AlertService(tmp_path / "alerts.sqlite")


transitions = st.lists(
    st.builds(
        lambda transition, minutes, severity, title: event(
            transition=transition,
            measured_at_ms=OPENED_AT_MS + minutes * 60_000,
            cleared_at_ms=OPENED_AT_MS + minutes * 60_000 if transition == "cleared" else None,
            severity=severity,
            title=title,
        ),
        st.sampled_from(["opened", "updated", "cleared"]),
        st.integers(0, 5),
        st.sampled_from(["info", "warning", "critical"]),
        st.sampled_from(["a", "b"]),
    ),
    min_size=1,
    max_size=7,
)


@given(transitions, st.randoms(use_true_random=False))
def test_any_order_and_any_duplicates_end_in_the_same_alert(events: list[AlertEvent], chance: random.Random) -> None:
    other = events + [chance.choice(events) for _ in range(chance.randrange(4))]
    chance.shuffle(other)

    def fold(sequence: list[AlertEvent]) -> Alert:
        alert: Alert | None = None
        for one in sequence:
            alert = merge(alert, one)
        assert alert is not None
        return alert

    assert fold(events) == fold(other)


@given(transitions, st.randoms(use_true_random=False))
def test_opened_and_cleared_are_told_once_whatever_the_order(events: list[AlertEvent], chance: random.Random) -> None:
    chance.shuffle(events)
    alert: Alert | None = None
    told = []
    for one in events + events:
        after = merge(alert, one)
        told += [notice.kind for notice in notices(alert, after)]
        alert = after
    assert told.count("opened") == 1
    assert told[0] == "opened"
    assert told.count("cleared") == any(one.transition == "cleared" for one in events)


def test_the_clearing_event_does_not_take_the_reasons_away(service: AlertService) -> None:
    service.apply(event())
    alert = service.apply(cleared())
    assert alert.state == "cleared"
    assert alert.cleared_at_ms == OPENED_AT_MS + 600_000
    assert alert.content.reasons[0].text.startswith("Supply air")


def test_a_cleared_alert_stays_cleared_when_its_opening_comes_late(service: AlertService) -> None:
    service.apply(cleared())
    alert = service.apply(event())
    assert alert.state == "cleared"
    assert alert.content.reasons


def test_a_duplicate_changes_no_row_and_tells_nobody(tmp_path: Path) -> None:
    told: list[Alert] = []
    service = AlertService(tmp_path / "alerts.sqlite")
    service.listen(told.append)
    first = service.apply(event())
    assert service.apply(event()) == first
    assert len(told) == 1
    assert [entry.kind for entry in service.log("al_1")] == ["opened"]


def test_a_person_acknowledges_and_clears_and_the_log_says_who_and_when(tmp_path: Path) -> None:
    clock = iter(range(1000, 2000))
    service = AlertService(tmp_path / "alerts.sqlite", now_ms=lambda: next(clock))
    service.apply(event())
    acknowledged = service.acknowledge("al_1", "mira", "on my way")
    assert acknowledged.state == "acknowledged"
    assert acknowledged.acknowledged == Act("mira", 1001, "on my way")
    assert service.clear("al_1", "omar").state == "cleared"
    assert [(entry.kind, entry.by, entry.at_ms, entry.note) for entry in service.log("al_1")] == [
        ("opened", "monitor", 1000, "Heating valve leaks"),
        ("acknowledged", "mira", 1001, "on my way"),
        ("cleared", "omar", 1002, ""),
    ]


def test_what_a_person_cannot_do_is_said(service: AlertService) -> None:
    with pytest.raises(AlertError, match="no such alert"):
        service.acknowledge("al_none", "mira")
    service.apply(event())
    service.acknowledge("al_1", "mira")
    with pytest.raises(AlertError, match="acknowledged already by mira"):
        service.acknowledge("al_1", "omar")
    service.clear("al_1", "omar")
    with pytest.raises(AlertError, match="cleared already"):
        service.clear("al_1", "omar")
    with pytest.raises(AlertError, match="expected at most"):
        service.clear("al_1", "omar", "x" * 2001)


def test_an_update_after_a_person_cleared_does_not_open_it_again(service: AlertService) -> None:
    service.apply(event())
    service.clear("al_1", "mira")
    after = service.apply(event(transition="updated", severity="critical", measured_at_ms=OPENED_AT_MS + 60_000))
    assert after.state == "cleared"
    assert service.active() == []


def test_rising_severity_is_told_and_logged(service: AlertService) -> None:
    before = service.apply(event())
    after = service.apply(event(transition="updated", severity="critical", measured_at_ms=OPENED_AT_MS + 1))
    assert [notice.kind for notice in notices(before, after)] == ["updated"]
    assert [entry.kind for entry in service.log("al_1")] == ["opened", "updated"]


def test_lists_page_without_gaps_or_repeats_while_alerts_arrive(service: AlertService) -> None:
    service.apply_all(
        [event(alert_id=f"al_{i:03}", opened_at_ms=OPENED_AT_MS + i // 3, unit=f"u{i % 2}") for i in range(60)]
    )
    seen: list[str] = []
    cursor = ""
    while True:
        page = service.alerts(cursor=cursor, limit=7)
        seen += [alert.alert_id for alert in page.alerts]
        service.apply(event(alert_id=f"al_new{len(seen)}", opened_at_ms=OPENED_AT_MS + 10_000))
        cursor = page.next_cursor
        if not cursor:
            break
    assert seen == [f"al_{i:03}" for i in sorted(range(60), key=lambda i: (-(i // 3), -i))]
    with pytest.raises(AlertError, match="cursor"):
        service.alerts(cursor="not-ours")


def test_lists_filter_by_state_unit_and_severity(service: AlertService) -> None:
    service.apply_all([event(alert_id="al_a"), event(alert_id="al_b", unit="ahu-2", severity="critical")])
    service.acknowledge("al_a", "mira")
    assert [alert.alert_id for alert in service.alerts(states=["open"]).alerts] == ["al_b"]
    assert [alert.alert_id for alert in service.alerts(unit_key="hq/ahu-1").alerts] == ["al_a"]
    assert [alert.alert_id for alert in service.alerts(severity="critical").alerts] == ["al_b"]
    assert [alert.alert_id for alert in service.active()] == ["al_b", "al_a"]
    assert service.counts() == {"open": 1, "acknowledged": 1, "cleared": 0}


def test_alerts_survive_a_restart_and_a_newer_schema_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "alerts.sqlite"
    first = AlertService(path)
    first.apply(event())
    first.database.close()
    second = AlertService(path)
    assert second.alert("al_1") == lifecycle.merge(None, event())
    with second.database.writing() as session:
        session.connection().exec_driver_sql("PRAGMA user_version = 99")
    with pytest.raises(DatabaseError, match="schema 99, expected 1"):
        Database(path)


def test_a_change_that_fails_half_way_leaves_neither_state_nor_log(service: AlertService) -> None:
    class PowerCutError(Exception):
        """Raised where the machine would lose its power."""

    def cut() -> None:
        with service.database.writing() as session:
            alert = merge(None, event())
            service._store(session, None, alert, 1)
            raise PowerCutError

    with pytest.raises(PowerCutError):
        cut()
    assert service.alert("al_1") is None


def test_an_alert_keeps_every_field_through_the_database(service: AlertService) -> None:
    full = event(
        checks=("Close the valve by hand",), fault_probabilities={"fan_belt_worn": 0.25}, hours_to_failure=12.5
    )
    service.apply(full)
    found = service.alert("al_1")
    assert found is not None
    assert msgspec.to_builtins(found.content) == msgspec.to_builtins(full)
