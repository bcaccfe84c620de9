"""The environment of the user's terminal, as far as git and its filters depend on it.

A daemon outlives the terminal that started it, so its own environment says little about where the user works now. Each
command brings the variables that decide which programs are found, which settings they read, and how they reach a key.
The rest is ignored: it differs between any two terminals, and every difference restarts the git children.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache

TAKEN = re.compile(
    r"PATH|HOME|USER|LOGNAME|SHELL|LANG|LANGUAGE|LC_\w+|TZ"
    r"|XDG_\w+_(HOME|DIRS)|GIT_CONFIG_(GLOBAL|SYSTEM|NOSYSTEM)"  # where git's configuration is
    r"|LD_LIBRARY_PATH|VIRTUAL_ENV|CONDA_PREFIX|PYTHONPATH|NODE_PATH|GEM_(HOME|PATH)|JAVA_HOME"  # what a filter runs on
    r"|GNUPGHOME|SSH_AUTH_SOCK|XDG_RUNTIME_DIR"  # keys of a filter that encrypts
    r"|(HTTPS?|ALL|NO)_PROXY|(https?|all|no)_proxy"  # a filter that downloads
)
NOTHING: Mapping[str, str] = {}
CONFIGURES = re.compile(r"HOME|XDG_CONFIG_HOME|GIT_CONFIG_\w+")
PASSING = re.compile(
    r"SSH_AUTH_SOCK|XDG_RUNTIME_DIR|\w+_(PROXY|proxy)"
)  # ends with the login, or may contain a password


def taken(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the variables that a command sends to the daemon."""
    return {name: value for name, value in environment.items() if TAKEN.fullmatch(name)}


def configures(variables: Mapping[str, str]) -> dict[str, str]:
    """Return the variables that decide which configuration git reads."""
    return {name: value for name, value in variables.items() if CONFIGURES.fullmatch(name)}


def lasting(variables: Mapping[str, str]) -> dict[str, str]:
    """Return the variables that may be kept until the daemon runs again."""
    return {name: value for name, value in variables.items() if not PASSING.fullmatch(name)}


class UserEnvironment:
    """The environment of the user's latest command in one working tree; empty until one ran. Any thread may read it."""

    def __init__(self, variables: Mapping[str, str] | None = None) -> None:
        self.variables: Mapping[str, str] = dict(variables or {})

    def over(self, own: Mapping[str, str]) -> dict[str, str]:
        """Return a process's own environment with the user's variables in place of its own."""
        variables = self.variables
        if not variables:
            return dict(own)
        return {name: value for name, value in own.items() if not _is_taken(name)} | dict(variables)


@cache
def _is_taken(name: str) -> bool:
    return TAKEN.fullmatch(name) is not None


def in_plain_words(environment: Mapping[str, str]) -> dict[str, str]:
    """Return an environment in which programs speak English and otherwise follow the user's locale.

    `LC_ALL`, which would also set the language, is replaced by its value for every other category.
    """
    every = environment.get("LC_ALL")
    kept = {name: value for name, value in environment.items() if not (every and name.startswith("LC_"))}
    kept.pop("LC_ALL", None)
    return kept | ({"LANG": every} if every else {}) | {"LC_MESSAGES": "C"}
