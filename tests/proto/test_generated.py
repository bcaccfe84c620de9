"""The generated code is what the .proto files say, and all of it loads together."""

from __future__ import annotations

import importlib
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2] / "proto"


def test_what_is_committed_is_what_would_be_generated() -> None:
    subprocess.run([sys.executable, str(ROOT / "generate.py"), "--check"], check=True, capture_output=True)


def test_all_of_it_loads_together() -> None:
    names = [path.stem for path in (ROOT / "bough_proto" / "v1").glob("*_pb2*.py")]
    assert len(names) >= 4
    for name in names:
        importlib.import_module(f"bough_proto.v1.{name}")
