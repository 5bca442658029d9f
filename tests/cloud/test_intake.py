"""What becomes of a message, whatever it is: a record of its sender, or a dead letter with a reason."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cloud.intake import Record, Refused, examine
from models.contracts import frame_pb2, topics
from models.contracts.codec import pack
from models.contracts.frame import FRAME_BYTES_MAX
from models.contracts.messages import GatewayStatus, LayoutMessage, encode_json
from tests.cloud.site import LAYOUT, frame

ROOT = "plenum/v1"
GOOD = frame("site1", "gw1", "ahu1", 9, epoch=2**63 + 5)
TOPIC = "plenum/v1/site1/gw1/ahu1/frame"


def refused(topic: str, payload: bytes) -> Refused:
    found = examine(topic, payload, ROOT)
    assert isinstance(found, Refused)
    return found


def test_a_frame_is_keyed_by_its_unit() -> None:
    found = examine(TOPIC, GOOD, ROOT)
    assert found == Record(
        "frame", topics.FRAMES, b"site1/ahu1", GOOD, "site1/gw1", epoch=2**63 + 5, seq=9, layout_id=LAYOUT.id
    )


def test_a_layout_is_keyed_so_that_compaction_keeps_the_one_before() -> None:
    message = LayoutMessage(site="site1", gateway="gw1", unit="ahu1", layout=LAYOUT)
    found = examine("plenum/v1/site1/gw1/ahu1/layout", encode_json(message), ROOT)
    assert isinstance(found, Record)
    assert (found.topic, found.key, found.layout_id) == (
        topics.LAYOUTS,
        b"site1/ahu1/%016x" % LAYOUT.id,
        LAYOUT.id,
    )


@pytest.mark.parametrize(
    ("topic", "payload", "reason"),
    [
        ("plenum/v1/site1/gw1/ahu1/nonsense", GOOD, "topic"),
        ("plenum/v1/site1/gw1/ahu1", GOOD, "topic"),
        ("elsewhere/site1/gw1/ahu1/frame", GOOD, "topic"),
        ("plenum/v1/si te/gw1/ahu1/frame", GOOD, "topic"),
        ("plenum/v1/site1/gw1/status/frame", GOOD, "topic"),
        ("plenum/v1/site1/gw1/batch", GOOD, "topic"),
        ("plenum/v1/site2/gw1/ahu1/frame", GOOD, "identity"),
        ("plenum/v1/site1/gw2/ahu1/frame", GOOD, "identity"),
        ("plenum/v1/site1/gw1/ahu2/frame", GOOD, "identity"),
        (TOPIC, GOOD + b"x" * FRAME_BYTES_MAX, "too_large"),
        (TOPIC, b"", "truncated"),
        ("plenum/v1/site1/gw1/status", GOOD, "malformed"),
        ("plenum/v1/site1/gw1/ahu1/layout", b'{"site": "site1"}', "malformed"),
        ("plenum/v1/site1/gw1/ahu1/alert", b"null", "malformed"),
    ],
)
def test_what_cannot_be_used_says_why(topic: str, payload: bytes, reason: str) -> None:
    found = refused(topic, payload)
    assert found.reason == reason
    assert found.seq == 0, "nobody is told that this arrived"


def test_only_a_frame_from_its_own_gateway_is_acknowledged_though_refused() -> None:
    message = frame_pb2.Frame.FromString(GOOD)
    message.schema = 9
    newer = pack(message)
    found = refused(TOPIC, newer)
    assert (found.reason, found.gateway, found.epoch, found.seq) == ("schema", "site1/gw1", 2**63 + 5, 9)
    assert refused("plenum/v1/site1/gw2/ahu1/frame", newer).seq == 0


def test_a_status_may_only_name_its_own_gateway() -> None:
    status = GatewayStatus(
        site="site1",
        gateway="gw1",
        state="online",
        sent_at_ms=0,
        started_at_ms=0,
        epoch=1,
        last_seq=0,
        backlog_frames=0,
    )
    found = examine("plenum/v1/site1/gw1/status", encode_json(status), ROOT)
    assert isinstance(found, Record)
    assert (found.topic, found.key) == (topics.GATEWAYS, b"site1/gw1")
    stranger = msgspec.structs.replace(status, gateway="gw2")
    assert refused("plenum/v1/site1/gw1/status", encode_json(stranger)).reason == "identity"


@given(
    topic=st.one_of(
        st.just(TOPIC),
        st.text(max_size=40),
        st.sampled_from(["layout", "alert"]).map(lambda name: f"plenum/v1/site1/gw1/ahu1/{name}"),
        st.just("plenum/v1/site1/gw1/status"),
    ),
    payload=st.one_of(
        st.binary(max_size=200),
        st.builds(
            lambda at, bit: GOOD[:at] + bytes([GOOD[at] ^ bit]) + GOOD[at + 1 :],
            st.integers(0, len(GOOD) - 1),
            st.integers(1, 255),
        ),
        st.integers(0, len(GOOD) - 1).map(lambda size: GOOD[:size]),
    ),
)
@settings(max_examples=300)
def test_damage_never_raises_and_never_passes(topic: str, payload: bytes) -> None:
    found = examine(topic, payload, ROOT)
    assert isinstance(found, Refused)
    assert found.reason
    assert found.error
    assert found.seq == 0
