"""A disk that loses power: an APSW VFS in memory that forgets, tears and reorders what was not synced.

durable ──writes──▶ [ w1 w2 w3 ] ──sync──▶ durable'          a cut keeps each of w1 w2 w3 or not, some of them torn
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import Any

import apsw

_SECTOR = 512


class PowerCut(Exception):  # noqa: N818 - it is what happens
    """The power is gone; whatever SQLite does after this changes nothing."""


@dataclass
class _File:
    """One file: what programs see, what would survive, and the writes between the two."""

    seen: bytearray = field(default_factory=bytearray)
    durable: bytearray = field(default_factory=bytearray)
    unsynced: list[tuple[str, int, bytes]] = field(default_factory=list)

    def write(self, at: int, data: bytes) -> None:
        _put(self.seen, at, data)
        self.unsynced.append(("write", at, data))

    def truncate(self, size: int) -> None:
        del self.seen[size:]
        self.unsynced.append(("truncate", size, b""))

    def sync(self) -> None:
        self.durable = bytearray(self.seen)
        self.unsynced.clear()

    def cut(self, chance: random.Random) -> None:
        left = self.durable
        for kind, at, data in self.unsynced:
            if chance.random() < 0.5:
                continue
            if kind == "truncate":
                del left[at:]
                continue
            kept = data
            if chance.random() < 0.3:
                kept = data[: chance.randrange(0, len(data) + 1, _SECTOR if len(data) > _SECTOR else 1)]
            if kept:
                _put(left, at, kept)
        self.seen = bytearray(left)
        self.durable = left
        self.unsynced.clear()


def _put(content: bytearray, at: int, data: bytes) -> None:
    if len(content) < at:
        content.extend(bytes(at - len(content)))
    content[at : at + len(data)] = data


class Disk(apsw.VFS):
    """All files of one machine. `operations` counts down to the cut; None: no cut planned."""

    def __init__(self, name: str) -> None:
        self.files: dict[str, _File] = {}
        self.operations: int | None = None
        self.dead = False
        super().__init__(name, "")
        self.name = name

    def step(self) -> None:
        """Before every operation that changes something: perhaps the power goes now."""
        if self.dead:
            raise PowerCut
        if self.operations is not None:
            self.operations -= 1
            if self.operations < 0:
                self.dead = True
                raise PowerCut

    def cut(self, chance: random.Random) -> None:
        """The machine starts again with what survived."""
        for file in self.files.values():
            file.cut(chance)
        self.dead, self.operations = False, None

    def xFullPathname(self, name: str) -> str:  # noqa: N802 - SQLite's names
        return name

    def xAccess(self, pathname: str, _flags: int) -> bool:  # noqa: N802
        return pathname in self.files

    def xDelete(self, filename: str, _syncdir: bool) -> None:  # noqa: N802
        self.step()
        self.files.pop(filename, None)

    def xOpen(self, name: Any, _flags: list[int]) -> Any:  # noqa: N802 - by its methods, a VFSFile
        path = name.filename() if isinstance(name, apsw.URIFilename) else str(name)
        return _Handle(self, self.files.setdefault(path, _File()))


class _Handle:
    """An open file, with the methods that SQLite calls."""

    def __init__(self, disk: Disk, file: _File) -> None:
        self._disk = disk
        self._file = file

    def xRead(self, amount: int, offset: int) -> bytes:  # noqa: N802
        return bytes(self._file.seen[offset : offset + amount])

    def xWrite(self, data: bytes, offset: int) -> None:  # noqa: N802
        self._disk.step()
        self._file.write(offset, bytes(data))

    def xTruncate(self, size: int) -> None:  # noqa: N802
        self._disk.step()
        self._file.truncate(size)

    def xSync(self, _flags: int) -> None:  # noqa: N802
        self._disk.step()
        self._file.sync()

    def xFileSize(self) -> int:  # noqa: N802
        return len(self._file.seen)

    def xLock(self, level: int) -> None:  # noqa: N802
        """One process only."""

    def xUnlock(self, level: int) -> None:  # noqa: N802
        """One process only."""

    def xCheckReservedLock(self) -> bool:  # noqa: N802
        return False

    def xSectorSize(self) -> int:  # noqa: N802
        return _SECTOR

    def xDeviceCharacteristics(self) -> int:  # noqa: N802
        # As SQLite's own file system says: a write does not disturb bytes beside it.
        return int(apsw.SQLITE_IOCAP_POWERSAFE_OVERWRITE)

    def xFileControl(self, _op: int, _pointer: int) -> bool:  # noqa: N802
        return False

    def xClose(self) -> None:  # noqa: N802
        """Nothing to let go of."""
