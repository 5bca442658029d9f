"""What a receiver gets: a CloudEvent about an alert, signed as Standard Webhooks say.

The body is made once, with the change that it tells of, and stored; the signature is made for each try, since it covers
the time of sending.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec
from standardwebhooks import Webhook

from cloud.alerts.guard import check_url
from cloud.alerts.lifecycle import Act, Notice
from cloud.settings import WebhookSettings
from models.contracts.settings import SettingsError, secret

CONTENT_TYPE = "application/cloudevents+json"
TYPE_PREFIX = "io.plenum.alert."
_SECRET_BYTES_MIN = 24


class Endpoint(msgspec.Struct, frozen=True):
    """A receiver, ready to be sent to."""

    name: str
    url: str
    allow_private: bool
    signer: Webhook

    def __repr__(self) -> str:
        return f"Endpoint({self.name!r}, {self.url!r})"  # the signer holds the secret


def endpoints_from(webhooks: Sequence[WebhookSettings]) -> tuple[Endpoint, ...]:
    """The receivers that the settings name, their secrets read.

    Raises:
        SettingsError: a URL is not one, or a secret is missing, not base64 or shorter than 24 bytes.
    """
    endpoints = []
    for webhook in webhooks:
        try:
            url = check_url(webhook.url)
        except ValueError as error:
            raise SettingsError(f"{error} [webhooks.{webhook.name}]") from error
        text = secret(webhook.secret_file, f"webhook {webhook.name}")
        endpoints.append(Endpoint(webhook.name, url, webhook.allow_private, signer_for(text, webhook.name)))
    return tuple(endpoints)


def signer_for(text: str, name: str) -> Webhook:
    """A signer with the key of a `whsec_...` secret.

    Raises:
        SettingsError: it is not base64, or too short to be safe.
    """
    try:
        key = base64.b64decode(text.removeprefix("whsec_") + "==", validate=False)
    except ValueError as error:
        raise SettingsError(f"webhook {name}: the secret is not base64 [secret_file]; expected whsec_...") from error
    if len(key) < _SECRET_BYTES_MIN:
        raise SettingsError(
            f"webhook {name}: the secret has {len(key)} bytes, expected {_SECRET_BYTES_MIN} or more [secret_file]"
        )
    return Webhook(key)


def body_of(notice: Notice, public_url: str) -> bytes:
    """The CloudEvent of a notice, as JSON."""
    alert = notice.alert
    content = alert.content
    url = f"{public_url}/alerts/{alert.alert_id}" if public_url else None
    event = {
        "specversion": "1.0",
        "id": notice.id,
        "source": public_url or "/plenum",
        "type": TYPE_PREFIX + notice.kind,
        "subject": alert.unit_key,
        "time": rfc3339(_happened_at_ms(notice)),
        "datacontenttype": "application/json",
        "data": {
            "alert_id": alert.alert_id,
            "state": alert.state,
            "site": content.site,
            "unit": content.unit,
            "gateway": content.gateway,
            "equipment": content.equipment,
            "title": content.title,
            "severity": content.severity,
            "family": content.family,
            "rule": content.rule,
            "opened_at": rfc3339(alert.opened_at_ms),
            "cleared_at": None if alert.cleared_at_ms is None else rfc3339(alert.cleared_at_ms),
            "acknowledged": _act(alert.acknowledged),
            "cleared_by": _act(alert.cleared_by),
            "reasons": content.reasons,
            "checks": content.checks,
            "fault_probabilities": content.fault_probabilities,
            "risks": content.risks,
            "hours_to_failure": content.hours_to_failure,
            "hours_to_failure_low": content.hours_to_failure_low,
            "hours_to_failure_high": content.hours_to_failure_high,
            "waiting": content.waiting,
            "retrospective": content.retrospective,
            "model_version": content.model_version,
            "url": url,
        },
    }
    return msgspec.json.encode(event)


def _happened_at_ms(notice: Notice) -> int:
    alert = notice.alert
    if notice.kind == "opened":
        return alert.opened_at_ms
    if notice.kind == "acknowledged" and alert.acknowledged is not None:
        return alert.acknowledged.at_ms
    if notice.kind == "cleared":
        if alert.cleared_at_ms is not None:
            return alert.cleared_at_ms
        if alert.cleared_by is not None:
            return alert.cleared_by.at_ms
    return alert.measured_at_ms


def _act(act: Act | None) -> dict[str, Any] | None:
    return None if act is None else {"by": act.by, "at": rfc3339(act.at_ms), "note": act.note}


def headers_for(signer: Webhook, notice_id: str, body: bytes, now_ms: int) -> dict[str, str]:
    """Headers of one try: id, time and signature over both and the body."""
    at = datetime.fromtimestamp(now_ms // 1000, tz=UTC)
    return {
        "content-type": CONTENT_TYPE,
        "user-agent": "plenum-webhooks/1",
        "webhook-id": notice_id,
        "webhook-timestamp": str(now_ms // 1000),
        "webhook-signature": signer.sign(notice_id, at, body.decode()),
    }


def rfc3339(at_ms: int) -> str:
    """An instant as text, `2026-02-03T04:05:06.789Z`."""
    at = datetime.fromtimestamp(at_ms / 1000, tz=UTC)
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
