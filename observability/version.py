"""Which release this is: pyproject.toml says it, and nothing else does."""

import tomllib
from pathlib import Path

# Not from the metadata of an installed package: what runs is a checkout, or the copy of one in the image.
PROJECT = Path(__file__).resolve().parents[1] / "pyproject.toml"
VERSION: str = tomllib.loads(PROJECT.read_text(encoding="utf-8"))["project"]["version"]
