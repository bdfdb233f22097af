#!/usr/bin/env python3
"""Run a command of the SLA monitor; `manage.py help` lists them."""

import os
import sys


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "slamonitor.settings")
    take_state_dir(sys.argv)
    from django.core.management import execute_from_command_line

    execute_from_command_line(sys.argv)


def take_state_dir(argv: list[str]) -> None:
    """Let `--state-dir` work for every command: the settings read it before any command parses its options."""
    for position, argument in enumerate(argv):
        if argument == "--state-dir" and position + 1 < len(argv):
            os.environ["SLAMONITOR_STATE_DIR"] = argv[position + 1]
            del argv[position : position + 2]
            return
        if argument.startswith("--state-dir="):
            os.environ["SLAMONITOR_STATE_DIR"] = argument.partition("=")[2]
            del argv[position]
            return


if __name__ == "__main__":
    main()
