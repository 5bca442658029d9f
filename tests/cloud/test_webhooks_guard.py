"""Nothing inside is reached through a webhook's URL, however it is written; most vectors are judged, some are tried."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest

from cloud.alerts.guard import refusal
from cloud.alerts.service import AlertService
from cloud.alerts.webhooks import Endpoint, signer_for
from tests.cloud.receivers import Receiver
from tests.cloud.test_alerts import event

SECRET = "whsec_" + base64.b64encode(b"a key of thirty-two bytes, no more").decode()

PRIVATE = (
    "127.0.0.1",
    "127.8.9.1",
    "10.1.2.3",
    "172.16.0.1",
    "172.31.255.255",
    "192.168.1.1",
    "100.64.0.1",
    "::1",
    "fd12::1",
)
PRIVATE_IN_DISGUISE = (
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.1",
    "::ffff:0:10.0.0.1",
    "::127.0.0.1",
    "64:ff9b::10.0.0.1",
    "64:ff9b::7f00:1",
    "2002:7f00:1::",
    "2002:c0a8:101::1",
    "2a00::5efe:10.0.0.1",
)
NEVER = (
    "0.0.0.0",  # noqa: S104
    "0.1.2.3",
    "169.254.169.254",
    "169.254.0.1",
    "168.63.129.16",
    "100.100.100.200",
    "192.0.0.192",
    "192.0.2.1",
    "198.18.0.1",
    "198.51.100.7",
    "203.0.113.9",
    "224.0.0.1",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "fe80::1",
    "fe80::1%eth0",
    "fec0::1",
    "ff02::1",
    "fd00:ec2::254",
    "::ffff:169.254.169.254",
    "64:ff9b::169.254.169.254",
    "64:ff9b:1::1",
    "2002:a9fe:a9fe::",
    "2001:0:4136:e378::1",
    "2001:db8::1",
    "3fff::1",
    "100::1",
    "5f00::1",
    "not an address",
)
PUBLIC = ("8.8.8.8", "93.184.216.34", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::8.8.8.8", "2002:808:808::1")


@pytest.mark.parametrize("address", PRIVATE + PRIVATE_IN_DISGUISE)
def test_private_addresses_need_an_administrator(address: str) -> None:
    assert "allow_private" in (refusal(address, False) or "")
    assert refusal(address, True) is None


@pytest.mark.parametrize("address", NEVER)
def test_some_addresses_nobody_may_allow(address: str) -> None:
    assert refusal(address, False)
    assert refusal(address, True)


@pytest.mark.parametrize("address", PUBLIC)
def test_the_public_internet_is_free(address: str) -> None:
    assert refusal(address, False) is None


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "localhost", "LOCALHOST.", "2130706433", "0x7f000001", "0177.0.0.1", "127.1", "0", "[::1]",
     "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "①②⑦.⓪.⓪.①"],
)  # fmt: skip
async def test_no_spelling_of_this_machine_is_reached(tmp_path: Path, host: str) -> None:
    async with Receiver().serving() as receiver:
        url = f"http://{host}:{receiver.port}/hook"
        ops = Endpoint("ops", url, False, signer_for(SECRET, "ops"))
        service = AlertService(tmp_path / "a.sqlite", [ops])
        service.apply(event())
        assert await service._sender.deliver_due() == 1
        assert receiver.taken == []
    state = service.endpoints()[0]
    assert (state.last_status, state.waiting) == (None, 1)
    assert state.last_error


async def test_a_name_is_judged_by_what_it_resolves_to_and_the_error_says_so(tmp_path: Path) -> None:
    ops = Endpoint("ops", "http://localhost:9/", False, signer_for(SECRET, "ops"))
    service = AlertService(tmp_path / "a.sqlite", [ops])
    service.apply(event())
    await service._sender.deliver_due()
    assert "refused: private address" in service.endpoints()[0].last_error
