"""People: users and their sessions.

A session is a row; its cookie is a random token, signed so that rubbish costs no look-up. The table holds only the token's
SHA-256, so a stolen database opens no session.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import msgspec
from argon2 import PasswordHasher
from argon2.exceptions import Argon2Error, InvalidHashError
from itsdangerous import BadSignature, Signer
from sqlalchemy import delete, func, select
from sqlalchemy.orm import Mapped, mapped_column

from cloud.alerts.database import Base, Database
from cloud.api import throttle
from cloud.api.problems import Problem
from cloud.settings import LoginSettings
from models.contracts.clock import wall_ms
from models.contracts.settings import secret

Role = Literal["viewer", "technician", "engineer", "admin"]
ROLES: tuple[Role, ...] = ("viewer", "technician", "engineer", "admin")

FIRST_ADMIN = "admin"
PASSWORD_CHARACTERS_MIN = 10
PASSWORD_CHARACTERS_MAX = 200
NAME_CHARACTERS_MAX = 64

# Argon2 takes 64 MiB and about 50 ms of a core: never more of them at once than this.
_HASHES_AT_ONCE = 2


class UserRow(Base):
    """A person who may sign in."""

    __tablename__ = "users"

    name: Mapped[str] = mapped_column(primary_key=True)
    role: Mapped[str]
    password_hash: Mapped[str]
    # Still the password that we made up at the first start.
    password_is_first: Mapped[bool]
    created_at_ms: Mapped[int]
    retired_at_ms: Mapped[int | None]


class SessionRow(Base):
    """Somebody who is signed in."""

    __tablename__ = "sessions"

    token_hash: Mapped[str] = mapped_column(primary_key=True)
    user: Mapped[str] = mapped_column(index=True)
    csrf: Mapped[str]
    created_at_ms: Mapped[int]
    expires_at_ms: Mapped[int]


class SignedIn(msgspec.Struct, frozen=True):
    """Who makes a request. `csrf` must come with every request that changes something."""

    user: str
    role: Role
    csrf: str
    password_is_first: bool
    token: str

    def may(self, role: Role) -> bool:
        return ROLES.index(self.role) >= ROLES.index(role)


class Accounts:
    """Users and sessions in the database of the alerts."""

    def __init__(
        self, database: Database, settings: LoginSettings, data_dir: Path, now_ms: Callable[[], int] = wall_ms
    ) -> None:
        self._database = database
        self._settings = settings
        self._now_ms = now_ms
        self._hasher = PasswordHasher()
        self._hashing = asyncio.Semaphore(_HASHES_AT_ONCE)
        self._signer = Signer(
            _session_key(data_dir / "session.key"), salt="plenum.session", digest_method=hashlib.sha256
        )
        # Verified when the user does not exist, so that both answers take the same time.
        self._nobody = self._hasher.hash(secrets.token_hex(16))

    def ensure_first_admin(self) -> str | None:
        """Make the first administrator when there is no user.

        Returns:
            The one-time password that was made up, to be shown once; None if there are users, or the settings name a file.

        Raises:
            SettingsError: the password file cannot be read, or is empty.
        """
        with self._database.reading() as session:
            if session.scalar(select(func.count()).select_from(UserRow)):
                return None
        path = self._settings.admin_password_file
        password = secret(path, "first administrator") if path else secrets.token_urlsafe(12)
        self.add_user(FIRST_ADMIN, password, "admin", password_is_first=not path)
        return None if path else password

    def add_user(self, name: str, password: str, role: Role, password_is_first: bool = False) -> None:
        """Add a person."""
        row = UserRow(
            name=name,
            role=role,
            password_hash=self._hasher.hash(password),
            password_is_first=password_is_first,
            created_at_ms=self._now_ms(),
            retired_at_ms=None,
        )
        with self._database.writing() as session:
            session.add(row)

    async def sign_in(self, name: str, password: str, address: str) -> SignedIn:
        """Check a password and begin a session.

        Raises:
            Problem: wrong, or too many attempts.
        """
        name, password = name[:NAME_CHARACTERS_MAX], password[: PASSWORD_CHARACTERS_MAX + 1]
        keys = throttle.attempt_keys(name, address)
        await asyncio.to_thread(throttle.count_attempt, self._database, keys, self._now_ms())
        user = await asyncio.to_thread(self._user, name)
        async with self._hashing:
            right = await asyncio.to_thread(self._verify, user.password_hash if user else self._nobody, password)
        if user is None or not right:
            raise Problem("credentials_wrong", "User or password is wrong; after five failures each try takes longer.")
        return await asyncio.to_thread(self._begin, user, keys)

    def session(self, cookie: str | None) -> SignedIn | None:
        """Who a cookie belongs to; None if nobody, or if the session has ended."""
        token = self._token(cookie)
        if token is None:
            return None
        with self._database.reading() as session:
            found = session.execute(
                select(SessionRow, UserRow)
                .join(UserRow, UserRow.name == SessionRow.user)
                .where(SessionRow.token_hash == _hash(token))
            ).first()
        if found is None:
            return None
        row, user = found
        if row.expires_at_ms <= self._now_ms() or user.retired_at_ms is not None:
            return None
        return SignedIn(user.name, _role(user.role), row.csrf, user.password_is_first, token)

    def cookie(self, signed_in: SignedIn) -> str:
        """What the browser keeps."""
        return self._signer.sign(signed_in.token).decode()

    def login_ticket(self) -> str:
        """A cookie for the login form, before there is a session; `login_csrf` of it stands in the form."""
        return secrets.token_urlsafe(16)

    def login_csrf(self, ticket: str) -> str:
        """What only a form of ours can carry together with this ticket."""
        return self._signer.get_signature("login:" + ticket).decode()

    def sign_out(self, signed_in: SignedIn) -> None:
        """End a session."""
        with self._database.writing() as session:
            session.execute(delete(SessionRow).where(SessionRow.token_hash == _hash(signed_in.token)))

    async def change_password(self, signed_in: SignedIn, old: str, new: str) -> SignedIn:
        """Take a new password and end every other session of its owner.

        Raises:
            Problem: the old one is wrong, or the new one too short, too long or the same.
        """
        if not PASSWORD_CHARACTERS_MIN <= len(new) <= PASSWORD_CHARACTERS_MAX:
            raise Problem(
                "password_refused",
                f"The new password has {len(new)} characters; expected {PASSWORD_CHARACTERS_MIN} to"
                f" {PASSWORD_CHARACTERS_MAX}.",
            )
        if new == old:
            raise Problem("password_refused", "The new password is the old one; choose another.")
        keys = [f"pair:change:{signed_in.user}"]
        await asyncio.to_thread(throttle.count_attempt, self._database, keys, self._now_ms())
        user = await asyncio.to_thread(self._user, signed_in.user)
        async with self._hashing:
            right = user is not None and await asyncio.to_thread(self._verify, user.password_hash, old)
            if user is None or not right:
                raise Problem("credentials_wrong", "The old password is wrong.")
            hashed = await asyncio.to_thread(self._hasher.hash, new)

        def store() -> SignedIn:
            with self._database.writing() as session:
                row = session.get_one(UserRow, user.name)
                row.password_hash = hashed
                row.password_is_first = False
                session.execute(delete(SessionRow).where(SessionRow.user == user.name))
            return self._begin(row, keys)

        return await asyncio.to_thread(store)

    def _begin(self, user: UserRow, keys: list[str]) -> SignedIn:
        now_ms = self._now_ms()
        token, csrf = secrets.token_urlsafe(32), secrets.token_urlsafe(24)
        expires_at_ms = now_ms + int(self._settings.session_hours * 3_600_000)
        with self._database.writing() as session:
            session.execute(delete(SessionRow).where(SessionRow.expires_at_ms <= now_ms))
            throttle.forgive(session, keys)
            session.add(
                SessionRow(
                    token_hash=_hash(token),
                    user=user.name,
                    csrf=csrf,
                    created_at_ms=now_ms,
                    expires_at_ms=expires_at_ms,
                )
            )
        return SignedIn(user.name, _role(user.role), csrf, user.password_is_first, token)

    def _user(self, name: str) -> UserRow | None:
        with self._database.reading() as session:
            row = session.get(UserRow, name)
        return None if row is None or row.retired_at_ms is not None else row

    def _verify(self, password_hash: str, password: str) -> bool:
        try:
            return self._hasher.verify(password_hash, password)
        except (Argon2Error, InvalidHashError):
            return False

    def _token(self, cookie: str | None) -> str | None:
        if not cookie or len(cookie) > 256:
            return None
        try:
            token = self._signer.unsign(cookie)
        except (BadSignature, ValueError):
            return None
        # The last character of a base64 signature has two bits that decoding ignores: one session has one spelling.
        return token.decode() if self._signer.sign(token) == cookie.encode() else None


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def _role(text: str) -> Role:
    for role in ROLES:
        if role == text:
            return role
    raise ValueError(f"role {text!r}: expected one of {', '.join(ROLES)}")


def _session_key(path: Path) -> bytes:
    """The key that signs cookies, made at the first start, readable by us only."""
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return path.read_bytes()
    key = secrets.token_bytes(32)
    with os.fdopen(descriptor, "wb") as file:
        file.write(key)
    return key
