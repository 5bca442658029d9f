"""`plenum demo`: a site of twelve air handlers on two gateways, three faults, one link that is cut, and a verdict.

0 s        30 s                60 s          80 s                                  N s
|-- up ----|-- faults planted --|-- link down --|-- backlog drains ... alerts ------| verdict (--check)
"""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from pathlib import Path
from typing import Any

from models.contracts.clock import wall_ms
from models.contracts.exits import Exit
from models.contracts.figures import show as show_figures
from simulators.demo.client import CloudError
from simulators.demo.console import Show
from simulators.demo.judge import Planted, judge
from simulators.demo.link import Link
from simulators.demo.site import (
    FAULTS,
    GATEWAYS,
    LINK_DOWN_AFTER_SECONDS,
    LINK_DOWN_SECONDS,
    SITE,
    SPEED,
    START_AT_MS,
    UNITS,
    Fault,
    clock_section,
    write_gateway,
    write_plant,
)
from simulators.demo.supervisor import HOST, Child, ChildError
from simulators.demo.system import System, running_system
from simulators.hvac.registers import PROFILES, edge_points_toml

# After the run, time for what is under way to arrive before it is judged.
_SETTLE_SECONDS = 30.0


def run_demo(
    *,
    seconds: float = 0,
    check: bool = False,
    keep: Path | None = None,
    json_path: str = "",
    mqtt: str = "",
    kafka: str = "",
) -> int:
    """Run the demo; returns its exit code. See `plenum demo --help`."""
    try:
        return asyncio.run(_Demo(seconds, check, json_path).run(keep, mqtt, kafka))
    except (ChildError, CloudError) as error:
        print(f"demo: {error}", file=sys.stderr)
        return Exit.FINDINGS


class _Demo:
    """One run: what was planted, what arrived, and when."""

    def __init__(self, seconds: float, check: bool, json_path: str) -> None:
        self._seconds = seconds
        self._check = check
        self._json_path = json_path
        self._show = Show()
        self._planted: list[Planted] = []
        self._first_alert_seconds: float | None = None
        self._stop = asyncio.Event()

    async def run(self, keep: Path | None, mqtt: str, kafka: str) -> int:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self._stop.set)
        clock = clock_section(SPEED, wall_ms(), START_AT_MS)
        async with running_system(self._show, clock, self._on_event, keep=keep, mqtt=mqtt, kafka=kafka) as system:
            link, plant = await self._start_site(system, clock)
            self._welcome(system)
            script = [asyncio.create_task(self._plant_faults(plant), name="faults")]
            script.append(asyncio.create_task(self._cut_link(system, link), name="link"))
            try:
                await self._wait(system)
                if self._check and not self._interrupted:
                    return await self._judge(system)
            finally:
                for task in script:
                    task.cancel()
                await asyncio.gather(*script, return_exceptions=True)
                await link.cut()
            self._show.plain()
            self._show.line("ending every process …")
        return Exit.OK

    async def _start_site(self, system: System, clock: str) -> tuple[Link, Child]:
        """The plant, then a gateway agent for each Modbus server; the second gateway speaks through the relay."""
        supervisor, ports, directory = system.supervisor, system.ports, system.directory
        plant_toml = write_plant(directory, ports, clock)
        plant = await supervisor.start(
            "plant", ["-m", "simulators", "hvac", "--settings", str(plant_toml)], stdin=True, stdout=True
        )
        for port in ports.modbus:
            await supervisor.wait_for_port("the simulated plant", port, seconds=60)
        self._show.step(f"{len(UNITS)} simulated air handlers answer Modbus TCP")
        broker = (system.brokers.mqtt_host, system.brokers.mqtt_port)
        link = Link(ports.link, *broker)
        await link.mend()
        for gateway, modbus_port in zip(GATEWAYS, ports.modbus, strict=True):
            mqtt = broker if gateway is GATEWAYS[0] else (HOST, ports.link)
            points = edge_points_toml(PROFILES[gateway.profile], table="points")
            path = write_gateway(directory, gateway, mqtt, modbus_port, points, clock)
            await supervisor.start(gateway.name, ["-m", "edge", "run", str(path)])
        await system.wait_until_up()
        await system.client.wait_for_units(supervisor, len(UNITS))
        self._show.step(f"{len(GATEWAYS)} gateway agents read, score and publish")
        return link, plant

    def _welcome(self, system: System) -> None:
        self._show.plain()
        self._show.plain(f"   Dashboard   {system.dashboard}")
        self._show.plain(f"   Sign in     {system.client.user}   {system.secrets.password}")
        self._show.plain(f"   Plant time runs {SPEED:.0f} times faster than yours. Ctrl-C ends everything.")
        self._show.plain()
        self._up_seconds = self._show.seconds

    @property
    def _interrupted(self) -> bool:
        return self._stop.is_set()

    async def _wait(self, system: System) -> None:
        """Until the time is up, the user says stop, or a process ends by itself."""
        while not self._interrupted and not (self._seconds and self._show.seconds >= self._seconds):
            system.supervisor.check()
            try:
                await asyncio.wait_for(self._stop.wait(), 0.25)
            except TimeoutError:
                continue

    def _on_event(self, event: dict[str, Any]) -> None:
        """A webhook arrived: print it, and note the first one for a planted fault."""
        self._show.alert(event)
        data = event["data"]
        planted = {fault.unit for fault in self._planted}
        if (
            self._first_alert_seconds is None
            and event["type"].endswith(".opened")
            and f"{data['site']}/{data['unit']}" in planted
        ):
            self._first_alert_seconds = self._show.seconds - self._planted[0].planted_at_seconds

    async def _plant_faults(self, plant: Child) -> None:
        for fault in FAULTS:
            await asyncio.sleep(max(0.0, self._up_seconds + fault.after_seconds - self._show.seconds))
            await self._plant(plant, fault)

    async def _plant(self, plant: Child, fault: Fault) -> None:
        """Tell the plant by a line of JSON; it answers with one."""
        stdin, stdout = plant.process.stdin, plant.process.stdout
        if stdin is None or stdout is None:
            raise ChildError("plant: no pipe to it; expected one to plant faults through")
        order = {"plant": {"unit": fault.unit, "family": fault.family, "severity": fault.severity}}
        stdin.write(json.dumps(order).encode() + b"\n")
        await stdin.drain()
        while True:
            answer = await stdout.readline()
            if not answer:
                raise ChildError(f"plant: no answer to {order}")
            if b"planted" in answer:
                break
        self._planted.append(Planted(f"{SITE}/{fault.unit}", fault.family, self._show.seconds))
        self._show.line(f"fault planted in {SITE}/{fault.unit}: {fault.family.replace('_', ' ')}", "magenta")

    async def _cut_link(self, system: System, link: Link) -> None:
        """The second gateway loses its link, and catches up."""
        name = GATEWAYS[1].name
        await asyncio.sleep(max(0.0, self._up_seconds + LINK_DOWN_AFTER_SECONDS - self._show.seconds))
        await link.cut()
        self._show.line(f"link of {name} cut for {LINK_DOWN_SECONDS:.0f} s; it goes on scoring by itself", "magenta")
        await asyncio.sleep(LINK_DOWN_SECONDS)
        await link.mend()
        self._show.line(f"link of {name} mended", "magenta")
        most = 0
        while True:
            gateway = (await system.client.gateways()).get(f"{SITE}/{name}")
            if gateway is not None and gateway["state"] == "online":
                backlog = int(gateway["backlog_frames"])
                if backlog > 0 and backlog != most:
                    self._show.line(f"{name}: {backlog} frames waiting")
                most = max(most, backlog)
                if most and backlog <= len(GATEWAYS[1].units):
                    self._show.step(f"{name}: backlog drained, {most} frames were waiting")
                    return
            await asyncio.sleep(0.2)

    async def _judge(self, system: System) -> int:
        """Let what is under way arrive, then judge."""
        self._show.line("time is up; waiting for what is under way …")
        alerts, ledger = await system.client.settled(system.supervisor, _SETTLE_SECONDS)
        verdict = judge(self._planted, alerts, ledger, system.receiver.received, self._first_alert_seconds)
        if len(self._planted) < len(FAULTS):
            verdict.findings.append(
                f"{len(self._planted)} of {len(FAULTS)} faults were planted; run longer, --seconds 120 or more"
            )
        self._show.plain()
        for finding in verdict.findings:
            self._show.line(f"✗ {finding}", "bold red")
        if not verdict.findings:
            self._show.step("every fault alerted once, no false alert, nothing lost, every webhook once and signed")
        show_figures(verdict.figures, self._json_path)
        return Exit.FINDINGS if verdict.findings else Exit.OK
