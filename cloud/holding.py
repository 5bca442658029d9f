"""What the bridge has in hand: frames that wait for their layout, and the order of its receipts. Pure: no clock, no I/O."""

from __future__ import annotations

from collections import OrderedDict, deque
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")


class Holding(Generic[T]):
    """Items held by the layout that they need, in the order in which they came."""

    def __init__(self, items_max: int, seconds_max: float) -> None:
        self._items_max = items_max
        self._seconds_max = seconds_max
        # By layout: when each item came, and the item. Layouts in the order of their oldest item.
        self._held: OrderedDict[int, list[tuple[float, T]]] = OrderedDict()
        self.count = 0

    def hold(self, layout_id: int, item: T, now: float) -> bool:
        """Keep an item until its layout is known; False when there is no room.

        Args:
            now: Monotonic seconds.
        """
        if self.count >= self._items_max:
            return False
        self._held.setdefault(layout_id, []).append((now, item))
        self.count += 1
        return True

    def release(self, layout_id: int) -> list[T]:
        """Everything that waited for this layout, which is known now."""
        released = [item for _, item in self._held.pop(layout_id, ())]
        self.count -= len(released)
        return released

    def expired(self, now: float) -> list[T]:
        """Everything that waited too long; it is not held any more."""
        gone: list[T] = []
        for layout_id, items in list(self._held.items()):
            fresh = [entry for entry in items if now - entry[0] < self._seconds_max]
            if len(fresh) == len(items):
                continue
            gone += [item for at, item in items if now - at >= self._seconds_max]
            if fresh:
                self._held[layout_id] = fresh
            else:
                del self._held[layout_id]
        self.count -= len(gone)
        return gone


@dataclass(slots=True, eq=False)
class Receipt:
    """A message of QoS 1 that the broker waits to hear of."""

    mid: int
    done: bool = False


class Receipts:
    """PUBACKs in the order in which the messages came, as MQTT demands (4.6); rumqttd hangs up otherwise."""

    def __init__(self) -> None:
        self._open: deque[Receipt] = deque()

    def arrived(self, mid: int) -> Receipt:
        """A message came; its receipt is sent once it and all before it are `done`."""
        receipt = Receipt(mid)
        self._open.append(receipt)
        return receipt

    def ready(self) -> list[int]:
        """Message ids to acknowledge now, in order."""
        mids = []
        while self._open and self._open[0].done:
            mids.append(self._open.popleft().mid)
        return mids

    def forget(self) -> None:
        """The connection is gone: the broker sends again what it did not hear of, under numbers of its own."""
        self._open.clear()
