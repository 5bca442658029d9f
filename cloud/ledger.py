"""The loss ledger: for each gateway and epoch, which frames arrived, twice, late, or not at all. Pure: no clock, no I/O.

Every frame that a gateway ever numbered is in exactly one place:

    1 ........................................ last_seq of the newest status
    | received | reported as a gap | backlog (on the gateway) | missing |

`missing` never counts a frame that may still be on its way: it is measured at the newest status that the gateway sent while
it was online, and the backlog that this status names is given the benefit of the doubt. So it is exact whenever the backlog
is 0, and a lower bound otherwise. A last will repeats the numbers of an earlier time; only its state is taken.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from cloud.ranges import SeqSet
from models.contracts.messages import GatewayStatus

GatewayState = Literal["online", "offline", "unknown", "replaced"]


class FrameId(NamedTuple):
    """What identifies a frame everywhere. `gateway` is `site/gateway`."""

    gateway: str
    epoch: int
    seq: int


class StoredFrame(NamedTuple):
    """A frame that the history has, whether it came now or (`duplicate`) before."""

    gateway: str
    epoch: int
    seq: int
    historical: bool
    duplicate: bool


class EpochRecord(NamedTuple):
    """What the history knows of one epoch, to start the ledger from."""

    gateway: str
    epoch: int
    received: tuple[tuple[int, int], ...]
    gaps: tuple[tuple[int, int], ...] = ()
    duplicate: int = 0
    late: int = 0
    last_seen_at_ms: int = 0


class LedgerRow(NamedTuple):
    """The account of one gateway's epoch, in frames. `state` is `replaced` once the gateway began a newer epoch."""

    gateway: str  # site/gateway
    epoch: int
    received: int  # distinct frames
    duplicate: int  # arrived again, and recognised
    double_counted: int  # stored more than once: 0, or a fault of ours
    missing: int
    reported_lost: int  # given up by the gateway, with a reason
    late: int  # came from a backlog
    backlog: int
    last_seq: int
    state: GatewayState
    last_seen_at_ms: int


@dataclass(slots=True)
class _Account:
    """Everything known of one epoch of one gateway."""

    received: SeqSet = field(default_factory=SeqSet)
    gaps: SeqSet = field(default_factory=SeqSet)
    duplicate: int = 0
    double_counted: int = 0
    late: int = 0
    online: GatewayStatus | None = None  # newest status that was sent while online
    last_seen_at_ms: int = 0


class Ledger:
    """Frames and statuses go in, in any order and any number of times; `rows` is the account."""

    def __init__(self) -> None:
        self._accounts: dict[tuple[str, int], _Account] = {}
        self._state: dict[str, GatewayState] = {}
        self._newest_epoch: dict[str, tuple[int, int]] = {}  # gateway -> (sent_at_ms, epoch) of the newest status

    def load(self, records: Iterable[EpochRecord]) -> None:
        """Begin with what the history has stored."""
        for record in records:
            account = self._account(record.gateway, record.epoch)
            for first, last in record.received:
                account.received.add_range(first, last)
            for first, last in record.gaps:
                account.gaps.add_range(first, last)
            account.duplicate += record.duplicate
            account.late += record.late
            account.last_seen_at_ms = max(account.last_seen_at_ms, record.last_seen_at_ms)

    def arrived(self, frames: Iterable[StoredFrame], at_ms: int) -> None:
        """Frames that the history has committed.

        Args:
            at_ms: When they came in, wall time.
        """
        for gateway, epoch, seq, historical, _ in frames:
            account = self._account(gateway, epoch)
            if account.received.add(seq):
                account.late += historical
            else:
                account.duplicate += 1
            account.last_seen_at_ms = max(account.last_seen_at_ms, at_ms)

    def told(self, status: GatewayStatus, at_ms: int) -> None:
        """A birth, heartbeat or last will. Statuses of one gateway come in the order in which it sent them."""
        gateway = f"{status.site}/{status.gateway}"
        account = self._account(gateway, status.epoch)
        account.last_seen_at_ms = max(account.last_seen_at_ms, at_ms)
        for gap in status.gaps:
            account.gaps.add_range(gap.first, gap.last)
        self._state[gateway] = status.state
        sent = (status.sent_at_ms, status.epoch)
        if sent >= self._newest_epoch.get(gateway, (-1, 0)):
            self._newest_epoch[gateway] = sent
        if status.state == "online" and (account.online is None or status.sent_at_ms >= account.online.sent_at_ms):
            account.online = status

    def audited(self, double_counted: dict[tuple[str, int], int]) -> None:
        """What the history found when it counted its own rows: frames stored more than once, by gateway and epoch."""
        for account in self._accounts.values():
            account.double_counted = 0
        for (gateway, epoch), count in double_counted.items():
            self._account(gateway, epoch).double_counted = count

    def rows(self) -> list[LedgerRow]:
        """The account, in the order of gateway and epoch."""
        return [self._row(gateway, epoch, account) for (gateway, epoch), account in sorted(self._accounts.items())]

    def _account(self, gateway: str, epoch: int) -> _Account:
        return self._accounts.setdefault((gateway, epoch), _Account())

    def _row(self, gateway: str, epoch: int, account: _Account) -> LedgerRow:
        state = self._state.get(gateway, "unknown")
        if self._newest_epoch.get(gateway, (0, epoch))[1] != epoch:
            state = "replaced"
        status = account.online
        told = status.last_seq if status is not None else 0
        backlog = status.backlog_frames if status is not None else 0
        if state == "replaced":
            # Nobody will send the rest of a store that the gateway no longer has.
            told, backlog = max(told, account.received.last), 0
        lost = sum(last - first + 1 - account.received.count_within(first, last) for first, last in account.gaps)
        lost_before = sum(
            min(last, told) - first + 1 - account.received.count_within(first, min(last, told))
            for first, last in account.gaps
            if first <= told
        )
        unaccounted = told - account.received.count_within(1, told) - lost_before
        return LedgerRow(
            gateway=gateway,
            epoch=epoch,
            received=account.received.count,
            duplicate=account.duplicate,
            double_counted=account.double_counted,
            missing=max(0, unaccounted - backlog),
            reported_lost=lost,
            late=account.late,
            backlog=backlog,
            last_seq=max(told, account.received.last),
            state=state,
            last_seen_at_ms=account.last_seen_at_ms,
        )
