"""The database of alerts, deliveries and people: SQLite in the data directory, one writer at a time.

SQLAlchemy's own transaction begins too late for SQLite: a reader that becomes a writer may be refused. So writers begin
IMMEDIATE and take a lock of this process first; readers see the last commit and never wait (WAL).
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.orm import DeclarativeBase, Session
from sqlalchemy.pool import ConnectionPoolEntry

from models.contracts.settings import SettingsError

SCHEMA = 1
_BUSY_MS = 10_000


class Base(DeclarativeBase):
    """Every table of this database."""


class DatabaseError(SettingsError):
    """A database that this version cannot use: the process must not start on it."""


class Database:
    """One SQLite file. Any thread may call `reading` and `writing`."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path = path
        self._lock = threading.Lock()
        self._engine = create_engine(f"sqlite:///{path}", pool_size=8, max_overflow=8)
        event.listen(self._engine, "connect", _on_connect)
        event.listen(self._engine, "begin", _on_begin)
        self._writer: Engine = self._engine.execution_options(plenum_writes=True)
        self._prepare()
        # Password hashes and sessions are in it.
        path.chmod(0o600)

    def _prepare(self) -> None:
        """Tables of a new file, or a check that an old one is of this version.

        Raises:
            DatabaseError: a newer version wrote it.
        """
        with self._lock, self._writer.begin() as connection:
            found = connection.exec_driver_sql("PRAGMA user_version").scalar_one()
            if found not in (0, SCHEMA):
                raise DatabaseError(
                    f"database {self.path.name}: schema {found}, expected {SCHEMA}; start the version that wrote it"
                )
            Base.metadata.create_all(connection)
            connection.exec_driver_sql(f"PRAGMA user_version = {SCHEMA}")

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """A session that sees one commit; it must not write."""
        with Session(self._engine, expire_on_commit=False) as session:
            yield session

    @contextmanager
    def writing(self) -> Iterator[Session]:
        """A session in one transaction: all of it is stored at the end, or nothing."""
        with self._lock, Session(self._writer, expire_on_commit=False) as session, session.begin():
            yield session

    def close(self) -> None:
        self._engine.dispose()


def _on_connect(connection: DBAPIConnection, _record: ConnectionPoolEntry) -> None:
    connection.isolation_level = None  # we begin ourselves
    cursor = connection.cursor()
    for pragma in (
        f"busy_timeout = {_BUSY_MS}",
        "journal_mode = WAL",
        "synchronous = FULL",
        "foreign_keys = ON",
        "temp_store = MEMORY",
    ):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _on_begin(connection: Connection) -> None:
    writes = connection.get_execution_options().get("plenum_writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
