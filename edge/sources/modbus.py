"""Modbus TCP: one connection, its units polled in turn on a grid of time. A dead unit costs the others one timeout at most.

slot 0          slot 1          slot 2
|u1 u2 u3       |u1 u2 u3       |u1 u2 .timeout.      u3 did not answer: it waits (with growing, random pauses),
                                                      its samples are missing, and it is tried again last and alone
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from pymodbus.client import AsyncModbusTcpClient
from pymodbus.exceptions import ModbusException
from pymodbus.pdu import ExceptionResponse, ModbusPDU

from edge.framing import Unit
from edge.health import Health
from edge.readings import Named, Reader, Readings, layout_of, number_text
from edge.settings import ModbusDevice, ReadingSettings, UnitSettings
from edge.sources import Sink
from edge.sources.registers import Block, Decoder, plan, split
from models.contracts.clock import PlantClock
from models.contracts.frame import Quality

_BACKOFF_SECONDS_MAX = 60.0
_REFUSED_SECONDS = 300.0
_ILLEGAL = (1, 2, 3)  # function, address, value: asking again the same way will not help
_TARGET_SILENT = (10, 11)  # a gateway says that the device behind it does not answer


class _Silent(Exception):  # noqa: N818 - not an error to anybody outside this file
    """No answer: the unit, or the connection, is to be left alone for a while."""


@dataclass(slots=True)
class _Backoff:
    """When to try again: the pause doubles, up to a minute, and half of it is by chance."""

    first_seconds: float
    failures: int = 0
    retry_at: float = 0.0

    def failed(self, now: float) -> None:
        pause = min(self.first_seconds * 2**self.failures, _BACKOFF_SECONDS_MAX)
        self.failures = min(self.failures + 1, 16)
        self.retry_at = now + pause * random.uniform(0.5, 1.0)

    def worked(self) -> None:
        self.failures = 0
        self.retry_at = 0.0


@dataclass(slots=True)
class _Polled:
    """One unit of the connection."""

    unit: Unit
    settings: UnitSettings
    reader: Reader
    blocks: tuple[Block, ...]
    decoder: Decoder
    backoff: _Backoff
    refused: dict[Block, float] = field(default_factory=dict)  # not asked for before this time


class ModbusSource:
    """One Modbus TCP connection and the units behind it."""

    def __init__(
        self,
        device: ModbusDevice,
        first_row: int,
        interval_ms: int,
        readings: ReadingSettings,
        clock: PlantClock,
        health: Health,
    ) -> None:
        # Its messages name no device; ours do.
        logging.getLogger("pymodbus").setLevel(logging.CRITICAL)
        self.name = device.name
        self._device = device
        self._clock = clock
        self._health = health
        self._interval_ms = interval_ms
        self._where = f"modbus {device.host}:{device.port}"
        self._client: AsyncModbusTcpClient | None = None
        pause = max(device.timeout_seconds, clock.wall_seconds(interval_ms / 1000))
        self._connection = _Backoff(pause)
        # An answer within the interval is always in time; at a plant that runs fast, seconds are short.
        stale = max(readings.stale_seconds, interval_ms / 1000) if readings.stale_seconds else 0.0
        named = [Named(point.point, point.unit) for point in device.points]
        self._polled: list[_Polled] = []
        for place, settings in enumerate(device.units):
            blocks = plan(device.points, device.gap_registers_max, settings.address_offset)
            unit = Unit(
                row=first_row + place,
                name=settings.unit,
                layout=layout_of(settings.equipment, named),
                interval_ms=interval_ms,
                title=settings.title,
                location=settings.location,
            )
            self._polled.append(
                _Polled(
                    unit=unit,
                    settings=settings,
                    reader=Reader(named, readings.stuck_seconds, stale),
                    blocks=blocks,
                    decoder=Decoder(device.points, blocks, settings.address_offset),
                    backoff=_Backoff(pause),
                )
            )

    @property
    def units(self) -> tuple[Unit, ...]:
        """The units behind this connection."""
        return tuple(polled.unit for polled in self._polled)

    async def run(self, sink: Sink) -> None:
        """Poll on the grid of the interval until cancelled."""
        for unit in self.units:
            sink.add_unit(unit)
        interval = self._interval_ms
        slot = (self._clock.now_ms() // interval + 1) * interval
        try:
            while True:
                await asyncio.sleep(max(0.0, self._clock.wall_seconds((slot - self._clock.now_ms()) / 1000)))
                await self.poll(sink, slot)
                task = asyncio.current_task()
                if task is not None and task.cancelling():
                    # wait_for of Python 3.11, which pymodbus uses, swallows a cancellation that meets an answer.
                    raise asyncio.CancelledError
                # A slot that has begun meanwhile is read at once, late; those that are over are lost.
                following = max(slot + interval, self._clock.now_ms() // interval * interval)
                if self._clock.now_ms() > slot + interval:
                    self._health.counts["polls_late"] += 1
                slot = following
        finally:
            self.close()

    def close(self) -> None:
        """Let go of the connection."""
        if self._client is not None:
            self._client.close()
            self._client = None

    async def poll(self, sink: Sink, slot_at_ms: int) -> None:
        """One sample of every unit, missing where it does not answer."""
        client = await self._connected()
        now = time.monotonic()
        # Those that answered last time come first; of the others one is tried at a time, so that they cost one timeout.
        steady = [polled for polled in self._polled if not polled.backoff.failures]
        due = [polled for polled in self._polled if polled.backoff.failures and now >= polled.backoff.retry_at]
        read: set[int] = set()
        for polled in [*steady, *due[:1]]:
            if client is None or not client.connected:
                break
            readings = await self._read(client, polled, slot_at_ms)
            if readings is not None:
                read.add(polled.unit.row)
                sink.take(polled.unit, slot_at_ms, readings, self._clock.now_ms() - slot_at_ms)
        if client is not None and not client.connected:
            self._lost(f"{self._where}: the connection was closed, expected it to stay; connecting again")
        for polled in self._polled:
            if polled.unit.row not in read:
                sink.take(polled.unit, slot_at_ms, polled.reader.nothing(), 0)

    async def _connected(self) -> AsyncModbusTcpClient | None:
        """The connection, made if it is time to try; None where there is none."""
        if self._client is not None and self._client.connected:
            return self._client
        now = time.monotonic()
        if now < self._connection.retry_at:
            return None
        self.close()
        client = AsyncModbusTcpClient(
            self._device.host,
            port=self._device.port,
            name=self.name,
            timeout=self._device.timeout_seconds,
            retries=0,
            reconnect_delay=0,
        )
        try:
            async with asyncio.timeout(self._device.timeout_seconds + 0.5):
                connected = await client.connect()
        except (OSError, TimeoutError, ModbusException):
            connected = False
        if not connected:
            client.close()
            self._lost(
                f"{self._where}: no connection within {self._device.timeout_seconds:g} s, expected a Modbus device there;"
                " check host, port and network"
            )
            return None
        self._client = client
        self._connection.worked()
        self._health.device_answers(self.name)
        return client

    def _lost(self, why: str) -> None:
        self.close()
        self._connection.failed(time.monotonic())
        self._health.device_failed(self.name, why)

    async def _read(self, client: AsyncModbusTcpClient, polled: _Polled, slot_at_ms: int) -> Readings | None:
        """One sample of one unit; None when nothing of it answered."""
        decoder = polled.decoder
        words = np.zeros(decoder.words, dtype=np.uint16)
        answered = np.zeros(len(polled.blocks), dtype=bool)
        start, why = 0, ""
        for number, block in enumerate(polled.blocks):
            if time.monotonic() >= polled.refused.get(block, 0):
                try:
                    found = await self._read_block(client, polled, block)
                except _Silent as silence:
                    why = str(silence)
                    break
                if found is not None:
                    words[start : start + block.length] = found
                    answered[number] = True
            start += block.length
        name = f"{self.name}/{polled.unit.name}"
        split_up = self._split_refused(polled)
        if not why and not answered.any() and not split_up:
            why = f"{self._where} unit {polled.settings.device_id}: it answers, but gives no value; see the messages above"
        if why:
            polled.backoff.failed(time.monotonic())
            self._health.device_failed(name, why)
        elif answered.any():
            polled.backoff.worked()
            self._health.device_answers(name)
        if not answered.any():
            return None
        readings = polled.reader.judge(decoder.decode(words, answered), slot_at_ms, self._clock.now_ms() - slot_at_ms)
        if (readings.quality == Quality.OUT_OF_RANGE).any():
            self._complain_of_range(polled, readings)
        return readings

    async def _read_block(self, client: AsyncModbusTcpClient, polled: _Polled, block: Block) -> Sequence[int] | None:
        """The words (or bits) of a block; None when the device refused it or answered nonsense.

        Raises:
            _Silent: it did not answer.
        """
        where = f"{self._where} unit {polled.settings.device_id}"
        try:
            async with asyncio.timeout(self._device.timeout_seconds + 0.5):
                answer = await _request(client, block, polled.settings.device_id)
        except (ModbusException, OSError, TimeoutError, ValueError, IndexError) as error:
            raise _Silent(
                f"{where}: no answer within {self._device.timeout_seconds:g} s, expected one; check device_id and wiring"
            ) from error
        asked = f"{block.kind} {block.address} to {block.address + block.length - 1}"
        if isinstance(answer, ExceptionResponse):
            code = answer.exception_code
            if code in _TARGET_SILENT:
                raise _Silent(f"{where}: its gateway says that it does not answer (exception {code}); check device_id")
            if code in _ILLEGAL:
                polled.refused[block] = time.monotonic() + _REFUSED_SECONDS * random.uniform(0.5, 1.0)
            if len(block.points) == 1 or code not in _ILLEGAL:
                self._health.complain(
                    f"{where}:{asked}:{code}",
                    f"{where}: {asked} was refused with exception {code}, expected values; check register and kind in"
                    " [[points]]",
                )
            return None
        bits = block.kind in ("coil", "discrete")
        found: Sequence[int] = answer.bits if bits else answer.registers
        # Bits come in whole bytes; words must be exactly those that were asked for.
        if len(found) < block.length or (not bits and len(found) != block.length):
            self._health.complain(
                f"{where}:{asked}:length",
                f"{where}: {asked} gave {len(found)} values, expected {block.length}; the device answers wrongly",
            )
            return None
        return found[: block.length]

    def _split_refused(self, polled: _Polled) -> bool:
        """Ask for what a device refused in smaller blocks next time, so that one bad address costs only its own point."""
        if not any(len(block.points) > 1 for block in polled.refused):
            return False
        blocks: list[Block] = []
        for block in polled.blocks:
            if block in polled.refused and len(block.points) > 1:
                blocks += split(block, self._device.points, polled.settings.address_offset)
                del polled.refused[block]
            else:
                blocks.append(block)
        polled.blocks = tuple(blocks)
        polled.decoder = Decoder(self._device.points, blocks, polled.settings.address_offset)
        return True

    def _complain_of_range(self, polled: _Polled, readings: Readings) -> None:
        for index in np.flatnonzero(readings.quality == Quality.OUT_OF_RANGE):
            point = self._device.points[index]
            unit = polled.unit.layout.channels[index].unit
            kind, address = point.place
            at = f"register {point.register}" if point.register is not None else f"{kind} {address}"
            low, high = number_text(polled.reader.low[index]), number_text(polled.reader.high[index])
            self._health.complain(
                f"{polled.unit.name}:{point.point}:range",
                f"{self._where} unit {polled.settings.device_id}: {at} gave {number_text(float(readings.values[index]))}"
                f" {unit}, expected {low} to {high} ({point.point}); check scale in [[points]]",
            )


async def _request(client: AsyncModbusTcpClient, block: Block, device_id: int) -> ModbusPDU:
    """Ask for one block."""
    if block.kind == "holding":
        return await client.read_holding_registers(block.address, count=block.length, device_id=device_id)
    if block.kind == "input":
        return await client.read_input_registers(block.address, count=block.length, device_id=device_id)
    if block.kind == "coil":
        return await client.read_coils(block.address, count=block.length, device_id=device_id)
    return await client.read_discrete_inputs(block.address, count=block.length, device_id=device_id)
