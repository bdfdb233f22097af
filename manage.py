#!/usr/bin/env python3
"""Run a command of the SLA monitor; `manage.py help` lists them."""

from slamonitor.command_line import main

if __name__ == "__main__":
    main()
