"""The version of this release, which is defined in pyproject.toml alone."""

import tomllib
from pathlib import Path

# There is no metadata of an installed package: we run from a checkout, or from its copy in the image.
PROJECT = Path(__file__).resolve().parents[1] / "pyproject.toml"
VERSION: str = tomllib.loads(PROJECT.read_text(encoding="utf-8"))["project"]["version"]
