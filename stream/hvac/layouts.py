"""What every unit is and which channels its frames have: the content of `hvac.layouts.v1`."""

from __future__ import annotations

from models.contracts.layout import Layout
from models.contracts.messages import LayoutMessage, decode_json


class Layouts:
    """Layouts by id, units by key (`site/unit`)."""

    def __init__(self) -> None:
        self.by_id: dict[int, Layout] = {}
        self.units: dict[str, LayoutMessage] = {}

    def take(self, payload: bytes) -> None:
        """A message of the topic.

        Raises:
            MessageError: it is no layout.
        """
        self.add(decode_json(payload, LayoutMessage))

    def add(self, message: LayoutMessage) -> None:
        """One more unit, or a unit that has changed. A layout that some unit once had stays known."""
        self.by_id[message.layout.id] = message.layout
        self.units[f"{message.site}/{message.unit}"] = message

    def equipment(self, unit: str) -> str:
        """What kind of equipment a unit is; `generic` while that is unknown."""
        message = self.units.get(unit)
        return message.layout.equipment if message else "generic"
