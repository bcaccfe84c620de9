"""Find which files of the working tree a hook would run: code that a teammate sent must not run by itself.

Nobody can tell what a program will run. But a hook that uses the working tree has to name a file, a folder or a module
there, or a tool that takes its commands from a well-known file. What those files name counts too. So hooks that name
nothing that has changed run as usual, and others wait for a person.
"""

from __future__ import annotations

import os
import posixpath
import re
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass

LIMIT_BYTES = 64_000  # of one script that is searched for names
MOST_SCRIPTS = 200  # that are followed
WORD = re.compile(rb"[\w.@+~/-]+")
DATA = frozenset("txt md rst adoc csv tsv html css svg png jpg jpeg gif ico pdf po mo lock sum".split())  # suffixes
NODE = ("package.json", r"\.?lint-?staged.*", r"\.?huskyrc.*", r"\.npmrc", r"\.yarnrc.*", r"\.pnp\..*")
PYTHON = ("pyproject.toml", "setup.cfg", "tox.ini", "noxfile.py", "tasks.py", "conftest.py", "pytest.ini")
LEFTHOOK = (r"\.?lefthook.*",)
PRE_COMMIT = (r"\.pre-commit-.*",)

# The files that tools take their commands from, by the tool's name in a script.
TOOLS: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(("npm", "npx", "yarn", "pnpm", "bun", "bunx", "node", "husky", "lint-staged", "corepack"), NODE),
    **dict.fromkeys(("python", "python3", "uv", "uvx", "poetry", "pdm", "hatch", "tox", "nox", "invoke"), PYTHON),
    **dict.fromkeys(("pytest", "mypy", "ruff"), PYTHON),
    **dict.fromkeys(("lefthook", "lefthook.rc"), LEFTHOOK),
    **dict.fromkeys(("pre-commit", "pre_commit", "prek"), PRE_COMMIT),
    **dict.fromkeys(("make", "gmake"), ("Makefile", "makefile", "GNUmakefile", r".*\.mk")),
    **dict.fromkeys(("just",), (r"\.?justfile", r".*\.just")),
    **dict.fromkeys(("task",), (r"taskfile\..*",)),
    **dict.fromkeys(("overcommit",), (r"\.overcommit.*",)),
    **dict.fromkeys(("captainhook",), (r"captainhook\..*",)),
    **dict.fromkeys(("composer", "php", "grumphp"), ("composer.json", r"grumphp\..*")),
    **dict.fromkeys(("rake", "bundle", "ruby", "rails"), ("Rakefile", "Gemfile", r".*\.gemspec")),
    **dict.fromkeys(("cargo",), ("Cargo.toml", "build.rs")),
    **dict.fromkeys(("go",), ("go.mod", r".*\.go")),
    **dict.fromkeys(("gradle", "gradlew", "mvn", "mvnw", "sbt"), (r".*\.gradle(\.kts)?", r"pom\.xml", r".*\.sbt")),
    **dict.fromkeys(("dotnet", "husky.net"), (r".*\.csproj", r".*\.props", r".*\.targets", r"task-runner\.json")),
    **dict.fromkeys(("mix", "elixir"), (r"mix\.exs",)),
    **dict.fromkeys(("direnv",), (r"\.envrc",)),
    **dict.fromkeys(("mise", "asdf"), (r"\.?mise.*", r"\.tool-versions")),
    **dict.fromkeys(("nix", "nix-shell", "devenv"), (r".*\.nix", r"flake\.lock")),
    **dict.fromkeys(("docker", "docker-compose", "podman"), (r"(docker-)?compose.*", r"dockerfile.*")),
}


@dataclass(frozen=True)
class Script:
    """The code of a hook: its text, and the folder that it is in, relative to the top of the working tree."""

    text: bytes
    folder: str = ""


def is_data(path: str) -> bool:
    """Return whether a file, by its name, is never run, so that a hook which names it only reads it."""
    return posixpath.splitext(path)[1].lower().lstrip(".") in DATA


def code_among(
    changed: Collection[str], hooks: Iterable[Script], names: Iterable[str], read: Callable[[str], bytes | None]
) -> list[str]:
    """Return those of the `changed` paths that hooks may run, sorted.

    `names`: of the hooks, which wrappers use to find files. `read`: returns the content of a file of the working tree,
    or None.
    """
    if not changed:
        return []
    search = _Search(changed, read)
    search.follow(Script(b" ".join(name.encode() for name in names)))
    for script in hooks:
        search.follow(script)
    return sorted(search.found)


class _Search:
    def __init__(self, changed: Collection[str], read: Callable[[str], bytes | None]) -> None:
        self.found: set[str] = set()
        self._read = read
        self._seen: set[str] = set()
        self._changed = frozenset(changed)
        self._by_name: dict[str, set[str]] = {}
        self._below: dict[str, set[str]] = {}
        for path in changed:
            self._by_name.setdefault(posixpath.basename(path), set()).add(path)
            folder = posixpath.dirname(path)
            while folder:
                self._below.setdefault(folder, set()).add(path)
                folder = posixpath.dirname(folder)

    def follow(self, script: Script) -> None:
        """Follow what a script names, recursively."""
        pending = [script]
        while pending and len(self._seen) < MOST_SCRIPTS:
            at = pending.pop()
            for name in {os.fsdecode(word) for word in WORD.findall(at.text[:LIMIT_BYTES])}:
                for path in self._named(name, at.folder):
                    text = self._read(path) if path not in self._seen else None
                    self._seen.add(path)
                    if text is not None:
                        pending.append(Script(text, posixpath.dirname(path)))
            self.found |= {path for path in self._changed if " " in path and os.fsencode(path) in at.text}

    def _named(self, name: str, folder: str) -> set[str]:
        """Record the changed paths that a word may mean, and return the other paths that it may mean."""
        self.found |= self._by_name.get(posixpath.basename(name), set())
        paths = {_normal(name), _normal(posixpath.join(folder, name.lstrip("/")))}
        if re.fullmatch(r"\w+(\.\w+)+|\w+", name):
            paths |= {f"{name.replace('.', '/')}.py", f"{name.replace('.', '/')}/__main__.py"}
        for path in paths:
            self.found |= self._below.get(path, set()) | ({path} & self._changed)
        for pattern in TOOLS.get(posixpath.basename(name).lower(), ()):
            self.found |= {
                path
                for known, of in self._by_name.items()
                if re.fullmatch(pattern, known, re.IGNORECASE)
                for path in of
            }
            paths |= {pattern} if re.fullmatch(r"[\w.-]+", pattern) else set()
        return {path for path in paths if path and path not in self._changed}


def _normal(name: str) -> str:
    """Return a name as a path from the top of the working tree; empty if it leads out of it."""
    path = posixpath.normpath(name.lstrip("/~")) if name.strip("/.~") else ""
    return "" if path in (".", "..") or path.startswith("../") else path
