"""Code that a teammate sent does not run by itself: not by a hook of mine that reaches into the working tree."""

from __future__ import annotations

import os

import pytest
from bough_daemon.api.progress import HookSkipped
from bough_daemon.commands.hop import back, hop, off
from bough_daemon.git.hook_code import MOST_SCRIPTS, Script, code_among, is_data
from bough_daemon.git.objects import EXECUTABLE, TreeEntry
from hypothesis import given
from hypothesis import strategies as st

from tests.daemon.moves_support import Desk, git, merge_both
from tests.daemon.support import write_files

# (what the hook says, files of the tree, what the teammate changed, what of it the hook may run)
CASES = [
    ("tools/check.sh", {}, {"tools/check.sh"}, {"tools/check.sh"}),
    ('exec "$(git rev-parse --show-toplevel)/tools/check.sh"', {}, {"tools/check.sh", "a"}, {"tools/check.sh"}),
    ("./setup", {}, {"setup", "src/setup.py"}, {"setup"}),
    ("cd scripts && ./all", {}, {"scripts/all", "scripts/other", "src/x"}, {"scripts/all", "scripts/other"}),
    ("for f in .hooks.d/*; do $f; done", {}, {".hooks.d/50-lint"}, {".hooks.d/50-lint"}),
    ("sh tools/a.sh", {"tools/a.sh": b". ./b.sh"}, {"tools/b.sh"}, {"tools/b.sh"}),
    ("sh tools/a.sh", {"tools/a.sh": b"python -m lib.run"}, {"lib/run.py", "lib/rest.txt"}, {"lib/run.py"}),
    ('. "$(dirname "$0")/h"', {}, {".husky/post-checkout"}, {".husky/post-checkout"}),
    ("npx lint-staged", {}, {"package.json", ".lintstagedrc.json", "README"}, {"package.json", ".lintstagedrc.json"}),
    ("npm test", {"package.json": b'{"scripts": {"test": "node run/all.js"}}'}, {"run/all.js"}, {"run/all.js"}),
    ("lefthook run pre-commit", {}, {"lefthook.yml", "x.yml"}, {"lefthook.yml"}),
    ("exec pre-commit hook-impl", {}, {".pre-commit-config.yaml"}, {".pre-commit-config.yaml"}),
    ("make check", {"Makefile": b"check:\n\t./x.sh"}, {"x.sh"}, {"x.sh"}),
    ("make check", {}, {"build/rules.mk"}, {"build/rules.mk"}),
    ("'my tools/check it'", {}, {"my tools/check it"}, {"my tools/check it"}),
    ('command -v git-lfs || exit 2; git lfs post-checkout "$@"', {}, {"src/a.py", "docs/b.md"}, set()),
    ("echo switched", {}, {"package.json", "Makefile", "tools/check.sh"}, set()),
    ("../elsewhere/x.sh ~/x /usr/bin/env", {}, {"y.sh"}, set()),
]


@pytest.mark.parametrize(("words", "files", "changed", "code"), CASES, ids=[case[0] for case in CASES])
def test_what_a_hook_may_run(words: str, files: dict[str, bytes], changed: set[str], code: set[str]) -> None:
    hook = Script(b"#!/bin/sh\n" + words.encode() + b"\n")
    assert code_among(changed, [hook], ["post-checkout"], files.get) == sorted(code)
    assert code_among(set(), [hook], ["post-checkout"], files.get) == []


def test_what_is_only_read_is_no_code() -> None:
    assert [path for path in ("a.txt", "LICENSE", "d/x.MD", "run.sh", "a.txt/run") if is_data(path)] == [
        "a.txt",
        "d/x.MD",
    ]


def test_scripts_that_name_each_other_come_to_an_end() -> None:
    read: list[str] = []

    def endless(path: str) -> bytes:
        read.append(path)
        return b" ".join(b"x%d.sh" % number for number in range(len(read), len(read) + 50)) + b" " + path.encode()

    assert code_among({"never"}, [Script(b"x0.sh")], ["post-checkout"], endless) == []
    assert len(read) <= MOST_SCRIPTS + 400


@given(st.binary(), st.sets(st.text(st.characters(exclude_characters="\0", codec="utf-8"), min_size=1)))
def test_nothing_is_made_up(text: bytes, changed: set[str]) -> None:
    assert set(code_among(changed, [Script(text)], ["post-checkout"], lambda _: None)) <= changed


def hook_that_calls(here: Desk, script: str) -> None:
    """Have a post-checkout hook of mine that runs what it finds in the tree."""
    hook = here.root / ".git/hooks/post-checkout"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(f"#!/bin/sh\n{script}\n")
    hook.chmod(0o755)


def ran(here: Desk) -> bool:
    return (here.root / ".git/ran").exists()


def code(here: Desk) -> TreeEntry:
    return TreeEntry(EXECUTABLE, here.store.objects.write_blob(b'#!/bin/sh\ntouch "$(git rev-parse --git-dir)/ran"\n'))


@pytest.mark.parametrize("script", ["[ ! -x tools/setup ] || tools/setup", "make -s setup"])
def test_a_hop_runs_no_code_that_came_with_it(here: Desk, script: str) -> None:
    hook_that_calls(here, script)
    makefile = TreeEntry(EXECUTABLE, here.store.objects.write_blob(b"setup:\n\t@tools/setup\n"))
    here.teammate_with("alice", {"tools/setup": code(here), "Makefile": makefile})
    here.do(hop(here.live, here.terminal, "alice", merge_both))
    assert not ran(here)
    (skipped,) = [told for told in here.terminal.told if isinstance(told, HookSkipped)]
    assert skipped.by == "alice" and "tools/setup" in skipped.paths
    git(here.root, *skipped.command.split(" ")[1:])
    assert ran(here)
    (here.root / ".git/ran").unlink()
    here.do(off(here.live, here.terminal, "mine-now"))
    assert not ran(here)


def test_a_wrapper_that_finds_scripts_by_its_own_name_runs_none_that_came(here: Desk) -> None:
    git(here.root, "config", "core.hooksPath", ".husky/_")
    wrapper = b'#!/bin/sh\n. "$(dirname "$0")/h"\n'
    finds = b's="$(dirname "$(dirname "$0")")/$(basename "$0")"\n[ ! -f "$s" ] || sh "$s"\n'
    write_files(here.root, {".husky/_/post-checkout": wrapper, ".husky/_/h": finds, ".husky/_/.gitignore": b"*\n"})
    (here.root / ".husky/_/post-checkout").chmod(0o755)
    here.teammate_with("alice", {".husky/post-checkout": code(here)})
    here.do(hop(here.live, here.terminal, "alice", merge_both))
    assert (here.root / ".husky/post-checkout").exists() and not ran(here)
    (skipped,) = here.terminal.told
    assert isinstance(skipped, HookSkipped) and skipped.paths == [".husky/post-checkout"]
    here.do(back(here.live, here.terminal))
    assert not ran(here)


def test_hooks_that_run_nothing_that_came_run_as_ever(here: Desk) -> None:
    hook_that_calls(here, 'touch "$(git rev-parse --git-dir)/ran"')
    here.teammate_with("alice", {"tools/setup": code(here)})
    here.do(hop(here.live, here.terminal, "alice", merge_both))
    assert ran(here)
    os.unlink(here.root / ".git/ran")
    here.do(back(here.live, here.terminal))
    assert ran(here)
