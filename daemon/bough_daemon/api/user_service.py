"""The daemon as a service of the user's session, so that saves are recorded after a reboot without any command.

systemd's user manager (https://www.freedesktop.org/software/systemd/man/latest/systemd.service.html) or launchd; both
start what `bough up` would start, which resumes the live working trees.
"""

from __future__ import annotations

import hashlib
import os
import plistlib
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

from bough_daemon.errors import NoServiceManager, ServiceRefused
from bough_daemon.home import Home
from bough_daemon.system.durable import write_whole

KEPT = ("PATH", "LANG", "SSH_AUTH_SOCK")  # from the terminal: git and its filters are found through them


@dataclass(frozen=True)
class UserService:
    """The service of one home: the file that describes it, and the commands that enable and disable it."""

    path: str
    content: bytes
    on: tuple[tuple[str, ...], ...]
    off: tuple[tuple[str, ...], ...]

    @property
    def is_installed(self) -> bool:
        """Return whether the service is installed, by this Bough or an earlier one."""
        return os.path.exists(self.path)

    @property
    def is_current(self) -> bool:
        """Return whether the file is what this Bough would write: Bough may have been moved since."""
        with suppress(FileNotFoundError), open(self.path, "rb") as source:
            return source.read() == self.content
        return False

    def install(self) -> None:
        """Write the file and enable the service; raise ServiceRefused, leaving nothing installed."""
        os.makedirs(os.path.dirname(self.path), exist_ok=True)
        write_whole(self.path, self.content)
        try:
            for command in self.on:
                _run(command)
        except ServiceRefused:
            self.remove()
            raise

    def remove(self) -> None:
        """Disable the service and remove its file."""
        for command in self.off:
            with suppress(ServiceRefused):  # it may be disabled
                _run(command)
        with suppress(FileNotFoundError):
            os.remove(self.path)


def service_of(home: Home, environment: Mapping[str, str]) -> UserService:
    """Return the service of a home on this system, or raise NoServiceManager."""
    label = _label(home, environment)
    variables = {name: environment[name] for name in KEPT if environment.get(name)} | {"BOUGH_HOME": home.root}
    command = [sys.executable, "-P", "-m", "bough_daemon"]
    if sys.platform == "darwin":
        return _launchd(home, label, command, variables)
    if _has_systemd(environment):
        return _systemd(label, command, variables, environment)
    raise NoServiceManager("this session has no systemd and no launchd")


def offers_service(home: Home, environment: Mapping[str, str]) -> bool:
    """Return whether to suggest the service to the user: once, if this system supports it and it is not installed."""
    told = home.path("service-offered")
    with suppress(NoServiceManager, OSError):
        if not service_of(home, environment).is_installed and not os.path.exists(told):
            write_whole(told, b"")
            return True
    return False


def _label(home: Home, environment: Mapping[str, str]) -> str:
    """Return the name of a home's service: `bough` for the default one."""
    default = Home.from_environment({name: value for name, value in environment.items() if name != "BOUGH_HOME"})
    return "bough" if home.root == default.root else f"bough-{hashlib.sha256(os.fsencode(home.root)).hexdigest()[:8]}"


def _has_systemd(environment: Mapping[str, str]) -> bool:
    runtime = environment.get("XDG_RUNTIME_DIR") or f"/run/user/{os.getuid()}"
    return os.path.isdir(os.path.join(runtime, "systemd"))


def _systemd(
    label: str, command: list[str], variables: Mapping[str, str], environment: Mapping[str, str]
) -> UserService:
    config = environment.get("XDG_CONFIG_HOME") or os.path.join(os.path.expanduser("~"), ".config")
    unit = f"{label}.service"
    content = _unit(
        "Bough: every save on a live branch",
        command,
        variables,
        service=("Restart=on-failure", "RestartSec=5"),
        target="default.target",
    )
    asked = ("systemctl", "--user")
    return UserService(
        os.path.join(config, "systemd", "user", unit),
        content.encode("utf-8", "surrogateescape"),
        ((*asked, "daemon-reload"), (*asked, "enable", "--now", unit)),
        ((*asked, "disable", unit),),
    )


def hub_unit(folder: str, user: str) -> str:
    """Return a system-wide systemd unit that keeps a user's hub in a folder running."""
    return _unit(
        "Bough hub: keeps every branch of a team",
        [sys.executable, "-P", "-m", "bough_daemon", "--stay"],
        {"BOUGH_HOME": folder},
        unit=("After=network-online.target", "Wants=network-online.target"),
        service=(
            f"User={user}",
            "Restart=always",
            "RestartSec=5",
            "NoNewPrivileges=yes",
            "ProtectSystem=strict",
            f"ReadWritePaths={_word(folder)}",
        ),
        target="multi-user.target",
    )


def _unit(
    description: str,
    command: Sequence[str],
    variables: Mapping[str, str],
    *,
    service: Sequence[str],
    target: str,
    unit: Sequence[str] = (),
) -> str:
    """Return a systemd unit that runs a command. `unit`, `service`: additional lines for these sections."""
    lines = [
        "[Unit]",
        f"Description={description}",
        *unit,
        "",
        "[Service]",
        f"ExecStart={' '.join(_word(word).replace('$', '$$') for word in command)}",
        *(f"Environment={_word(f'{name}={value}')}" for name, value in variables.items()),
        *service,
        "",
        "[Install]",
        f"WantedBy={target}",
        "",
    ]
    return "\n".join(lines)


def _word(text: str) -> str:
    """Return a word as systemd reads it: quoted, with specifiers escaped."""
    plain = text.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%").replace("\n", "\\n")
    return f'"{plain}"'


def _launchd(home: Home, label: str, command: list[str], variables: Mapping[str, str]) -> UserService:
    name = f"dev.bough.{label}"
    path = os.path.join(os.path.expanduser("~"), "Library", "LaunchAgents", f"{name}.plist")
    said = {
        "Label": name,
        "ProgramArguments": command,
        "EnvironmentVariables": dict(variables),
        "RunAtLoad": True,
        "KeepAlive": {"SuccessfulExit": False},
        "ProcessType": "Background",
        "StandardOutPath": home.log,
        "StandardErrorPath": home.log,
    }
    session = f"gui/{os.getuid()}"
    on, off = ("launchctl", "bootstrap", session, path), ("launchctl", "bootout", f"{session}/{name}")
    return UserService(path, plistlib.dumps(said), (on,), (off,))


def _run(command: tuple[str, ...]) -> None:
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=False, timeout=60)
    except (OSError, subprocess.TimeoutExpired) as failure:
        raise ServiceRefused(f"`{' '.join(command)}` failed: {failure}") from failure
    if done.returncode != 0:
        words = done.stderr.decode(errors="replace").strip() or f"it ended with {done.returncode}"
        raise ServiceRefused(f"`{' '.join(command)}` failed: {words}")
