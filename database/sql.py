"""Named SQL: each statement is a file in an app's `sql/` folder, read once."""

from functools import cache
from pathlib import Path


@cache
def statement(app: str, name: str) -> str:
    """Return the text of `<app>/sql/<name>.sql`. Raises FileNotFoundError."""
    return (Path(__file__).parent.parent / app / "sql" / f"{name}.sql").read_text(encoding="utf-8")
