"""Nothing that crosses the border of a process, or lies on a disk, is code to whoever reads it."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
ROOMS = ("cli", "daemon", "merge", "completion", "proto")
# What reads code out of bytes, and what does so for its callers.
UNSAFE_MODULES = {"pickle", "_pickle", "marshal", "shelve", "dill", "cloudpickle", "joblib", "multiprocessing"}
UNSAFE_NAMES = {"ProcessPoolExecutor", "allow_pickle", "eval", "exec"}


def unsafe_in(source: str) -> Iterator[str]:
    """Yield what a module's text uses of these."""
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Import(names):
                yield from (one.name for one in names if one.name.partition(".")[0] in UNSAFE_MODULES)
            case ast.ImportFrom(module, names):
                if module is not None and module.partition(".")[0] in UNSAFE_MODULES:
                    yield module
                yield from (one.name for one in names if one.name in UNSAFE_NAMES)
            case ast.Attribute(_, name) | ast.Name(name) if name in UNSAFE_NAMES - {"eval", "exec"}:
                yield name
            case ast.Call(ast.Name("eval" | "exec" as name)):
                yield name
            case ast.keyword("allow_pickle", value) if not (isinstance(value, ast.Constant) and value.value is False):
                yield "allow_pickle"


def test_no_process_reads_code_out_of_what_another_wrote() -> None:
    files = [path for room in ROOMS for path in (ROOT / room).rglob("*.py")]
    assert len(files) > 200
    found = {str(path.relative_to(ROOT)): list(unsafe_in(path.read_text())) for path in files}
    assert {path: names for path, names in found.items() if names} == {}


@pytest.mark.parametrize(
    "source",
    [
        "import pickle",
        "import os, multiprocessing.connection as c",
        "from multiprocessing import Pipe",
        "from concurrent.futures import ProcessPoolExecutor",
        "import concurrent.futures\nconcurrent.futures.ProcessPoolExecutor()",
        "numpy.load(file, allow_pickle=True)",
        "def f():\n    import marshal",
        "eval(text)",
    ],
)
def test_the_check_sees_what_it_is_for(source: str) -> None:
    assert list(unsafe_in(source))
