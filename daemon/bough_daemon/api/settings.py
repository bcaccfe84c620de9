"""The user's settings: `config.toml` in the home, written by `bough config` or by hand, read by the daemon.

They are the user's alone. Nothing here is read from a repository: a `remote` named there could send code elsewhere.
"""

from __future__ import annotations

import fcntl
import os
import tomllib
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from bough_daemon.api.keep_ages import EVERYTHING, USUAL, wrong_keep
from bough_daemon.errors import BadSetting, BadUsage, BadValue, NoSetting
from bough_daemon.home import Home
from bough_daemon.system.addresses import parse_advertised, parse_listen
from bough_daemon.system.durable import write_whole

Value = bool | int | str
TRUE, FALSE = {"true", "yes", "on", "1"}, {"false", "no", "off", "0"}


@dataclass(frozen=True)
class Setting:
    """One setting. `wrong` returns what is wrong with a value of the right type, or an empty string."""

    default: Value
    meaning: str
    wrong: Callable[[Any], str] = field(default=lambda value: "")


def _one_of(*words: str) -> Callable[[str], str]:
    return lambda value: "" if value in words else f"it must be one of {', '.join(words)}"


def _between(least: int, most: int) -> Callable[[int], str]:
    return lambda value: "" if least <= value <= most else f"it must be between {least} and {most}"


def _port(number: int) -> str:
    return "" if number == 0 or 1024 <= number <= 65535 else "it must be 0, or between 1024 and 65535"


def _memory(mebibytes: int) -> str:
    return "" if mebibytes == 0 or mebibytes >= 256 else "it must be 0 (no limit) or at least 256"


def _address(url: str) -> str:
    """Return what is wrong with the address of a server; an empty one is valid."""
    with suppress(ValueError):
        parts = urlsplit(url)
        if not url or (parts.scheme in ("http", "https") and parts.hostname and parts.port != 0 and not parts.username):
            return ""
    return "it must be a URL like https://HOST:PORT/v1, without a user name or password"


def _file(path: str) -> str:
    return "" if not path or os.path.isabs(os.path.expanduser(path)) else "it must be an absolute path"


def _listen(address: str) -> str:
    try:
        if address:
            parse_listen(address)
    except BadUsage:
        return "it must be HOST, HOST:PORT or :PORT"
    return ""


def _advertise(addresses: str) -> str:
    try:
        parse_advertised(addresses)
    except BadUsage:
        return "it must be HOST:PORT, with commas between several"
    return ""


KEYS: Mapping[str, Setting] = {
    "team.listen": Setting(
        "", "where teammates connect: HOST, HOST:PORT or :PORT; empty: as given by the last `--listen`", _listen
    ),
    "worktree.folder": Setting("", "where `bough agent` makes working trees; empty: in Bough's own folder", _file),
    "land.notes": Setting(True, "keep comments on what lands as notes: `git log --notes=bough` shows them"),
    "team.port": Setting(0, "port where teammates connect; new members use the next one; 0: any", _port),
    "team.advertise": Setting(
        "", "HOST:PORT that teammates are told, of a port forward, container or VPN; commas between several", _advertise
    ),
    "team.discovery": Setting(True, "look for missing teammates on private local networks"),
    "together.guests": Setting(
        "fold",
        "whether edits of teammates in your branch (`bough hop`) come into your files: fold, ask (you first) or off",
        _one_of("fold", "ask", "off"),
    ),
    "store.limit_gb": Setting(
        0, "GB that the snapshots of one repository may take; 0: a quarter of the free space", _between(0, 1_000_000)
    ),
    "store.keep": Setting(
        EVERYTHING, f"how long snapshots are kept: everything, or thinner with age, such as {USUAL}", wrong_keep
    ),
    "completion.enabled": Setting(True, "suggest completions"),
    "completion.model": Setting("", "a model of `bough model list`; empty: the one in use; none: no model"),
    "completion.device": Setting("auto", "where the model runs: auto, cpu or cuda", _one_of("auto", "cpu", "cuda")),
    "completion.threads": Setting(2, "cores that completion may use", _between(1, 1024)),
    "completion.memory": Setting(0, "MiB of memory that completion may use; 0: no limit", _memory),
    "completion.remote": Setting(
        "", "URL of an OpenAI-compatible server, which is sent the code around the cursor", _address
    ),
    "completion.remote_model": Setting("", "the name of the model on that server"),
    "completion.remote_key_file": Setting("", "the file with the API key of that server", _file),
    "completion.http_port": Setting(0, "port of the HTTP door on 127.0.0.1; 0: closed", _port),
}


@dataclass(frozen=True)
class UserSettings:
    """The settings that the user changed; the others have their defaults."""

    values: Mapping[str, Value] = field(default_factory=dict)

    def value(self, key: str) -> Value:
        """Return the value of a key."""
        return self.values.get(key, setting(key).default)

    def text(self, key: str) -> str:
        """Return the value of a key whose values are strings."""
        return str(self.value(key))

    def number(self, key: str) -> int:
        """Return the value of a key whose values are numbers."""
        return int(self.value(key))


def setting(key: str) -> Setting:
    """Return the setting with this name, or raise BadUsage."""
    found = KEYS.get(key)
    if found is None:
        raise NoSetting(f"there is no setting {key}")
    return found


def parse(key: str, text: str) -> Value:
    """Return the value of a text, or raise BadUsage."""
    kind = type(setting(key).default)
    value: Value = text
    if kind is bool:
        if text.lower() not in TRUE | FALSE:
            raise BadValue(f"{key} cannot be {text!r}: it must be true or false")
        value = text.lower() in TRUE
    elif kind is int:
        try:
            value = int(text)
        except ValueError:
            raise BadValue(f"{key} cannot be {text!r}: it must be a number") from None
    wrong = _wrong(key, value)
    if wrong:
        raise BadValue(f"{key} cannot be {text!r}: {wrong}")
    return value


def read_settings(home: Home) -> UserSettings:
    """Read the file; raise BadSetting if it is not TOML or has an unknown setting or an invalid value."""
    path = path_of(home)
    try:
        with open(path, "rb") as source:
            said = tomllib.load(source)
    except FileNotFoundError:
        return UserSettings()
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as failure:
        raise BadSetting(f"{path} is not TOML: {failure}", path=path) from None
    except OSError as failure:
        raise BadSetting(f"{path} cannot be read: {failure.strerror}", path=path) from None
    values: dict[str, Value] = {}
    for table, content in said.items():
        if not isinstance(content, dict):
            raise BadSetting(f"{path}: there is no setting {table}", path=path)
        for name, value in content.items():
            key = f"{table}.{name}"
            if key not in KEYS:
                raise BadSetting(f"{path}: there is no setting {key}", path=path)
            wrong = _wrong(key, value)
            if wrong:
                raise BadSetting(f"{path}: {key} cannot be {value!r}: {wrong}", path=path)
            values[key] = value
    return UserSettings(values)


def change(home: Home, key: str, value: Value | None) -> None:
    """Set a key, or remove it with None. The file is replaced atomically; its comments are kept."""
    import tomlkit  # only writing needs it, and it takes a while to import

    setting(key)
    home.make()
    path = os.path.realpath(path_of(home))  # the file may be a symlink
    with open(home.path("config.lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        read_settings(home)
        document = tomlkit.document()
        with suppress(FileNotFoundError), open(path, encoding="utf-8") as source:
            document = tomlkit.load(source)
        table, _, name = key.partition(".")
        section = document.get(table)
        if value is None:
            if section is None or section.pop(name, None) is None:
                return
        else:
            if section is None:
                section = document[table] = tomlkit.table()
            section[name] = value
        write_whole(path, tomlkit.dumps(document).encode())


def path_of(home: Home) -> str:
    """Return the path of the settings file."""
    return home.path("config.toml")


def _wrong(key: str, value: object) -> str:
    """Return what is wrong with a value, or an empty string."""
    known = KEYS[key]
    if type(value) is not type(known.default):
        return {bool: "it must be true or false", int: "it must be a number", str: "it must be a string"}[
            type(known.default)
        ]
    if isinstance(value, str) and not value.isprintable():
        return "it has unprintable characters"
    return known.wrong(value)
