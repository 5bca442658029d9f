"""`plenum stream dead`: letters are listed with their reasons, and go back into their topics when they can be used."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest

from models.contracts import topics
from models.contracts.messages import DeadLetter, encode_json
from models.contracts.settings import KafkaSettings
from stream import dead
from stream.dead import DeadError, Letter, Wanted
from tests.servers import ROOT, EmbeddedKafka, free_port
from tests.stream import fleet
from tests.stream.site import Message, Site

GOOD = fleet.Sender().frame("ahu-1", 0)


def letter(number: int, payload: bytes, reason: str = "checksum", source: str = topics.FRAMES) -> Letter:
    made = DeadLetter(
        reason=reason,
        error=f"error {number}",
        source=source,
        payload=payload,
        received_at_ms=1,
        partition=2,
        offset=100 + number,
        key="plant/ahu-1",
    )
    return Letter(number, made)


LETTERS = [letter(3, GOOD, "error"), letter(4, GOOD[:100]), letter(5, b"{}", "malformed", "plenum/v1/a/b/c/frame")]


def test_letters_are_picked_by_number_reason_and_source() -> None:
    assert Wanted().pick(LETTERS) == LETTERS
    assert Wanted((4, 3)).pick(LETTERS) == LETTERS[:2]
    assert Wanted(reason="checksum").pick(LETTERS) == [LETTERS[1]]
    assert Wanted(source=topics.FRAMES, reason="error").pick(LETTERS) == [LETTERS[0]]
    with pytest.raises(DeadError, match="no dead letter has number 9; see which there are"):
        Wanted((3, 9)).pick(LETTERS)


def test_only_what_the_app_can_use_now_goes_back() -> None:
    usable, unusable = dead.sort_out(fleet.app(), LETTERS)
    assert usable == [LETTERS[0]]
    assert [one.number for one, _ in unusable] == [4, 5]
    assert "does not end in a checksum field" in unusable[0].why
    assert "no input of hvac" in unusable[1].why
    assert not dead.sort_out(fleet.app(known=False), LETTERS[:1])[0]


def test_the_list_says_where_letters_come_from_and_how_many_there_are() -> None:
    lines = list(dead.summary(LETTERS))
    assert lines[1].split() == ["3", "error", f"{topics.FRAMES}/2@103", "plant/ahu-1", str(len(GOOD)), "error", "3"]
    assert lines[-1] == "3 dead letters: 1 error, 1 checksum, 1 malformed"
    assert list(dead.summary([])) == ["no dead letters"]
    assert f"reason       {LETTERS[1].letter.reason}" in list(dead.description(LETTERS[1]))


def run(site: Site, *words: str) -> tuple[int, str]:
    command = [sys.executable, "-m", "stream", "dead", *words, "--settings", str(site.settings)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    return done.returncode, done.stdout + done.stderr


def test_a_mended_payload_goes_back_in_place_of_the_damaged_one(tmp_path: Path) -> None:
    with EmbeddedKafka() as server:
        site = Site(server.bootstrap, tmp_path, session_seconds=1)
        asyncio.run(site.prepare())
        letters = [Message("plant/ahu-1", encode_json(one.letter)) for one in (letter(0, GOOD[:-1]), letter(1, GOOD))]
        asyncio.run(site.produce(topics.HVAC_DEAD, letters))
        payload = tmp_path / "payload"

        code, said = run(site, "list")
        assert (code, said.splitlines()[-1]) == (0, "2 dead letters: 2 checksum")
        assert run(site, "show", "0", "--payload", str(payload))[0] == 0
        assert payload.read_bytes() == GOOD[:-1]
        code, said = run(site, "put-back", "0", "1")
        assert code == 1
        assert "0: not put back: frame of" in said
        assert "1 put back, 1 cannot be used" in said
        payload.write_bytes(GOOD)
        code, said = run(site, "put-back", "0", "--payload", str(payload))
        assert (code, "1 put back, 0 cannot be used" in said) == (0, True)

        records = asyncio.run(site.read([topics.FRAMES]))
        assert [(record.key, record.value) for record in records] == [(b"plant/ahu-1", GOOD)] * 2
        assert run(site, "put-back")[0] == 2
        code, said = run(site, "show", "77")
        assert (code, "no dead letter has number 77" in said) == (1, True)


def test_an_unreachable_kafka_is_exit_code_4(tmp_path: Path) -> None:
    site = Site(f"127.0.0.1:{free_port()}", tmp_path, session_seconds=1)
    code, said = run(site, "list")
    assert (code, f"kafka at {site.bootstrap} failed" in said) == (4, True)


def test_only_one_letter_takes_a_mended_payload(tmp_path: Path) -> None:
    with EmbeddedKafka() as server:
        settings = KafkaSettings(bootstrap=(server.bootstrap,))
        with pytest.raises(DeadError, match="takes the place of one letter, found 0; name its number"):
            asyncio.run(dead.mend(fleet.app(), settings, topics.HVAC_DEAD, Wanted(), GOOD))
