"""Errors as RFC 9457 problems: every code that the API can answer with, in one table."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import msgspec
from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

MEDIA_TYPE = "application/problem+json"


class Code(NamedTuple):
    """Status and title of a problem; its `type` is `urn:plenum:problem:CODE`."""

    status: int
    title: str


CODES: dict[str, Code] = {
    "not_signed_in": Code(401, "Sign in first"),
    "credentials_wrong": Code(401, "User or password is wrong"),
    "too_many_attempts": Code(429, "Too many attempts"),
    "role_missing": Code(403, "Your role does not allow this"),
    "csrf_failed": Code(403, "The request did not come from our own page"),
    "password_refused": Code(422, "The password cannot be used"),
    "request_invalid": Code(422, "The request cannot be understood"),
    "cursor_invalid": Code(422, "The cursor is not one that a page gave"),
    "range_invalid": Code(422, "The time range cannot be used"),
    "note_too_long": Code(422, "The note is too long"),
    "unit_unknown": Code(404, "No such unit"),
    "alert_unknown": Code(404, "No such alert"),
    "webhook_unknown": Code(404, "No such receiver"),
    "not_found": Code(404, "Nothing is here"),
    "too_large": Code(413, "The request is too large"),
    "method_not_allowed": Code(405, "This address does not do that"),
    "alert_acknowledged": Code(409, "The alert is acknowledged already"),
    "alert_cleared": Code(409, "The alert is cleared already"),
    "internal": Code(500, "Something failed on our side"),
    "not_ready": Code(503, "Not ready yet"),
}
_BY_STATUS = {404: "not_found", 405: "method_not_allowed", 413: "too_large", 422: "request_invalid", 503: "not_ready"}


class Problem(Exception):  # noqa: N818  (RFC 9457 names it so)
    """An answer that is an error. `detail` is a sentence that tells what to do."""

    def __init__(self, code: str, detail: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail
        self.headers = dict(headers or {})

    @property
    def status(self) -> int:
        return CODES[self.code].status


class ProblemBody(msgspec.Struct, frozen=True):
    """What the client reads."""

    type: str
    title: str
    status: int
    code: str
    detail: str
    instance: str = ""


def from_http(error: HTTPException) -> Problem:
    """The problem that stands for one of Starlette's errors."""
    code = _BY_STATUS.get(error.status_code, "internal" if error.status_code >= 500 else "request_invalid")
    return Problem(code, str(error.detail), error.headers)


def from_validation(error: RequestValidationError) -> Problem:
    """The first thing that is wrong with a request, named by its place; what was sent is not repeated."""
    first = error.errors()[0]
    place = ".".join(str(part) for part in first.get("loc", ()))
    return Problem("request_invalid", f"{place}: {first.get('msg', 'invalid')}")


def to_response(problem: Problem, request: Request) -> Response:
    """A problem as JSON."""
    code = CODES[problem.code]
    body = ProblemBody(
        type=f"urn:plenum:problem:{problem.code}",
        title=code.title,
        status=code.status,
        code=problem.code,
        detail=problem.detail,
        instance=request.url.path,
    )
    return Response(msgspec.json.encode(body), code.status, problem.headers, MEDIA_TYPE)
