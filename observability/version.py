"""The version of this release, which is defined in pyproject.toml alone."""

import tomllib
from pathlib import Path

# It is part of the wheel, too (pyproject.toml), and of the image.
PROJECT = Path(__file__).resolve().parents[1] / "pyproject.toml"
VERSION: str = tomllib.loads(PROJECT.read_text(encoding="utf-8"))["project"]["version"]
