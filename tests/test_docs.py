"""What the documents name is there: files, headings, commands, and the functions of the walks through the code."""

from __future__ import annotations

import ast
import re
from pathlib import Path

from bough_cli.main import COMMANDS, GROUPS

ROOT = Path(__file__).resolve().parents[1]
DOCS = {doc.relative_to(ROOT): doc.read_text() for doc in [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")]}
SOURCES = {"bough_cli": "cli", "bough_daemon": "daemon", "bough_merge": "merge", "bough_completion": "completion"}
BLOCK = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\((?!https?:)([^()\s]+)\)")
TYPED = re.compile(r"`bough ([a-z][^`]*)`")
# | `room` | `module.function`, … | what happens |
STEP = re.compile(r"^\| `([\w.]+)` \| (`[^|]+`) \| [^|]+ \|$", re.MULTILINE)
FEATURE = re.compile(r"^\| [^|]+ \| (`.*)\|$", re.MULTILINE)
WALKS, FEATURES = DOCS[Path("docs/architecture.md")].split("## Feature → files")


def test_every_link_leads_to_a_file_and_a_heading() -> None:
    links = [(doc, link) for doc, text in DOCS.items() for link in LINK.findall(BLOCK.sub("", text))]
    assert len(links) > 50
    assert [f"{doc}: {link}" for doc, link in links if not _leads(doc, link)] == []


def test_every_command_and_option_that_is_named_exists() -> None:
    pages = (ROOT / "tests/cli/help.txt").read_text().split("Usage: bough ")[2:]
    help_of = {page.split()[0]: page for page in pages}
    typed = [(doc, command.split()) for doc, text in DOCS.items() for command in TYPED.findall(text)]
    assert len(typed) > 100
    unknown = [f"{doc}: bough {words[0]}" for doc, words in typed if words[0] not in {*COMMANDS, *GROUPS, "help"}]
    assert unknown == []
    for doc, (name, *words) in typed:
        page = help_of.get(name, "")
        assert not page or all(word in page for word in words if word.startswith("--")), f"{doc}: bough {name} {words}"


def test_the_readme_names_every_command() -> None:
    table = DOCS[Path("README.md")].split("## Commands")[1].split("\n## ")[0]
    assert COMMANDS.keys() | GROUPS.keys() <= set(re.findall(r"[a-z][a-z-]+", table))


def test_the_walks_through_the_code_name_functions_that_there_are() -> None:
    steps = [(room, name) for room, cell in STEP.findall(WALKS) for name in re.findall(r"`([^`]+)`", cell)]
    assert len(steps) > 100
    assert [f"{room}: {name}" for room, name in steps if not _is_there(room, name)] == []


def test_the_table_of_features_names_files_that_there_are() -> None:
    files = [file for row in FEATURE.findall(FEATURES) for file in _files_in(row)]
    assert len(files) > 70
    assert [file for file in files if not [*ROOT.glob(file)] and not [*ROOT.glob(f"{file}.py")]] == []


def _leads(doc: Path, link: str) -> bool:
    path, _, heading = link.partition("#")
    target = (ROOT / doc.parent / path).resolve() if path else ROOT / doc
    if not heading:
        return target.exists()
    text = BLOCK.sub("", target.read_text())
    titles = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return heading in {re.sub(r"[^\w\- ]", "", title).lower().replace(" ", "-") for title in titles}


def _is_there(room: str, name: str) -> bool:
    """Return whether a room (of the daemon, where no package is named) has a module with such a function or class."""
    parts = [*(room if room.startswith("bough_") else f"bough_daemon.{room}").split("."), *name.split(".")]
    for count in range(len(parts) - 1, 0, -1):
        module = ROOT.joinpath(SOURCES[parts[0]], *parts[:count]).with_suffix(".py")
        if module.is_file():
            return _defines(ast.parse(module.read_text()).body, parts[count:])
    return False


def _defines(body: list[ast.stmt], names: list[str]) -> bool:
    for name in names:
        found = next((one for one in body if getattr(one, "name", None) == name), None)
        if found is None:
            return False
        body = getattr(found, "body", [])
    return True


def _files_in(row: str) -> list[str]:
    """Return the paths that a row names; a name alone is in the folder of the one before it, or in the daemon's."""
    files, folder = list[str](), ""
    for name in re.findall(r"`([^`]+)`", row):
        top, _, below = name.partition("/")
        if top in SOURCES:
            path = f"{SOURCES[top]}/{name}"
        elif top == "proto":
            path = name
        elif below or not folder:
            path = f"daemon/bough_daemon/{name}"
        else:
            path = f"{folder}/{name}"
        files.append(path)
        folder = path.rpartition("/")[0]
    return files
