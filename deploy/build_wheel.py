"""Build a wheel: the build backend that pip, pipx and uv call (PEP 517). It needs nothing but Python.

The wheel has the checkout as one package, `sla_monitor`, so that our apps take no names in `site-packages`, and so that
templates, translations, SQL and static files are where the settings look for them. Its command is `slamonitor`.
"""

import base64
import hashlib
import io
import tarfile
import tomllib
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

CHECKOUT = Path(__file__).resolve().parents[1]
PACKAGE = "sla_monitor"
APPS = ("accounts", "database", "incidents", "monitoring", "observability", "slamonitor", "statuspage")
FOLDERS = (*APPS, "locale", "templates")
FILES = ("manage.py", "pyproject.toml", "LICENSE", "README.md")
LEFT_OUT = {"tests", "__pycache__", "conftest.py"}
ENTRY = '''"""The SLA monitor, as installed from a wheel."""

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
'''


def build_wheel(folder: str, config: object = None, metadata: object = None) -> str:
    """Write the wheel into a folder and return its name."""
    project = tomllib.loads((CHECKOUT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    label = f"{project['name'].replace('-', '_')}-{project['version']}"
    name, info = f"{label}-py3-none-any.whl", f"{label}.dist-info"
    contents = {f"{PACKAGE}/{path.relative_to(CHECKOUT)}": path.read_bytes() for path in shipped()}
    contents |= {
        f"{PACKAGE}/__init__.py": ENTRY.encode(),
        f"{info}/METADATA": described(project).encode(),
        f"{info}/WHEEL": b"Wheel-Version: 1.0\nGenerator: sla-monitor\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/entry_points.txt": f"[console_scripts]\nslamonitor = {PACKAGE}:main\n".encode(),
        f"{info}/licenses/LICENSE": (CHECKOUT / "LICENSE").read_bytes(),
    }
    record = [f"{path},sha256={_digest(data)},{len(data)}" for path, data in contents.items()]
    contents[f"{info}/RECORD"] = "\n".join([*record, f"{info}/RECORD,,", ""]).encode()
    with zipfile.ZipFile(Path(folder) / name, "w", zipfile.ZIP_DEFLATED) as wheel:
        for path, data in contents.items():
            wheel.writestr(zipfile.ZipInfo(path, (2020, 1, 1, 0, 0, 0)), data, zipfile.ZIP_DEFLATED)
    return name


def build_sdist(folder: str, config: object = None) -> str:
    """Write the sources that a wheel is built from into a folder and return the archive's name."""
    project = tomllib.loads((CHECKOUT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    label = f"{project['name'].replace('-', '_')}-{project['version']}"
    with tarfile.open(Path(folder) / f"{label}.tar.gz", "w:gz") as archive:
        for path in [*shipped(), Path(__file__)]:
            archive.add(path, f"{label}/{path.relative_to(CHECKOUT)}")
        about = tarfile.TarInfo(f"{label}/PKG-INFO")
        text = described(project).encode()
        about.size = len(text)
        archive.addfile(about, io.BytesIO(text))
    return f"{label}.tar.gz"


def shipped() -> Iterator[Path]:
    """Yield the files of the wheel. Links, hidden files and what only tests need are left out."""
    for folder in FOLDERS:
        for path in sorted((CHECKOUT / folder).rglob("*")):
            parts = path.relative_to(CHECKOUT).parts
            if path.is_file() and not LEFT_OUT & set(parts) and not any(part.startswith(".") for part in parts[:-1]):
                yield path
    yield from (CHECKOUT / name for name in FILES)


def described(project: dict[str, Any]) -> str:
    """Return the metadata of a project, as in PEP 643."""
    lines = [
        "Metadata-Version: 2.4",
        f"Name: {project['name']}",
        f"Version: {project['version']}",
        f"Summary: {project['description']}",
        f"License-Expression: {project['license']}",
        "License-File: LICENSE",
        f"Requires-Python: {project['requires-python']}",
        *(f"Requires-Dist: {each}" for each in project["dependencies"]),
    ]
    for extra, requirements in project["optional-dependencies"].items():
        lines += [f"Provides-Extra: {extra}", *(f"Requires-Dist: {each}; extra == '{extra}'" for each in requirements)]
    readme = (CHECKOUT / project["readme"]).read_text(encoding="utf-8")
    return "\n".join([*lines, "Description-Content-Type: text/markdown", "", readme])


def _digest(data: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
