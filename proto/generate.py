"""Generate the Python code of every .proto file; it is committed next to them.

usage: python proto/generate.py [--check]

`--check` writes nothing and exits 1 when what is committed is not what would be made.
"""

from __future__ import annotations

import sys
import tempfile
from importlib.resources import files
from pathlib import Path

from grpc_tools import protoc

ROOT = Path(__file__).resolve().parent
PACKAGE = Path("bough_proto") / "v1"


def generate(out: Path) -> None:
    """Write the modules and stubs of all .proto files below `out`."""
    sources = sorted(str(path.relative_to(ROOT)) for path in (ROOT / PACKAGE).glob("*.proto"))
    well_known = str(files("grpc_tools") / "_proto")
    plugins = [f"--{kind}_out={out}" for kind in ("python", "grpc_python", "mypy", "mypy_grpc")]
    # The plugins of mypy-protobuf are next to the running interpreter, which need not be on the PATH.
    scripts = Path(sys.executable).parent
    named = [f"--plugin=protoc-gen-{name}={scripts / f'protoc-gen-{name}'}" for name in ("mypy", "mypy_grpc")]
    if protoc.main(["protoc", f"-I{ROOT}", f"-I{well_known}", *named, *plugins, *sources]) != 0:
        sys.exit(1)


def main() -> None:
    """Generate, or compare what is committed with what would be generated."""
    if "--check" not in sys.argv[1:]:
        generate(ROOT)
        return
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder)
        generate(out)
        made = {path.name: path.read_bytes() for path in (out / PACKAGE).iterdir()}
    kept = {path.name: path.read_bytes() for path in (ROOT / PACKAGE).glob("*_pb2*")}
    stale = sorted(name for name in made.keys() | kept.keys() if made.get(name) != kept.get(name))
    if stale:
        print(f"Not what the .proto files say: {', '.join(stale)}. Run `make generate`.", file=sys.stderr)
        sys.exit(1)


if __name__ == "__main__":
    main()
