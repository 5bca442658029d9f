"""The thread beside the polling loop: scores frames, numbers and stores them, and answers what the publisher asks.

    loop ──submit──▶ [ waiting ] ──▶ score ──▶ encode ──▶ one commit for all that came in 0.2 s ──▶ `stored` is set
    loop ──acknowledge──▶ [ acks ] ───────────────────────────▲

The disk may stall, be full or fail: frames then wait in memory, up to a limit, and the loop goes on polling. Only this
thread touches detector and outbox.
"""

from __future__ import annotations

import asyncio
import logging
import sqlite3
import time
from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar

from edge.detector import Detector, Verdict
from edge.framing import ClosedFrame, Unit
from edge.health import Health
from edge.outbox import Outbox, OutboxError
from edge.outbox_file import Loss, boottime_ms, is_damage, open_outbox, start_over
from edge.outbox_schema import Counts, Draft, StoredFrame, StoredLayout, StoredMessage
from edge.outgoing import draft, farewell, hollow_draft, layout_message
from edge.settings import EdgeSettings
from models.contracts.clock import wall_ms
from models.contracts.frame import FrameError
from models.contracts.messages import Ack, EdgeAlert, encode_json

LOG = logging.getLogger("edge")
T = TypeVar("T")

_WAITING_MAX = 4096  # frames in memory, about 12 MB; beyond that the oldest are given up, and recorded
_COMMIT_MAX = 512
_SAVE_SECONDS = 600.0  # between copies of the detector's state; each change of an episode is kept at once
_RETRY_SECONDS = 1.0
_STATE_KEY = "detector"


class OutboxReplaced(Exception):  # noqa: N818 - news, not an error of the caller
    """The store was damaged and has been replaced: everything that was known of seqs is void."""


@dataclass(slots=True)
class _Change:
    """What one commit will do; kept until it has."""

    given_up: list[Draft]
    drafts: list[Draft]
    alerts: list[EdgeAlert]
    acks: list[Ack]
    done: list[int]
    aside: list[int]
    units: list[Unit]
    state: bytes | None = None
    taken: bool = False  # by the thread

    @staticmethod
    def empty() -> _Change:
        return _Change([], [], [], [], [], [], [])

    def add(self, new: _Change) -> None:
        """Do this too."""
        new.taken = True
        self.given_up += new.given_up
        self.acks += new.acks
        self.done += new.done
        self.aside += new.aside
        self.units += new.units
        self.state = new.state or self.state

    def __bool__(self) -> bool:
        lists = (self.given_up, self.drafts, self.alerts, self.acks, self.done, self.aside, self.units)
        return any(lists) or self.state is not None


class Spool:
    """Detector and outbox on a thread of their own. `stored` is set whenever there may be something new to send."""

    def __init__(self, settings: EdgeSettings, detector: Detector | None, health: Health) -> None:
        self.stored = asyncio.Event()
        self._settings = settings
        self._detector = detector
        self._health = health
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="spool")
        self._work = asyncio.Event()
        self._room = asyncio.Event()
        self._room.set()
        self._waiting: deque[ClosedFrame] = deque()
        self._new = _Change.empty()
        self._held = _Change.empty()
        self._saved_at = time.monotonic()
        self._units: dict[str, Unit] = {}
        self._fresh: set[str] = set()
        self._known = (0, 0)  # epoch and last seq of a store that was found to be damaged
        self._damage = ""  # why the store must be replaced; empty: it need not
        self._store: Outbox | None = None

    @property
    def _path(self) -> Path:
        return Path(self._settings.outbox.path)

    @property
    def _outbox(self) -> Outbox:
        if self._store is None:
            raise OutboxError(f"outbox {self._path}: is not open; start the spool first")
        return self._store

    @property
    def model_version(self) -> str:
        """Version of the models that score here."""
        return self._detector.version if self._detector is not None else ""

    @property
    def epoch(self) -> int:
        """Epoch of the store."""
        return self._outbox.epoch

    @property
    def backlog(self) -> int:
        """Frames that the cloud does not have yet, those in memory included."""
        return (self._store.backlog if self._store is not None else 0) + len(self._waiting)

    async def start(self) -> None:
        """Open the store.

        Raises:
            OutboxError: it cannot be used.
        """
        await self._on_thread(self._open)

    def _open(self) -> None:
        opened = open_outbox(self._path, self._settings.outbox.size_bytes_max, wall_ms())
        self._store = opened.outbox
        if opened.loss is not None:
            self._report(opened.loss)
        saved = self._outbox.state(_STATE_KEY)
        if self._detector is not None and saved is not None and not self._detector.restore(saved):
            LOG.warning("detector: the state on disk is of another release; it starts anew")

    def _report(self, loss: Loss) -> None:
        """Close the account of a lost store: with its last numbers, if it still told them."""
        LOG.error("%s; it was set aside and a new one begun", loss.cause)
        self._health.counts["stores_lost"] += 1
        if not loss.epoch:
            return
        with self._outbox.transaction():
            self._outbox.add_message("status", "", encode_json(farewell(self._settings, loss, wall_ms())))

    # From the loop: never blocks.

    def add_unit(self, unit: Unit) -> None:
        """Make a unit known; its layout is stored before its first frame."""
        self._units[unit.name] = unit
        self._new.units.append(unit)
        self._work.set()

    def submit(self, frame: ClosedFrame) -> None:
        """Take a closed frame."""
        self._waiting.append(frame)
        if len(self._waiting) > _WAITING_MAX:
            oldest = self._waiting.popleft()
            self._new.given_up.append(hollow_draft(oldest.unit.name, oldest.measured_at_ms))
        if len(self._waiting) > _COMMIT_MAX:
            self._room.clear()
        self._work.set()

    def acknowledge(self, ack: Ack) -> None:
        """The cloud has these frames."""
        self._new.acks.append(ack)
        self._work.set()

    def messages_done(self, ids: Iterable[int]) -> None:
        """The broker has these alerts."""
        self._new.done.extend(ids)
        self._work.set()

    def set_aside(self, seqs: Iterable[int]) -> None:
        """Nobody takes these frames."""
        self._new.aside.extend(seqs)
        self._work.set()

    async def room(self) -> None:
        """Wait until frames can be submitted without any being given up, in memory or on the disk."""
        await self._room.wait()
        # A file can wait: it is held back at half of the quota, 4 KB a frame, so that none of it drives out another.
        most = self._settings.outbox.size_bytes_max // 4096 // 2
        while self._outbox.backlog > most:  # noqa: ASYNC110 - the backlog shrinks on another thread
            await asyncio.sleep(0.05)

    async def run(self) -> None:
        """Commit whatever comes, several frames at a time, until cancelled."""
        while True:
            await self._work.wait()
            await asyncio.sleep(self._settings.outbox.commit_seconds)
            await self.flush()

    async def flush(self) -> bool:
        """Commit everything that has come so far; False, with a complaint, when the disk does not take it now."""
        while True:
            self._work.clear()
            new, self._new = self._new, _Change.empty()
            try:
                self._fresh |= await self._on_thread(partial(self._commit, new))
            except OutboxReplaced:
                continue
            except (sqlite3.Error, OSError, OutboxError) as error:
                if not new.taken:  # not even begun
                    new.add(self._new)
                    self._new = new
                self._health.counts["errors"] += 1
                self._health.complain(
                    "outbox", f"outbox {self._path}: frames wait in memory: {error}; check free space and the disk"
                )
                asyncio.get_running_loop().call_later(_RETRY_SECONDS, self._work.set)
                return False
            finally:
                self.stored.set()
            if len(self._waiting) <= _COMMIT_MAX:
                self._room.set()
            if not self._waiting:
                return True

    async def save(self) -> None:
        """Keep the detector's state; before the end."""
        if self._detector is not None:
            self._new.state = await self._on_thread(self._detector.save)
            await self.flush()

    # For the publisher.

    async def frames(self, first: int, last: int, limit: int) -> list[StoredFrame]:
        """As `Outbox.frames`."""
        return await self._ask(lambda outbox: outbox.frames(first, last, limit))

    async def frames_at(self, seqs: Iterable[int]) -> list[StoredFrame]:
        """Those of these frames that are still there."""
        return await self._ask(lambda outbox: [frame for seq in seqs for frame in outbox.frames(seq, seq, 1)])

    async def messages(self, after: int, limit: int) -> list[StoredMessage]:
        """As `Outbox.messages`."""
        return await self._ask(lambda outbox: outbox.messages(after, limit))

    async def layouts(self, only: set[str] | None = None) -> list[StoredLayout]:
        """Layouts that are needed now: of these units, or of all that exist or have frames waiting."""
        if only is not None:
            return await self._ask(lambda outbox: outbox.layouts(only, only=True))
        return await self._ask(lambda outbox: outbox.layouts(self._units))

    def fresh_layouts(self) -> set[str]:
        """Units whose layout was stored since this was last asked."""
        fresh, self._fresh = self._fresh, set()
        return fresh

    async def demote(self) -> int:
        """Let what waited too long be a backlog; the first live seq."""
        limit_ms = round(self._settings.outbox.live_backlog_seconds_max * 1000)
        return await self._ask(lambda outbox: outbox.demote(boottime_ms() - limit_ms))

    async def counts(self) -> Counts:
        """As `Outbox.counts`."""
        return await self._ask(lambda outbox: outbox.counts())

    async def close(self) -> None:
        """Let go of store and thread."""
        store, self._store = self._store, None
        if store is not None:
            await self._on_thread(store.close)
        self._thread.shutdown(wait=True)

    async def _ask(self, question: Callable[[Outbox], T]) -> T:
        return await self._on_thread(lambda: question(self._outbox))

    async def _on_thread(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._guarded, work)

    def _guarded(self, work: Callable[[], T]) -> T:
        """Run on the thread; a damaged store is replaced then and there."""
        if self._damage:
            self._replace()
        try:
            return work()
        except sqlite3.Error as error:
            if not is_damage(error):
                raise
            self._damage = f"outbox {self._path}: {error}"
            self._known = (self._outbox.epoch, self._outbox.last_seq)
            self._outbox.close()
            self._replace()
            raise OutboxReplaced from error

    def _replace(self) -> None:
        """Begin a new store; what was to be done to the old one is void, what was to be kept is not."""
        opened = start_over(self._path, self._settings.outbox.size_bytes_max, wall_ms(), self._damage)
        self._store, self._damage = opened.outbox, ""
        # What was in memory is sure; the file may tell anything by now. The ledger takes off what did arrive.
        epoch, last_seq = self._known
        loss = Loss(opened.loss.cause if opened.loss else "", epoch, 1, last_seq)
        self._held.units = list(self._units.values())
        self._held.acks.clear()
        self._held.done.clear()
        self._held.aside.clear()
        self._report(loss)

    def _commit(self, new: _Change) -> set[str]:
        """On the thread: score what waits, and put everything on the disk at once; units with a new layout."""
        held = self._held
        held.add(new)
        self._score()
        if not held:
            return set()
        try:
            seqs, acknowledged, aside = self._write(held)
        except FrameError:
            self._weed(held)
            seqs, acknowledged, aside = self._write(held)
        counts = self._health.counts
        counts["frames_stored"] += len(seqs)
        counts["frames_given_up"] += len(held.given_up)
        counts["frames_acknowledged"] += acknowledged
        counts["frames_set_aside"] += aside
        counts["alerts"] += len(held.alerts)
        self._held = _Change.empty()
        return {unit.name for unit in held.units}

    def _score(self) -> None:
        """Turn waiting frames into drafts; what memory cannot hold any more is given up, the oldest first."""
        frames = [self._waiting.popleft() for _ in range(min(len(self._waiting), _COMMIT_MAX))]
        held = self._held
        if frames:
            verdicts = [Verdict(frame.values, None, ()) for frame in frames]
            if self._detector is not None:
                try:
                    verdicts, alerts = self._detector.judge(frames)
                    held.alerts += alerts
                except Exception:
                    # A gateway never stops measuring because of a model: these frames go out unscored.
                    LOG.exception("detector failed; %d frames go out without a score", len(frames))
                    self._health.counts["errors"] += 1
                else:
                    if alerts or time.monotonic() - self._saved_at > _SAVE_SECONDS:
                        held.state = self._detector.save()
                        self._saved_at = time.monotonic()
            now_ms = wall_ms()
            held.drafts += [
                draft(self._settings, frame, verdict, self.model_version, now_ms)
                for frame, verdict in zip(frames, verdicts, strict=True)
            ]
        surplus = len(held.drafts) - _WAITING_MAX
        if surplus > 0:
            held.given_up += held.drafts[:surplus]
            del held.drafts[:surplus]

    def _write(self, held: _Change) -> tuple[list[int], int, int]:
        """One transaction: the seqs given out, and how many frames were acknowledged and set aside."""
        outbox = self._outbox
        with outbox.transaction():
            for unit in held.units:
                outbox.set_layout(unit.name, encode_json(layout_message(self._settings, unit)))
            outbox.give_up(held.given_up)
            seqs = outbox.store(held.drafts, boottime_ms())
            for alert in held.alerts:
                outbox.add_message("alert", alert.unit, encode_json(alert))
            acknowledged = sum(outbox.acknowledge(ack.epoch, ack.ranges) for ack in held.acks)
            outbox.drop_messages(held.done)
            aside = outbox.set_aside(held.aside) if held.aside else 0
            if held.state is not None:
                outbox.save_state(_STATE_KEY, held.state)
        return seqs, acknowledged, aside

    def _weed(self, held: _Change) -> None:
        """Give up frames that cannot be encoded, so that they do not keep the others from the disk."""
        good: list[Draft] = []
        for one in held.drafts:
            try:
                one.encode(1, 1, 0)
            except FrameError as error:
                self._health.complain(f"encode:{one.unit}", f"unit {one.unit}: a frame cannot be sent: {error}")
                held.given_up.append(one)
            else:
                good.append(one)
        held.drafts[:] = good
