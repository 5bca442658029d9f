"""The plant answers Modbus TCP: one server a gateway, many controllers behind each, read-only.

The registers of all controllers of a fleet change together, once a step, so that one request never sees half of a step.
A controller can be told to lie, as real ones do:

    stall      takes the request and never answers
    exception  answers every request with a device failure
    disappear  its gateway answers that the device does not respond
    freeze     answers, but with the values of that moment for ever
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple, cast, get_args

import numpy as np
import numpy.typing as npt
from pymodbus.constants import ExcCodes
from pymodbus.exceptions import NoSuchIdException
from pymodbus.server import ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

from simulators.hvac.registers import Kind, Profile, Register, encode_all

Lie = Literal["stall", "exception", "disappear", "freeze"]
LIES: tuple[Lie, ...] = get_args(Lie)
# Function codes of reads, and the kind of register that each reads. Everything else is refused.
_READS: dict[int, Kind] = {1: "coil", 2: "discrete", 3: "holding", 4: "input"}
_EMPTY_BITS = SimData(0, values=[False] * 16, datatype=DataType.BITS)
_EMPTY_REGISTER = SimData(0, datatype=DataType.INVALID)
# pymodbus asks device 0 for every id that it does not know.
_ANY_OTHER = 0


class EmitError(OSError):
    """The plant cannot answer at its address."""


class UnitAddress(NamedTuple):
    """Where a unit answers."""

    host: str
    port: int
    device_id: int
    profile: str


class Controller:
    """One simulated controller: its registers, and how it answers."""

    def __init__(self, profile: Profile, values: npt.NDArray[np.float32]) -> None:
        self.profile = profile
        self.lie: Lie | None = None
        self._image = encode_all(profile, values)

    def update(self, values: npt.NDArray[np.float32]) -> None:
        """Take new values, shape (24,) in the order of AHU_POINTS."""
        if self.lie != "freeze":
            self._image = encode_all(self.profile, values)

    def device(self, device_id: int) -> SimDevice:
        """This controller for pymodbus."""
        coils, discrete, holding, inputs = (
            _blocks(self.profile, kind) for kind in ("coil", "discrete", "holding", "input")
        )
        return SimDevice(
            device_id,
            simdata=(
                coils or [_EMPTY_BITS],
                discrete or [_EMPTY_BITS],
                holding or [_EMPTY_REGISTER],
                inputs or [_EMPTY_REGISTER],
            ),
            action=self._answer,
        )

    async def _answer(
        self,
        function_code: int,
        start_address: int,
        _address: int,
        _count: int,
        current_registers: list[int],
        set_values: list[int] | list[bool] | None,
    ) -> ExcCodes | None:
        """Fill in the registers of now, or refuse; pymodbus calls this before each answer."""
        if self.lie == "stall":
            # With `ignore_missing_devices` this is how pymodbus is told to send no answer at all.
            raise NoSuchIdException
        if self.lie == "exception":
            return ExcCodes.DEVICE_FAILURE
        if self.lie == "disappear":
            return ExcCodes.GATEWAY_NO_RESPONSE
        kind = _READS.get(function_code)
        if kind is None or set_values is not None:
            return ExcCodes.ILLEGAL_FUNCTION
        bits = kind in ("coil", "discrete")
        for at, word in self._image[kind].items():
            if bits:
                place, mask = at // 16 - start_address, 1 << at % 16
                current_registers[place] = current_registers[place] & ~mask | (mask if word else 0)
            else:
                current_registers[at - start_address] = word
        return None


class Gateway:
    """One Modbus TCP server and its controllers, device ids from 1 on."""

    def __init__(self, host: str, port: int, profile: Profile, units: Sequence[str]) -> None:
        self.host, self.port = host, port
        self.profile = profile
        nothing = np.full(len(profile.registers), np.nan, dtype=np.float32)
        self.controllers = {unit: Controller(profile, nothing) for unit in units}
        self._server: ModbusTcpServer | None = None

    async def start(self) -> None:
        """Listen; port 0 takes a free one, which `port` then tells and every later start keeps.

        Raises:
            EmitError: the address is taken or not ours.
        """
        devices = [controller.device(number) for number, controller in enumerate(self.controllers.values(), 1)]
        devices.append(SimDevice(_ANY_OTHER, simdata=[_words(0, 65_535)], action=_nobody))
        server = ModbusTcpServer(devices, address=(self.host, self.port), ignore_missing_devices=True)
        try:
            listening = await server.listen()
        except OSError:
            listening = False
        if not listening:
            raise EmitError(f"modbus server {self.host}:{self.port}: cannot listen; the port is taken or not ours")
        self._server = server
        self.port = cast("asyncio.Server", server.transport).sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Close the port and every connection, as a gateway that loses power."""
        if self._server is not None:
            await self._server.shutdown()  # type: ignore[no-untyped-call]
            self._server = None

    def addresses(self) -> dict[str, UnitAddress]:
        """Where each unit answers."""
        return {
            unit: UnitAddress(self.host, self.port, number, self.profile.name)
            for number, unit in enumerate(self.controllers, 1)
        }


class Emitter:
    """All gateways of a fleet; the fleet's units in the order of the gateways and of the units in each."""

    def __init__(self, gateways: Sequence[Gateway]) -> None:
        self.gateways = tuple(gateways)
        self._controllers: Mapping[str, Controller] = {
            unit: controller for gateway in gateways for unit, controller in gateway.controllers.items()
        }
        self.units = tuple(self._controllers)

    async def start(self) -> None:
        """Start every gateway.

        Raises:
            EmitError: one cannot listen; those that could are closed again.
        """
        try:
            for gateway in self.gateways:
                await gateway.start()
        except EmitError:
            await self.stop()
            raise

    async def stop(self) -> None:
        """Stop every gateway."""
        for gateway in self.gateways:
            await gateway.stop()

    def update(self, values: npt.NDArray[np.float32]) -> None:
        """Put the readings of one instant into the registers: shape (U, 24) as from `Fleet.points`."""
        for row, controller in zip(values, self._controllers.values(), strict=True):
            controller.update(row)

    def lie(self, unit: str, how: Lie | None) -> None:
        """Make one controller lie from now on; None makes it honest again."""
        self._controllers[unit].lie = how


def _blocks(profile: Profile, kind: Kind) -> list[SimData]:
    """The registers of one kind as pymodbus takes them, with reserved ones in narrow gaps."""
    rows = sorted((row for row in profile.registers if row.kind == kind), key=_address)
    if kind in ("coil", "discrete"):
        return [SimData(row.address, values=[False], datatype=DataType.BITS) for row in rows]
    blocks: list[SimData] = []
    following = None
    for row in rows:
        if following is not None and 0 < row.address - following <= profile.reserved_max:
            blocks.append(_words(following, row.address - following))
        blocks.append(_words(row.address, row.words))
        following = row.address + row.words
    return blocks


def _words(address: int, count: int) -> SimData:
    return SimData(address, count=count, values=0, datatype=DataType.REGISTERS)


def _address(row: Register) -> int:
    return row.address


async def _nobody(*_request: object) -> ExcCodes | None:
    """What a gateway says of a device id at which nothing is connected."""
    return ExcCodes.GATEWAY_NO_RESPONSE
