"""Delivery of alerts to real receivers, well-behaved and otherwise; 75 hours pass by a clock of ours."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import itertools
import json
import resource
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks import Webhook, WebhookVerificationError

from cloud.alerts import outbox
from cloud.alerts.schedule import RETRY_AFTER_SECONDS_MAX, Reply, judge, retry_after_seconds
from cloud.alerts.sender import REPLY_BYTES_MAX, Bell, Sender
from cloud.alerts.service import AlertService
from cloud.alerts.webhooks import Endpoint, endpoints_from, signer_for
from cloud.settings import AlertSettings, WebhookSettings
from models.contracts.clock import wall_ms
from models.contracts.settings import SettingsError
from tests.cloud.receivers import Receiver
from tests.cloud.test_alerts import cleared, event

SECRET = "whsec_" + base64.b64encode(b"a key of thirty-two bytes, no more").decode()
WAITS_SECONDS = AlertSettings().retry_seconds
QUICK = AlertSettings(timeout_seconds=0.5)


def endpoint(name: str, url: str, allow_private: bool = True) -> Endpoint:
    return Endpoint(name, url, allow_private, signer_for(SECRET, name))


class Clock:
    """Wall time that a test moves."""

    def __init__(self) -> None:
        self.now = 1_700_000_000_000

    def __call__(self) -> int:
        return self.now


@contextlib.asynccontextmanager
async def running(service: AlertService) -> AsyncIterator[None]:
    sender = asyncio.create_task(service.run())
    await asyncio.sleep(0)
    try:
        yield
    finally:
        sender.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await sender


async def until(true: Callable[[], bool], seconds: float = 5) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "did not come true in time"
        await asyncio.sleep(0.01)


async def test_an_alert_reaches_its_receiver_signed_within_a_second(tmp_path: Path) -> None:
    async with Receiver().serving() as receiver:
        service = AlertService(
            tmp_path / "a.sqlite", [endpoint("ops", receiver.url)], public_url="https://plenum.example/"
        )
        async with running(service):
            started = time.monotonic()
            service.apply(event())
            await asyncio.wait_for(receiver.came.wait(), 1)
            assert time.monotonic() - started < 1
            await until(lambda: service.endpoints()[0].delivered == 1)
    (taken,) = receiver.taken
    body = Webhook(SECRET).verify(taken.body, taken.headers)
    assert taken.headers["content-type"] == "application/cloudevents+json"
    assert body["specversion"] == "1.0"
    assert body["id"] == taken.headers["webhook-id"]
    assert body["type"] == "io.plenum.alert.opened"
    assert body["subject"] == "hq/ahu-1"
    assert body["time"] == "2023-11-14T22:13:20.000Z"
    assert body["data"]["reasons"][0]["text"].startswith("Supply air")
    assert body["data"]["url"] == "https://plenum.example/alerts/al_1"
    altered = taken.body.replace(b"warning", b"blocked")
    with pytest.raises(WebhookVerificationError):
        Webhook(SECRET).verify(altered, taken.headers)


async def test_the_whole_life_of_an_alert_arrives_once_and_in_order(tmp_path: Path) -> None:
    async with Receiver().serving() as receiver:
        service = AlertService(tmp_path / "a.sqlite", [endpoint("ops", receiver.url)])
        async with running(service):
            for one in (event(), event(), cleared(), event(), cleared()):
                service.apply(one)
                with contextlib.suppress(ValueError):
                    service.acknowledge("al_1", "mira")
            await until(lambda: service.endpoints()[0].delivered == 3)
            await asyncio.sleep(0.1)
    types = [json.loads(taken.body)["type"].rpartition(".")[2] for taken in receiver.taken]
    assert types == ["opened", "acknowledged", "cleared"]
    assert len({taken.headers["webhook-id"] for taken in receiver.taken}) == 3


async def test_ten_tries_over_75_hours_then_given_up(tmp_path: Path) -> None:
    clock = Clock()
    async with Receiver("500").serving() as receiver:
        service = AlertService(tmp_path / "a.sqlite", [endpoint("ops", receiver.url)], now_ms=clock)
        sender = Sender(service.database, service._endpoints, AlertSettings(), clock, chance=lambda: 0.5)
        service.apply(event())
        tried_at = []
        while await sender.deliver_due():
            tried_at.append(clock.now)
            due_at_ms = outbox.next_due_at_ms(service.database, "ops")
            if due_at_ms is None:
                break
            clock.now = due_at_ms - 1
            assert await sender.deliver_due() == 0, "not before it is due"
            clock.now = due_at_ms
    waits = [round((b - a) / 1000) for a, b in itertools.pairwise(tried_at)]
    assert waits == list(WAITS_SECONDS)
    assert 75 <= (tried_at[-1] - tried_at[0]) / 3_600_000 <= 76
    assert len({taken.headers["webhook-id"] for taken in receiver.taken}) == 1
    assert len({taken.headers["webhook-timestamp"] for taken in receiver.taken}) == 10
    assert service.endpoints()[0].given_up == 1
    assert [one.attempt for one in service.deliveries("al_1")] == list(range(1, 11))


async def test_a_receiver_that_was_down_for_a_day_loses_nothing(tmp_path: Path) -> None:
    clock = Clock()
    receiver = Receiver()
    async with receiver.serving():
        pass  # the port is known, and nobody listens
    service = AlertService(tmp_path / "a.sqlite", [endpoint("ops", receiver.url)], settings=QUICK, now_ms=clock)
    for number in range(5):
        service.apply(event(alert_id=f"al_{number}"))
    end = clock.now + 24 * 3_600_000
    while clock.now < end:
        await service._sender.deliver_due()
        due_at_ms = outbox.next_due_at_ms(service.database, "ops")
        assert due_at_ms is not None
        clock.now = due_at_ms
    async with Receiver().serving() as back:
        late = Sender(service.database, [endpoint("ops", back.url)], QUICK, clock)
        clock.now += 24 * 3_600_000
        await late.deliver_due()
    assert len({taken.headers["webhook-id"] for taken in back.taken}) == 5
    assert service.endpoints()[0].delivered == 5


async def test_retry_after_is_obeyed(tmp_path: Path) -> None:
    clock = Clock()
    async with Receiver("429 600", "204").serving() as receiver:
        service = AlertService(tmp_path / "a.sqlite", [endpoint("ops", receiver.url)], now_ms=clock)
        service.apply(event())
        assert await service._sender.deliver_due() == 1
        clock.now += 599_999
        assert await service._sender.deliver_due() == 0
        clock.now += 1
        assert await service._sender.deliver_due() == 1
    assert service.endpoints()[0].delivered == 1


async def test_gone_disables_the_receiver_until_a_person_enables_it(tmp_path: Path) -> None:
    async with Receiver("410", "204").serving() as receiver:
        service = AlertService(tmp_path / "a.sqlite", [endpoint("ops", receiver.url)])
        service.apply_all([event(), event(alert_id="al_2")])
        await service._sender.deliver_due()
        service.apply(event(alert_id="al_3"))
        assert await service._sender.deliver_due() == 0
        state = service.endpoints()[0]
        assert state.disabled_at_ms is not None
        assert (state.reason, state.waiting, state.given_up) == ("answered 410", 0, 2)
        service.enable_endpoint("ops")
        service.apply(event(alert_id="al_4"))
        await service._sender.deliver_due()
        assert service.endpoints()[0].delivered == 1
    assert len(receiver.taken) == 2


@pytest.mark.parametrize("fault", ["hang", "drip", "endless", "reset", "500"])
async def test_a_faulty_receiver_delays_no_other(tmp_path: Path, fault: str) -> None:
    async with Receiver(fault).serving() as bad, Receiver().serving() as good:
        service = AlertService(
            tmp_path / "a.sqlite", [endpoint("bad", bad.url), endpoint("good", good.url)], settings=QUICK
        )
        async with running(service):
            for number in range(20):
                started = time.monotonic()
                service.apply(event(alert_id=f"al_{number}"))
                await until(lambda want=number + 1: len(good.taken) == want, 1)  # type: ignore[misc]
                assert time.monotonic() - started < 1
            await until(lambda: service.endpoints()[0].last_try_at_ms is not None, 3)
        state = service.endpoints()[0]
    assert state.delivered == 0
    assert state.waiting == 20
    assert state.last_error or state.last_status == 500


async def test_at_most_64_kib_of_an_endless_answer_are_read(tmp_path: Path) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    async with Receiver("endless").serving() as receiver:
        service = AlertService(tmp_path / "a.sqlite", [endpoint("ops", receiver.url)])
        service.apply(event())
        await service._sender.deliver_due()
        await asyncio.sleep(0.1)
        # What the receiver could push into socket buffers before we hung up; far from its gigabyte.
        assert receiver.sent_bytes < 16 * 1024 * 1024
    assert REPLY_BYTES_MAX == 64 * 1024
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 32 * 1024
    assert service.endpoints()[0].last_status == 500


async def test_redirects_are_not_followed(tmp_path: Path) -> None:
    async with Receiver("302").serving() as receiver:
        service = AlertService(tmp_path / "a.sqlite", [endpoint("ops", receiver.url)])
        service.apply(event())
        await service._sender.deliver_due()
    assert [taken.path for taken in receiver.taken] == ["/hook"]
    assert service.endpoints()[0].last_status == 302


async def test_a_sender_that_dies_after_the_receiver_took_it_sends_once_more_with_the_same_id(tmp_path: Path) -> None:
    clock = Clock()
    async with Receiver().serving() as receiver:
        service = AlertService(tmp_path / "a.sqlite", [endpoint("ops", receiver.url)], now_ms=clock)
        service.apply(event())
        sender = service._sender
        letter = outbox.lease(service.database, "ops", clock.now, 60_000)
        assert letter is not None
        async with sender._session(service._endpoints[0]) as session:
            assert (await sender._post(service._endpoints[0], session, letter)).status == 204
        # Here the process dies: nothing was settled. Another one starts on the same file.
        again = AlertService(tmp_path / "a.sqlite", [endpoint("ops", receiver.url)], now_ms=clock)
        assert await again._sender.deliver_due() == 0, "the lease still runs"
        clock.now += 60_000
        assert await again._sender.deliver_due() == 1
        clock.now += 75 * 3_600_000
        assert await again._sender.deliver_due() == 0
    assert len(receiver.taken) == 2
    assert len({taken.headers["webhook-id"] for taken in receiver.taken}) == 1


async def test_two_senders_on_one_outbox_send_each_notice_once(tmp_path: Path) -> None:
    async with Receiver().serving() as receiver:
        services = [AlertService(tmp_path / "a.sqlite", [endpoint("ops", receiver.url)]) for _ in range(2)]
        services[0].apply_all([event(alert_id=f"al_{number}") for number in range(50)])
        async with running(services[0]), running(services[1]):
            await until(lambda: services[0].endpoints()[0].delivered == 50)
    assert len(receiver.taken) == 50


@given(st.integers(1, 9), st.floats(0, 1, exclude_max=True), st.integers(0, 10**13))
def test_every_wait_lies_within_its_jitter(tries: int, chance: float, now_ms: int) -> None:
    verdict = judge(Reply(503), tries, now_ms, chance, WAITS_SECONDS, 0.2)
    assert verdict.action == "retry"
    wait_seconds = (verdict.due_at_ms - now_ms) / 1000
    assert WAITS_SECONDS[tries - 1] * 0.8 - 0.01 <= wait_seconds <= WAITS_SECONDS[tries - 1] * 1.2 + 0.01


@given(st.text(max_size=40))
def test_no_retry_after_header_breaks_the_schedule(header: str) -> None:
    assert 0 <= retry_after_seconds(header, 1_700_000_000_000) <= RETRY_AFTER_SECONDS_MAX


def test_retry_after_may_be_a_date_and_is_bounded() -> None:
    assert retry_after_seconds("Tue, 14 Nov 2023 22:14:20 GMT", 1_700_000_000_000) == 60
    assert retry_after_seconds("Tue, 14 Nov 2023 22:12:20 GMT", 1_700_000_000_000) == 0
    assert retry_after_seconds("99999999999999999999", 0) == RETRY_AFTER_SECONDS_MAX


def test_receivers_that_cannot_be_used_are_refused_at_the_start(tmp_path: Path) -> None:
    good = tmp_path / "secret"
    good.write_text(SECRET)
    short = tmp_path / "short"
    short.write_text("whsec_c2hvcnQ=")

    def build(url: str = "https://a.example/x", secret_file: Path = good) -> None:
        endpoints_from([WebhookSettings(name="ops", url=url, secret_file=str(secret_file))])

    build()
    for url in (
        "ftp://a.example",
        "https:///x",
        "https://user:pw@a.example/",
        "javascript:alert(1)",
        "http://a:99999/",
    ):
        with pytest.raises(SettingsError, match=r"webhooks\.ops"):
            build(url)
    with pytest.raises(SettingsError, match="5 bytes, expected 24"):
        build(secret_file=short)
    with pytest.raises(SettingsError, match="cannot read"):
        build(secret_file=tmp_path / "none")
    assert SECRET[6:] not in repr(
        endpoints_from([WebhookSettings(name="ops", url="https://a.example", secret_file=str(good))])
    )


async def test_wall_time_is_what_the_signature_carries(tmp_path: Path) -> None:
    async with Receiver().serving() as receiver:
        service = AlertService(tmp_path / "a.sqlite", [endpoint("ops", receiver.url)])
        service.apply(event())
        await service._sender.deliver_due()
    assert abs(int(receiver.taken[0].headers["webhook-timestamp"]) - wall_ms() / 1000) < 5


async def test_a_lane_stops_though_the_bell_rings_at_the_same_moment() -> None:
    """A cancellation that comes with a ring is not lost: the process ends when it is told to."""
    bell = Bell()

    async def lane() -> None:
        while True:
            await bell.wait(bell.count, 60)

    for _ in range(200):
        task = asyncio.create_task(lane())
        await asyncio.sleep(0)
        bell.ring()
        task.cancel()
        done, _ = await asyncio.wait([task], timeout=5)
        assert done
