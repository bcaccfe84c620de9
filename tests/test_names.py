"""One name, one meaning: no class of the product is called as another one is."""

from __future__ import annotations

import ast
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).parents[1]
ROOMS = ("cli/bough_cli", "completion/bough_completion", "daemon/bough_daemon", "merge/bough_merge")


def test_no_class_name_is_there_twice() -> None:
    found: dict[str, list[str]] = defaultdict(list)
    for room in ROOMS:
        for path in ROOT.glob(f"{room}/**/*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.ClassDef):
                    found[node.name].append(str(path.relative_to(ROOT)))
    assert len(found) > 300
    assert {name: paths for name, paths in found.items() if len(paths) > 1} == {}


def test_no_folder_holds_more_modules_than_one_looks_over() -> None:
    folders = {path.parent for room in ROOMS for path in ROOT.glob(f"{room}/**/*.py")}
    counted = {folder: len([*folder.glob("*.py")]) - 1 for folder in folders}  # `__init__` aside
    assert {str(folder.relative_to(ROOT)): count for folder, count in counted.items() if count > 18} == {}
