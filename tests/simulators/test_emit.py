"""The plant over real Modbus TCP: what a client reads, and how controllers lie."""

from __future__ import annotations

from collections.abc import AsyncIterator

import numpy as np
import numpy.typing as npt
import pytest
from pymodbus.client import AsyncModbusTcpClient
from pymodbus.constants import ExcCodes
from pymodbus.exceptions import ModbusException, ModbusIOException

from edge.settings import EdgeSettings, ModbusDevice
from edge.sources.registers import Decoder, plan
from models.contracts.points import AHU_POINTS, POINTS
from models.contracts.settings import parse
from models.contracts.units import conversion
from simulators.hvac.emit import EmitError, Emitter, Gateway
from simulators.hvac.registers import PROFILES, edge_points_toml, encode_all

HOST = "127.0.0.1"


def _values(units: int) -> npt.NDArray[np.float32]:
    """Plausible and different for every unit and point, shape (U, 24)."""
    return np.array([[(unit + 1) + column / 32 for column in range(len(AHU_POINTS))] for unit in range(units)]).astype(
        np.float32
    )


async def _client(gateway: Gateway) -> AsyncModbusTcpClient:
    client = AsyncModbusTcpClient(HOST, port=gateway.port, timeout=0.3, retries=0)
    assert await client.connect()
    return client


@pytest.fixture
async def plant() -> AsyncIterator[Emitter]:
    emitter = Emitter([Gateway(HOST, 0, profile, [f"{name}-1", f"{name}-2"]) for name, profile in PROFILES.items()])
    await emitter.start()
    emitter.update(_values(6))
    yield emitter
    await emitter.stop()


@pytest.mark.parametrize("place", range(len(PROFILES)), ids=PROFILES)
async def test_every_register_of_every_unit_is_answered(plant: Emitter, place: int) -> None:
    gateway = plant.gateways[place]
    client = await _client(gateway)
    values = _values(6)
    for unit in (0, 1):
        image = encode_all(gateway.profile, values[2 * place + unit])
        for row in gateway.profile.registers:
            wanted = [image[row.kind][row.address + word] for word in range(row.words)]
            if row.kind == "holding":
                found = (
                    await client.read_holding_registers(row.address, count=row.words, device_id=unit + 1)
                ).registers
            elif row.kind == "input":
                found = (await client.read_input_registers(row.address, count=row.words, device_id=unit + 1)).registers
            elif row.kind == "coil":
                found = [int((await client.read_coils(row.address, count=1, device_id=unit + 1)).bits[0])]
            else:
                found = [int((await client.read_discrete_inputs(row.address, count=1, device_id=unit + 1)).bits[0])]
            assert found == wanted, row
    client.close()


@pytest.mark.parametrize("place", range(len(PROFILES)), ids=PROFILES)
async def test_an_agent_reads_a_unit_in_the_blocks_of_its_own_settings(plant: Emitter, place: int) -> None:
    gateway = plant.gateways[place]
    text = f"""
site = "s"
gateway = "g"
[[devices]]
kind = "modbus"
name = "plant"
host = "{HOST}"
port = {gateway.port}
gap_registers_max = {gateway.profile.reserved_max}
units = [{{unit = "ahu-01", device_id = 1}}, {{unit = "ahu-02", device_id = 2}}]

{edge_points_toml(gateway.profile)}
"""
    (device,) = parse(text, EdgeSettings).devices
    assert isinstance(device, ModbusDevice)
    blocks = plan(device.points, device.gap_registers_max)
    assert len(blocks) <= 6
    client = await _client(gateway)
    words: list[int] = []
    for block in blocks:
        if block.kind in ("coil", "discrete"):
            read_bits = client.read_coils if block.kind == "coil" else client.read_discrete_inputs
            bits = (await read_bits(block.address, count=block.length, device_id=2)).bits
            words += [int(bit) for bit in bits[: block.length]]
        else:
            read = client.read_holding_registers if block.kind == "holding" else client.read_input_registers
            words += (await read(block.address, count=block.length, device_id=2)).registers
    client.close()
    found = Decoder(device.points, blocks).decode(np.array(words, dtype=np.uint16), np.ones(len(blocks), dtype=bool))
    wanted = dict(zip(AHU_POINTS, _values(6)[2 * place + 1].tolist(), strict=True))
    for point, value in zip(device.points, found, strict=True):
        how = conversion(point.unit)
        if POINTS[point.point].unit != "state":
            step = abs(point.scale) * how.factor
            assert value * how.factor + how.offset == pytest.approx(wanted[point.point], abs=step, rel=1e-4)


async def test_registers_follow_the_plant_and_take_no_orders(plant: Emitter) -> None:
    client = await _client(plant.gateways[0])
    assert (await client.read_holding_registers(4, count=1, device_id=1)).registers == [11]
    plant.update(_values(6) * 10)
    assert (await client.read_holding_registers(4, count=1, device_id=1)).registers == [112]
    for refused in (
        await client.write_register(4, 999, device_id=1),
        await client.write_coil(0, True, device_id=1),
        await client.read_holding_registers(5000, count=1, device_id=1),
    ):
        assert refused.isError()
    assert (await client.read_holding_registers(4, count=1, device_id=1)).registers == [112]
    client.close()


async def test_narrow_gaps_read_as_zero_where_the_make_allows_it(plant: Emitter) -> None:
    metric, packaged = await _client(plant.gateways[0]), await _client(plant.gateways[2])
    assert (await metric.read_holding_registers(13, count=7, device_id=1)).registers == [0] * 7
    assert (await packaged.read_input_registers(235, count=5, device_id=1)).exception_code == ExcCodes.ILLEGAL_ADDRESS
    metric.close()
    packaged.close()


async def test_controllers_lie_alone_and_stop_lying(plant: Emitter) -> None:
    client = await _client(plant.gateways[0])
    unit = plant.units[0]
    plant.lie(unit, "stall")
    with pytest.raises(ModbusIOException):
        await client.read_holding_registers(4, count=1, device_id=1)
    client.close()
    client = await _client(plant.gateways[0])
    for how, code in (("exception", ExcCodes.DEVICE_FAILURE), ("disappear", ExcCodes.GATEWAY_NO_RESPONSE)):
        plant.lie(unit, how)  # type: ignore[arg-type]
        assert (await client.read_holding_registers(4, count=1, device_id=1)).exception_code == code
        assert (await client.read_holding_registers(4, count=1, device_id=2)).registers == [21]
    plant.lie(unit, "freeze")
    plant.update(_values(6) * 10)
    assert (await client.read_holding_registers(4, count=1, device_id=1)).registers == [11]
    assert (await client.read_holding_registers(4, count=1, device_id=2)).registers == [212]
    plant.lie(unit, None)
    plant.update(_values(6) * 10)
    assert (await client.read_holding_registers(4, count=1, device_id=1)).registers == [112]
    nobody = await client.read_holding_registers(4, count=1, device_id=77)
    assert nobody.exception_code == ExcCodes.GATEWAY_NO_RESPONSE
    client.close()


async def test_a_gateway_goes_and_comes_back_on_its_port(plant: Emitter) -> None:
    gateway = plant.gateways[1]
    port = gateway.port
    client = await _client(gateway)
    await gateway.stop()
    with pytest.raises(ModbusException):
        await client.read_holding_registers(11, count=1, device_id=1)
    client.close()
    await gateway.start()
    assert gateway.port == port
    client = await _client(gateway)
    assert not (await client.read_holding_registers(11, count=1, device_id=1)).isError()
    client.close()


async def test_a_taken_port_is_an_error(plant: Emitter) -> None:
    taken = plant.gateways[0].port
    second = Emitter([Gateway(HOST, 0, PROFILES["us"], ["a"]), Gateway(HOST, taken, PROFILES["us"], ["b"])])
    with pytest.raises(EmitError, match=f"modbus server 127.0.0.1:{taken}: cannot listen"):
        await second.start()


def test_units_are_where_they_say() -> None:
    gateway = Gateway(HOST, 5020, PROFILES["us"], ["a", "b"])
    assert gateway.addresses()["b"] == (HOST, 5020, 2, "us")
