"""The home: a user's keys, teams, logs and settings; and the environment, read once when a process starts."""

from __future__ import annotations

import contextlib
import hashlib
import os
import stat
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from bough_daemon.errors import HomeUnusable, PathTooLong
from bough_daemon.faults import fault_of, not_permitted

SOCKET_LIMIT_BYTES = 100
SUN_PATH_BYTES = 103  # its size on macOS; on Linux it is 107


@dataclass(frozen=True)
class Home:
    """One user's folder (0700), created when it is first needed.

    `root`: the folder, an absolute path. `idle_seconds`: how long the daemon stays when nothing is live. `clone_name`:
    the clone that the folder is for, empty for the user's own.
    """

    root: str
    runtime: str
    idle_seconds: float = 600.0
    clone_name: str = ""

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Home:
        """Read `BOUGH_HOME` (default: the XDG state folder) and `BOUGH_IDLE_SECONDS`."""
        state = environment.get("XDG_STATE_HOME") or os.path.join(os.path.expanduser("~"), ".local", "state")
        root = os.path.realpath(environment.get("BOUGH_HOME") or os.path.join(state, "bough"))
        runtime = environment.get("XDG_RUNTIME_DIR") or tempfile.gettempdir()
        return cls(root, runtime, float(environment.get("BOUGH_IDLE_SECONDS") or 600.0))

    @classmethod
    def of_hub(cls, environment: Mapping[str, str], folder: str = "") -> Home:
        """Return the home of a hub: `folder`, or by default the XDG state folder, separate from its user's own."""
        state = environment.get("XDG_STATE_HOME") or os.path.join(os.path.expanduser("~"), ".local", "state")
        return cls.from_environment({**environment, "BOUGH_HOME": folder or os.path.join(state, "bough-hub")})

    def path(self, *parts: str) -> str:
        """Return a path below the folder."""
        return os.path.join(self.root, *parts)

    def clone(self, name: str) -> Home:
        """Return the folder, inside this one, of a clone that is a separate member."""
        return replace(self, root=self.path("clones", name), clone_name=name)

    def make(self) -> None:
        """Create the folder, readable by its user alone, or raise HomeUnusable.

        Its own `.gitignore` keeps the keys out of every snapshot if it is inside a working tree.
        """
        with self.used():
            os.makedirs(self.root, mode=0o700, exist_ok=True)
            os.chmod(self.root, 0o700)
            with open(self.path(".gitignore"), "w", opener=_private) as ignores:
                ignores.write("*\n")

    @contextlib.contextmanager
    def used(self) -> Iterator[None]:
        """Raise HomeUnusable for a system failure in the block."""
        try:
            yield
        except OSError as failure:
            fault = fault_of(failure)
            hint = {"hint": fault.facts["hint"]} if "hint" in fault.facts else {}
            words = fault.message if hint else failure.strerror
            raise HomeUnusable(f"{self.root} cannot be used as a home: {words}", home=self.root, **hint) from failure

    @property
    def socket(self) -> str:
        """The control socket: in the folder, or in a short runtime folder if that path would be too long."""
        inside = self.path("control.sock")
        if len(os.fsencode(inside)) < SOCKET_LIMIT_BYTES:
            return inside
        short = hashlib.sha256(os.fsencode(self.root)).hexdigest()[:16]
        return os.path.join(self.runtime, f"bough-{os.getuid()}-{short}", "control.sock")

    def make_socket_folder(self) -> None:
        """Create the folder of the control socket, for this user alone; raise HomeUnusable if another user has it.

        Raise PathTooLong if the runtime folder's path is too long as well.
        """
        if len(os.fsencode(self.socket)) > SUN_PATH_BYTES:
            hint = "Set XDG_RUNTIME_DIR or BOUGH_HOME to a folder of yours with a shorter path."
            raise PathTooLong(f"the path of the control socket is too long: {self.socket}", path=self.socket, hint=hint)
        with self.used(), contextlib.suppress(FileExistsError):
            os.mkdir(os.path.dirname(self.socket), 0o700)
        self.check_socket_folder()

    def check_socket_folder(self) -> None:
        """Raise HomeUnusable if others may access the folder of the control socket.

        Anyone may be able to write in the short runtime folder, and the first user to create it could impersonate the
        daemon. The home itself is closed to others when it is created; until then nothing in it may be another user's:
        raise NotPermitted.
        """
        folder = os.path.dirname(self.socket)
        if folder == self.root:
            _check_owner(folder)
            _check_owner(self.socket)
            return
        try:
            found = os.lstat(folder)
        except (FileNotFoundError, NotADirectoryError):
            return
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid() or found.st_mode & 0o077:
            hint = f"Remove {folder}, or set XDG_RUNTIME_DIR or BOUGH_HOME to a shorter folder of your own."
            raise HomeUnusable(f"{folder} is accessible to other users", home=self.root, hint=hint)

    @property
    def lock(self) -> str:
        """The file that the running daemon keeps locked."""
        return self.path("daemon.lock")

    @property
    def log(self) -> str:
        """The daemon's log."""
        return self.path("daemon.log")


def _check_owner(path: str) -> None:
    with contextlib.suppress(FileNotFoundError, NotADirectoryError):
        if os.lstat(path).st_uid != os.geteuid():
            raise not_permitted(path)


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
