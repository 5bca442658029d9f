"""The JSON API and the event stream, on a real server."""

from __future__ import annotations

import contextlib
import json
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from cloud.api.events import KEPT_EVENTS_MAX, READER_BYTES_MAX, EventHub, Reader
from cloud.fleet import Change
from tests.cloud.browsing import client, signed_in
from tests.cloud.plant import FRAME_MS, Plant, Served, make_context, served

T0 = 1_700_000_100_000


class World:
    """A server with two units, two hours of frames, and a browser that is signed in."""

    def __init__(self, server: Served, plant: Plant) -> None:
        self.server = server
        self.plant = plant
        self.api = signed_in(server.url)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    context = make_context(tmp_path_factory.mktemp("api"))
    plant = Plant(context)
    for unit in ("ahu-1", "ahu-2"):
        plant.unit(unit, name=unit.upper())
    for number in range(48):
        if number not in (10, 11):  # a gap of five minutes
            plant.frame("hq/ahu-1", T0 + number * FRAME_MS)
    for minute in range(120):
        plant.health("hq/ahu-1", T0 + minute * 60_000, 0.2)
    plant.gateway()
    with served(context) as server:
        yield World(server, plant)


def test_units_tell_what_is_newest(world: World) -> None:
    body = world.api.get("/v1/units").json()
    assert [unit["key"] for unit in body["units"]] == ["hq/ahu-1", "hq/ahu-2"]
    first, second = body["units"]
    assert first["last_measured_at_ms"] == T0 + 48 * FRAME_MS - 15_000
    assert 10 < first["values"]["supply_air_temperature"] < 22
    assert first["units"]["supply_air_temperature"] == "celsius"
    assert second["health"] is None
    assert world.api.get("/v1/units/hq/ahu-1").json() == first


def test_traces_have_gaps_as_null_and_the_range_that_was_asked_for(world: World) -> None:
    query: dict[str, str | int] = {
        "points": "supply_air_temperature,none_such",
        "from": T0,
        "to": T0 + 20 * FRAME_MS,
        "resolution": "raw",
    }
    body = world.api.get("/v1/units/hq/ahu-1/traces", params=query).json()
    assert body["points"] == ["supply_air_temperature"]
    assert body["units"] == ["celsius"]
    (values,) = body["values"]
    assert len(values) == len(body["at_ms"]) == 18 * 10 + 1
    gap = values.index(None)
    assert body["at_ms"][gap] == T0 + 10 * FRAME_MS
    assert body["at_ms"][gap + 1] == T0 + 12 * FRAME_MS
    text = httpx.QueryParams({"from": "2023-11-14T22:15:00Z", "to": "2023-11-15T00:15:00+00:00", "resolution": "1m"})
    minutes = world.api.get("/v1/units/hq/ahu-1/traces", params=text).json()
    assert minutes["from_ms"] == T0
    assert len(minutes["points"]) == 24
    assert all(at % 60_000 == 0 for at in minutes["at_ms"])


def test_without_a_range_comes_the_last_hour(world: World) -> None:
    body = world.api.get("/v1/units/hq/ahu-1/traces").json()
    assert body["resolution"] == "raw"
    assert body["to_ms"] - body["from_ms"] == 3_600_000
    assert len(body["at_ms"]) == 240


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("/v1/units/hq/none", 404, "unit_unknown"),
        ("/v1/units/hq/none/traces", 404, "unit_unknown"),
        ("/v1/units/hq/ahu-1/traces?from=yesterday", 422, "range_invalid"),
        ("/v1/units/hq/ahu-1/traces?from=2023-11-14T22:15:00", 422, "range_invalid"),
        ("/v1/units/hq/ahu-1/traces?from=5&to=5", 422, "range_invalid"),
        ("/v1/units/hq/ahu-1/traces?from=0&resolution=raw", 422, "range_invalid"),
        ("/v1/units/hq/ahu-1/traces?from=99999999999999999999999999", 422, "range_invalid"),
        ("/v1/units/hq/ahu-1/traces?resolution=2m", 422, "request_invalid"),
        ("/v1/units/hq/ahu-1/health?to=9e9", 422, "range_invalid"),
        ("/v1/alerts?state=closed", 422, "request_invalid"),
        ("/v1/alerts?limit=0", 422, "request_invalid"),
        ("/v1/alerts?cursor=zzz", 422, "cursor_invalid"),
        ("/v1/alerts/al_none", 404, "alert_unknown"),
        ("/v1/events?kinds=gossip", 422, "request_invalid"),
        ("/v1/events?kinds=sample", 422, "request_invalid"),
        ("/v1/nothing", 404, "not_found"),
    ],
)
def test_what_cannot_be_answered_is_a_problem_that_says_why(world: World, path: str, status: int, code: str) -> None:
    answer = world.api.get(path)
    problem = answer.json()
    assert (answer.status_code, problem["code"]) == (status, code)
    assert answer.headers["content-type"] == "application/problem+json"
    assert problem["type"] == f"urn:plenum:problem:{code}"
    assert problem["status"] == status
    assert problem["instance"] == path.partition("?")[0]
    assert problem["detail"]


def test_alerts_page_and_are_acted_on(world: World) -> None:
    ids = [world.plant.alert("hq/ahu-2", T0 + i * 1000) for i in range(5)]
    seen: list[str] = []
    query: dict[str, Any] = {"unit": "hq/ahu-2", "limit": 2}
    while True:
        page = world.api.get("/v1/alerts", params=query).json()
        seen += [alert["alert_id"] for alert in page["alerts"]]
        if not page["next_cursor"]:
            break
        query["cursor"] = page["next_cursor"]
    assert seen == ids[::-1]
    done = world.api.post(f"/v1/alerts/{ids[0]}/acknowledge", json={"note": "on it"}).json()
    assert (done["state"], done["active"], done["acknowledged"]["note"]) == ("acknowledged", True, "on it")
    again = world.api.post(f"/v1/alerts/{ids[0]}/acknowledge")
    assert (again.status_code, again.json()["code"]) == (409, "alert_acknowledged")
    assert world.api.post(f"/v1/alerts/{ids[0]}/clear").json()["state"] == "cleared"
    assert world.api.post("/v1/alerts/al_none/clear").status_code == 404
    assert world.api.post(f"/v1/alerts/{ids[1]}/clear", json={"nota": "x"}).status_code == 422
    assert world.api.post(f"/v1/alerts/{ids[1]}/clear", json={"note": "x" * 2001}).status_code == 422
    detail = world.api.get(f"/v1/alerts/{ids[0]}").json()
    assert [entry["kind"] for entry in detail["log"]] == ["opened", "acknowledged", "cleared"]
    assert world.api.get("/v1/alerts", params={"state": "acknowledged,cleared"}).json()["alerts"][0]["unit"] == "ahu-2"


def test_the_system_tells_the_ledger(world: World) -> None:
    body = world.api.get("/v1/system").json()
    (row,) = body["ledger"]
    assert (row["gateway"], row["received"], row["missing"], row["duplicate"]) == ("hq/gw1", 46, 0, 0)
    assert body["ready"] is True
    assert body["models"] == {"ahu-3f2a91": ["hq/ahu-1"]}
    assert world.api.get("/v1/gateways").json()["gateways"][0]["status"]["state"] == "online"


def test_metrics_are_in_the_text_format(world: World) -> None:
    text = world.api.get("/metrics").text
    assert "plenum_units 2.0" in text
    assert 'plenum_ledger_received_frames{gateway="hq/gw1"} 46.0' in text


def test_ready_only_while_kafka_is_there(world: World) -> None:
    world.server.context.ingest.kafka_connected = False
    answer = client(world.server.url).get("/readyz")
    world.server.context.ingest.kafka_connected = True
    assert (answer.status_code, answer.json()["code"]) == (503, "not_ready")
    assert "kafka:" not in answer.text.lower(), "no detail for strangers"
    assert client(world.server.url).get("/healthz").json() == {"status": "ok"}


def test_the_api_describes_itself(world: World) -> None:
    document = world.api.get("/openapi.json").json()
    assert document["openapi"].startswith("3.1")
    assert "/v1/units/{site}/{unit}/traces" in document["paths"]
    text = json.dumps(document)
    for reference in {part.split('"')[0] for part in text.split("#/components/schemas/")[1:]}:
        assert reference in document["components"]["schemas"], reference


def test_a_body_that_is_too_large_is_refused(world: World) -> None:
    answer = world.api.post(
        "/v1/alerts/al_x/clear", content=b"x" * 300_000, headers={"content-type": "application/json"}
    )
    assert answer.status_code == 413


def test_every_answer_carries_strict_headers(world: World) -> None:
    for path in ("/", "/v1/units", "/login", "/v1/none", "/static/plenum.css"):
        headers = world.api.get(path).headers
        policy = headers["content-security-policy"]
        assert "default-src 'self'" in policy
        assert "unsafe" not in policy
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["x-frame-options"] == "DENY"
    assert world.api.get("/v1/units").headers["cache-control"] == "no-store"


# --- the event stream ---


class Stream:
    """Reads server-sent events one by one."""

    def __init__(self, response: httpx.Response) -> None:
        self._lines = response.iter_lines()

    def next(self) -> dict[str, str]:
        event: dict[str, str] = {}
        for line in self._lines:
            if not line and "data" in event:
                return event
            name, _, value = line.partition(": ")
            if name in ("event", "data", "id"):
                event[name] = value
        raise AssertionError("the stream ended")


@contextlib.contextmanager
def listening(world: World, query: str = "", last_id: str = "") -> Iterator[Stream]:
    headers = {"Last-Event-ID": last_id} if last_id else {}
    with world.api.stream("GET", f"/v1/events{query}", headers=headers) as response:
        assert response.status_code == 200
        yield Stream(response)


def test_changes_arrive_within_a_second(world: World) -> None:
    with listening(world) as stream:
        assert stream.next()["event"] == "hello"
        started = time.monotonic()
        alert_id = world.plant.alert("hq/ahu-1", T0 + 77)
        event = stream.next()
        assert time.monotonic() - started < 1
        assert event["event"] == "alert"
        data = json.loads(event["data"])
        assert data["key"] == "hq/ahu-1"
        assert data["payload"]["alert_id"] == alert_id
        world.server.call(lambda: world.plant.health("hq/ahu-1", T0 + 10_000_000, 0.4))
        assert stream.next()["event"] == "health"


def test_samples_go_to_readers_of_that_unit_only(world: World) -> None:
    with listening(world, "?kinds=sample&unit=hq/ahu-2") as stream:
        stream.next()
        world.server.call(lambda: world.plant.frame("hq/ahu-1", T0 + 60 * FRAME_MS))
        world.server.call(lambda: world.plant.frame("hq/ahu-2", T0 + 60 * FRAME_MS))
        event = stream.next()
        data = json.loads(event["data"])
        assert data["key"] == "hq/ahu-2"
        assert data["payload"]["trace"]["at_ms"][0] == T0 + 60 * FRAME_MS
        assert "id" not in event


def test_who_comes_back_gets_what_was_missed_and_only_that(world: World) -> None:
    with listening(world) as stream:
        last_id = stream.next()["id"]
    for i in range(3):
        world.server.call(lambda i=i: world.plant.health("hq/ahu-1", T0 + 20_000_000 + i, 0.1))  # type: ignore[misc]
    with listening(world, last_id=last_id) as stream:
        times = [json.loads(stream.next()["data"])["payload"]["measured_at_ms"] for _ in range(3)]
        assert times == [T0 + 20_000_000 + i for i in range(3)]
    for strange in ("deadbeef-3", "nonsense", f"{last_id.partition('-')[0]}-99999999"):
        with listening(world, last_id=strange) as stream:
            assert stream.next()["event"] == "reset"


def test_a_reader_that_never_reads_is_dropped_and_nobody_else_waits(world: World) -> None:
    hub: EventHub = world.server.app.state.hub
    cookie = world.api.cookies["plenum_session"]
    host, port = world.server.url.removeprefix("http://").split(":")
    with socket.socket() as lazy, listening(world, "?kinds=gateway") as other:
        lazy.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        lazy.connect((host, int(port)))
        lazy.sendall(
            f"GET /v1/events?kinds=health HTTP/1.1\r\nHost: {host}:{port}\r\n"
            f"Cookie: plenum_session={cookie}\r\n\r\n".encode()
        )
        other.next()
        deadline = time.monotonic() + 10
        while hub.readers < 2 and time.monotonic() < deadline:
            time.sleep(0.02)
        before = hub.dropped
        text = "x" * 100_000
        for _ in range(120):  # 12 MB: more than sockets hold
            world.server.call(lambda: hub.tell(Change("health", "hq/ahu-1", {"text": text})))
            if hub.dropped > before:
                break
        assert hub.dropped == before + 1
        started = time.monotonic()
        world.server.call(lambda: world.plant.gateway(version="0.1.1"))
        assert json.loads(other.next()["data"])["payload"]["version"] == "0.1.1"
        assert time.monotonic() - started < 1


async def test_queues_and_the_kept_events_are_bounded(tmp_path: Path) -> None:
    context = make_context(tmp_path)
    hub = EventHub(context)
    with hub.reading(["health"], "", "") as reader:
        assert isinstance(reader, Reader)
        for _ in range(KEPT_EVENTS_MAX + 100):
            hub.tell(Change("health", "hq/ahu-1", {"text": "y" * 3000}))
        assert reader.dropped
        assert await reader.next() is None
    assert hub.readers == 0
    kept = hub.missed(f"{hub._boot}-{hub._count - 1}")
    assert kept is not None
    assert len(kept) == 1
    assert hub.missed(f"{hub._boot}-0") is None, "too long ago"
    assert hub._kept_bytes <= 4 * READER_BYTES_MAX


def test_a_server_that_stops_ends_its_streams_without_a_fault(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with served(make_context(tmp_path)) as server:
        api = signed_in(server.url)
        with api.stream("GET", "/v1/events") as response:
            stream = Stream(response)
            stream.next()
            server.stop()
            with pytest.raises((AssertionError, httpx.RemoteProtocolError)):
                stream.next()
    assert [record.getMessage() for record in caplog.records if record.levelname == "ERROR" and record.exc_info] == []
