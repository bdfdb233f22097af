import io
import json
import os
from datetime import UTC, datetime

import pytest

from observability.logs import as_json
from slamonitor.running.printer import Printer

NOW = datetime(2025, 3, 10, 10, 0, tzinfo=UTC)


def printed(form: str, *lines: str) -> str:
    output = io.StringIO()
    printer = Printer(output, form, now=lambda: NOW)
    for line in lines:
        printer.line("web", line)
    return output.getvalue()


def test_terminal_sees_time_and_name_in_front() -> None:
    assert printed("line", "hello") == "10:00:00 web      | hello\n"


def test_elsewhere_each_line_is_an_object() -> None:
    ours, words = printed("json", '{"timestamp":"x","message":"a"}', "LOG:  started").splitlines()

    assert ours == '{"timestamp":"x","message":"a"}', "a child's line of the same form stays as it is"
    said = json.loads(words)
    assert (said["process"], said["message"], said["timestamp"]) == ("web", "LOG:  started", "2025-03-10T10:00:00.000Z")


def test_secret_in_the_words_of_another_program_is_masked() -> None:
    assert "planted" not in printed("line", "FATAL: postgresql://me:planted@db/x")


@pytest.mark.parametrize("length", [2_000, 8_000])
def test_reader_that_stopped_holds_nobody_up(length: int) -> None:
    read, write = os.pipe()
    output = os.fdopen(write, "w")
    printer = Printer(output, "line")

    for _ in range(100):  # the pipe holds 64 KiB
        printer.line("web", "x" * length)
    before = os.read(read, 65_536)
    printer.line("web", "after")

    output.close()
    told = before + os.read(read, 65_536)
    assert b"lines were dropped" in told and told.endswith(b"| after\n")
    assert {len(line) for line in told.splitlines() if b"xx" in line} == {length + len("10:00:00 web      | ")}


@pytest.mark.parametrize("text", ["x" * 9_000, "Traceback " + "가" * 8_500])
def test_a_long_line_keeps_its_level_and_says_that_it_was_cut(text: str) -> None:
    line = as_json(
        at=NOW, level="ERROR", message="failed", service="s", process="web", logger="l", metadata={"traceback": text}
    )

    said = json.loads(printed("json", line))

    assert (said["level"], said["message"]) == ("ERROR", "failed")
    assert said["metadata"]["traceback"].startswith(text[:8_000]) and said["metadata"]["traceback"].endswith("…")


def test_a_long_line_that_only_begins_like_ours_is_text() -> None:
    said = json.loads(printed("json", '{"timestamp":' + "x" * 9_000 + "}"))

    assert (said["level"], said["logger"]) == ("INFO", "output")
