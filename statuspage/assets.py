"""The page's own style sheets, scripts and icons, under URLs that change with their content.

Browsers may therefore cache them forever, and nothing has to be collected or built first. All files share one hash in
their URLs, so modules import each other by relative URLs.
"""

from dataclasses import dataclass
from functools import cache
from hashlib import blake2b
from pathlib import Path

from django.conf import settings
from django.urls import reverse

FOLDER = Path(__file__).parent / "static" / "statuspage"
CONTENT_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Assets:
    version: str
    files: dict[str, bytes]  # by file name


def load() -> Assets:
    """Return the files: read once, or each time in development."""
    return _read() if settings.DEBUG else _kept()


def url(name: str) -> str:
    """Return the URL of a file. Raises KeyError if there is no such file."""
    assets = load()
    assets.files[name]
    return reverse("statuspage:asset", args=[assets.version, name])


def _read() -> Assets:
    files = {path.name: path.read_bytes() for path in sorted(FOLDER.iterdir()) if path.suffix in CONTENT_TYPES}
    digest = blake2b(digest_size=6)
    for name, content in files.items():
        digest.update(name.encode() + b"\0" + content + b"\0")
    return Assets(version=digest.hexdigest(), files=files)


@cache
def _kept() -> Assets:
    return _read()
