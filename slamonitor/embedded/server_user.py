"""Choose the user for the embedded servers, and a place where that user can reach its binaries and its data.

PostgreSQL refuses to run as root, so if we are root, the servers run as another user: a user id without an account,
since every process of that user can read and change their data. That user may be unable to enter the folder above the
checkout (`/root/x`), and we never change the mode of folders that are not ours. Then the files for this user are put
into a shelter, a folder below `/var`.
"""

import hashlib
import os
import pwd
import shutil
import stat
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from slamonitor.embedded.state_directory import CHECKOUT, EmbeddedError, StateDirectory

# Used by nobody else: systemd and Debian give accounts neither of these, and they exist in a rootless container, which
# has 65,536. The first without a name is taken.
UNUSED_IDS = range(65_520, 65_534)
# Not below /tmp nor first below /var/tmp: both are swept of files that were not read for a while.
SHELTERS = (Path("/var/lib/slamonitor"), Path("/var/tmp/slamonitor"))  # noqa: S108  it must be ours, and closed


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerUser:
    """An account that may run a database server."""

    uid: int
    gid: int
    name: str | None  # None: no account has this id
    is_other: bool  # not our own user: we are root, and the servers are not

    def can_use(self, path: Path) -> bool:
        """Return whether this user can read the file and run it, or list the folder and pass through it."""
        return self._may(path, "rx")

    def can_pass(self, path: Path) -> bool:
        """Return whether this user can pass through the folder, without necessarily listing it."""
        return self._may(path, "x")

    def _may(self, path: Path, modes: str) -> bool:
        # Run as the user itself, so that the kernel decides, with ACLs and all folders above.
        test = " && ".join(f'test -{mode} "$1"' for mode in modes)
        command = ["/bin/sh", "-c", test, "sh", str(path)]
        if not self.is_other:
            return subprocess.run(command, cwd="/", check=False).returncode == 0
        asked = subprocess.run(command, user=self.uid, group=self.gid, extra_groups=[], cwd="/", check=False)
        return asked.returncode == 0

    def own(self, path: Path) -> Path:
        """Give one path to this user."""
        if self.is_other:
            os.chown(path, self.uid, self.gid, follow_symlinks=False)
        return path

    def own_all(self, path: Path) -> None:
        """Give a folder to this user, with all files in it of the same owner; files of others are not changed.

        The folder above must be closed to the former owner. Call it again after an interruption.
        """
        former = path.lstat().st_uid
        if not self.is_other or former == self.uid:
            return
        for _folder, folders, files, descriptor in os.fwalk(path):
            for name in (*folders, *files):
                if os.stat(name, dir_fd=descriptor, follow_symlinks=False).st_uid == former:
                    os.chown(name, self.uid, self.gid, dir_fd=descriptor, follow_symlinks=False)
        self.own(path)

    def initializer(self) -> "ServerUser":
        """Return a user for initdb, which needs a user name: `nobody`, in our group, if this user has none.

        The group keeps other processes of `nobody` out: they cannot pass a folder that is open to it alone, nor look
        into a process that has it.
        """
        if self.name is not None:
            return self
        return ServerUser(uid=_nobody(), gid=self.gid, name="nobody", is_other=True)

    def make_folder(self, path: Path) -> Path:
        """Create a folder of this user that is closed to all others."""
        path.mkdir(mode=0o700, exist_ok=True)
        return self.own(path)

    def write(self, path: Path, text: str) -> Path:
        """Write a file that only this user can read, atomically."""
        fresh = path.with_name(path.name + ".new")
        fresh.unlink(missing_ok=True)
        with open(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
            file.write(text)
        return self.own(fresh).replace(path)


def server_user(state: StateDirectory) -> ServerUser:
    """Return our user or, as root, the owner of the state directory or checkout, or an id without an account."""
    if os.geteuid() != 0:
        return ServerUser(uid=os.geteuid(), gid=os.getegid(), name=_name(os.geteuid()), is_other=False)
    for path in (state.path, CHECKOUT):
        owner = path.stat()
        if owner.st_uid not in (0, _nobody()) and _has_name(owner.st_uid):
            return ServerUser(uid=owner.st_uid, gid=owner.st_gid, name=_name(owner.st_uid), is_other=True)
    unused = next(id for id in UNUSED_IDS if not _has_name(id))
    return ServerUser(uid=unused, gid=unused, name=None, is_other=True)


def _nobody() -> int:
    """Return the id of `nobody`, which owns nothing."""
    return pwd.getpwnam("nobody").pw_uid


def servers_folder(state: StateDirectory, user: ServerUser) -> Path:
    """Return the folder for the servers' data: in the state directory, or in a shelter that a link there names."""
    place = state.path / "servers"
    if not place.is_symlink() and not place.exists():
        if user.can_pass(state.path):
            return user.make_folder(place)
        sheltered = _shelter() / ("data-" + _digest(str(state.path)))
        user.make_folder(sheltered)
        place.symlink_to(sheltered)
    if not place.exists():
        raise EmbeddedError(
            f"The data of this installation was kept in {place.readlink()}, which is gone. "
            f"Restore it, or remove the link {place} to begin with an empty database."
        )
    if user.is_other and place.stat().st_uid != user.uid:
        user.own(place.resolve())  # it may belong to `nobody`, as whom an earlier release ran the servers
    if not user.can_use(place.resolve()):
        raise EmbeddedError(
            f"The servers run as user {user.name or user.uid}, which can no longer enter {place.resolve()}. "
            "Open the folders above it again (chmod o+x), or choose another --state-dir."
        )
    return place.resolve()


def reachable(root: Path, parts: tuple[str, ...], user: ServerUser) -> Path:
    """Return a folder with these parts of `root` that the user can run programs from: `root` itself, or a copy."""
    if user.can_use(root / parts[0]):
        return root
    # A reinstalled wheel has new times, and so gets a new copy.
    known = [str(root), *(f"{part} {(root / part).stat().st_mtime_ns}" for part in parts)]
    copy = _shelter() / f"programs-{_digest(' '.join(known))}"
    if not copy.exists():
        _copy(root, parts, copy)
    return copy


def _copy(root: Path, parts: tuple[str, ...], copy: Path) -> None:
    """Copy under another name and rename, so that an interrupted copy is never taken for a whole one."""
    fresh = Path(tempfile.mkdtemp(dir=copy.parent, prefix="new-"))
    try:
        for part in parts:
            _copy_part(root / part, fresh / part)
        for path in (fresh, *fresh.rglob("*")):
            if not path.is_symlink():
                path.chmod(0o755 if path.is_dir() or path.stat().st_mode & stat.S_IXUSR else 0o644)
        fresh.rename(copy)
    except OSError as error:
        shutil.rmtree(fresh, ignore_errors=True)
        if not copy.exists():  # otherwise another `up` was faster
            raise EmbeddedError(
                f"The database programs cannot be copied from {root} to {copy}: {error}. "
                "Free some space, or set DATABASE_URL and REDIS_URL to servers that you run yourself."
            ) from error


def _copy_part(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.is_dir():
        shutil.copytree(source, target, symlinks=True, ignore=shutil.ignore_patterns("include", "*.a", "pgxs"))
    else:
        shutil.copy2(source, target)


def _shelter() -> Path:
    """Return a folder that everybody can pass and only root can write; nobody else can plant a program in it."""
    for shelter in SHELTERS:
        try:
            shelter.mkdir(mode=0o755, parents=True, exist_ok=True)
            found = shelter.lstat()
        except OSError:
            continue
        if stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid() and not found.st_mode & 0o022:
            shelter.chmod(0o755)  # ours; a narrow umask may have closed it
            return shelter
    raise EmbeddedError(
        f"No folder for the database servers: none of {', '.join(map(str, SHELTERS))} can be made, or another user "
        "made it before. Move the checkout to a folder that others can enter, or set DATABASE_URL and REDIS_URL."
    )


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def _has_name(uid: int) -> bool:
    try:
        pwd.getpwuid(uid)
    except KeyError:
        return False
    return True


def _name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        # initdb and peer authentication both ask for the name and fail without one.
        raise EmbeddedError(
            f"User id {uid} has no name on this machine, and PostgreSQL needs one. "
            "Add it to /etc/passwd, or set DATABASE_URL to a server that you run yourself."
        ) from None
