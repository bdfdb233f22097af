import io
import json
import os
from datetime import UTC, datetime

from slamonitor.printer import Printer

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


def test_reader_that_stopped_holds_nobody_up() -> None:
    read, write = os.pipe()
    output = os.fdopen(write, "w")
    printer = Printer(output, "line")

    for _ in range(100):  # the pipe holds 64 KiB
        printer.line("web", "x" * 2000)
    os.read(read, 65_536)
    printer.line("web", "after")

    output.close()
    told = os.read(read, 65_536).decode()
    assert "lines were dropped" in told and told.endswith("| after\n")
