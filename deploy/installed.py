"""The SLA monitor, as installed from a wheel; this file is its `sla_monitor/__init__.py`."""

import os
import sys
from pathlib import Path


def main() -> None:
    """Run a command, as `manage.py` of a checkout does."""
    folder = str(Path(__file__).parent)
    sys.path.insert(0, folder)
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, (folder, os.environ.get("PYTHONPATH"))))
    from slamonitor.command_line import main as run

    run()
