"""Resolve imports: which file an import names, and under which names a file sees definitions of another one."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from posixpath import dirname, join, normpath, splitext

import tree_sitter

# Folders that precede the first package of a path.
_SOURCES = frozenset({"", "src", "lib", "python", "app"})
_IMPORTS = frozenset(
    ("import_statement", "import_from_statement", "import_declaration", "import_header", "use_declaration")
)
_PACKAGE = re.compile(rb"^\s*package\s+([\w.]+)", re.MULTILINE)
_INCLUDE = re.compile(rb'^\s*#\s*include\s*["<]([^">\n]+)[">]', re.MULTILINE)
_SOURCED = re.compile(rb"^\s*(?:\.|source)\s+[\"']?([^\s\"';]+)", re.MULTILINE)


@dataclass(frozen=True)
class DefinedAt:
    """Where a name is defined: the paths, the language of the first one and its text."""

    paths: tuple[str, ...]
    language: str
    text: bytes


def statement_around(node: tree_sitter.Node) -> tree_sitter.Node | None:
    """Return the import around a node, or None; `const {a} = require('b')` is one, and `export {a} from 'b'`."""
    current: tree_sitter.Node | None = node
    for _ in range(8):
        if current is None:
            return None
        if current.type in _IMPORTS or (current.type == "variable_declarator" and _required(current) is not None):
            return current
        if current.type == "export_statement" and current.child_by_field_name("source") is not None:
            return current
        current = current.parent
    return None


def names_home(statement: tree_sitter.Node, node: tree_sitter.Node, path: str, home: DefinedAt) -> bool:
    """Return whether an import in the file at `path` takes the name at `node` from its home."""
    if node.parent is not None and _is_alias(node, node.parent):
        return False
    if home.language == "python":
        module = statement.child_by_field_name("module_name")
        return module is not None and not _within(node, module) and _is_python(_text(module), path, home)
    if home.language in ("javascript", "typescript", "tsx"):
        source = _required(statement) if statement.type == "variable_declarator" else _source(statement)
        named = node.type == "shorthand_property_identifier_pattern" or _parent(node) in (
            "import_specifier",
            "export_specifier",
        )
        return source is not None and named and _is_script(source, path, home)
    before = re.sub(r"[\s{]|::$|\.$", "", statement_head(statement, node))
    if home.language in ("java", "kotlin", "scala"):
        return bool(before) and before == _package(home.text)
    if home.language == "rust":
        return is_rust(before, home)
    return False


def statement_head(statement: tree_sitter.Node, node: tree_sitter.Node) -> str:
    """Return the part of an import before a name: `a.b.` of `import a.b.c`, `crate::a::` of `use crate::a::{b, c}`."""
    text = (statement.text or b"")[: node.start_byte - statement.start_byte].decode("utf-8", "replace")
    text = re.sub(r"\{[^{}]*$", "", text)
    return re.sub(r"^\s*(?:pub(?:\([^)]*\))?\s+)?(?:import|use)\s+(?:static\s+)?", "", text)


def qualifiers(root: tree_sitter.Node, path: str, home: DefinedAt) -> Iterator[str]:
    """Yield the names by which a file refers to a whole home: `shop` of `import shop`, `s` of `import shop as s`."""
    for statement in root.children:
        if home.language == "python" and statement.type in ("import_statement", "import_from_statement"):
            yield from _python_modules(statement, path, home)
        elif home.language == "go" and statement.type == "import_declaration":
            yield from _go_packages(statement, home)
        elif statement.type == "import_statement":
            source = _source(statement)
            found = re.search(r"\*\s*as\s+([\w$]+)", _text(statement))
            if source is not None and found is not None and _is_script(source, path, home):
                yield found[1]
        elif statement.type in ("lexical_declaration", "variable_declaration"):
            for one in statement.named_children:
                name, source = one.child_by_field_name("name"), _required(one)
                if name is not None and name.type == "identifier" and _is_script(source or "", path, home):
                    yield _text(name)


def reaches(text: bytes, path: str, home: DefinedAt) -> bool:
    """Return whether a file sees all definitions of a home: same package, an include, a sourced script."""
    if home.language in ("c", "cpp", "objc"):
        return any(_is_included(found[1].decode("utf-8", "replace"), path, home) for found in _INCLUDE.finditer(text))
    if home.language == "bash":
        return any(_is_included(found[1].decode("utf-8", "replace"), path, home) for found in _SOURCED.finditer(text))
    if home.language == "go":
        return dirname(path) == dirname(home.paths[0]) and _package(text) == _package(home.text)
    if home.language in ("java", "kotlin", "scala"):
        return _package(text) is not None and _package(text) == _package(home.text)
    return False


def is_rust(module: str, home: DefinedAt) -> bool:
    """Return whether a path in Rust (`crate::shop`, `super::shop`) names a home."""
    whole, last = splitext(home.paths[0])[0], module.rpartition("::")[2]
    names = (whole.removesuffix("/mod").rpartition("/")[2], *(() if whole.endswith("/mod") else (whole,)))
    return last in names[:1] and module.split("::")[0] in ("crate", "super", "self", last)


def _python_modules(statement: tree_sitter.Node, path: str, home: DefinedAt) -> Iterator[str]:
    module = statement.child_by_field_name("module_name")
    for name in statement.children_by_field_name("name"):
        alias = name.child_by_field_name("alias")
        what = _text(name.child_by_field_name("name") if alias is not None else name)
        inner = what if module is None else f"{_text(module)}{'' if _text(module).endswith('.') else '.'}{what}"
        if _is_python(inner, path, home):
            yield what if alias is None else _text(alias)


def _is_python(module: str, path: str, home: DefinedAt) -> bool:
    """Return whether a dotted module means a home; a single word must be next to the file or at the top."""
    whole = splitext(home.paths[0])[0].removesuffix("/__init__")
    bare = module.lstrip(".")
    if bare != module:
        folder = dirname(path)
        for _ in range(len(module) - len(bare) - 1):
            folder = dirname(folder)
        return whole == normpath(join(folder, bare.replace(".", "/")))
    wanted = module.replace(".", "/")
    if not f"/{whole}".endswith(f"/{wanted}"):
        return False
    folder = whole[: -len(wanted)].rstrip("/")
    return "." in module or folder in _SOURCES or folder == dirname(path)


def _go_packages(statement: tree_sitter.Node, home: DefinedAt) -> Iterator[str]:
    folder = dirname(home.paths[0])
    for spec in [one for one in _walk(statement) if one.type == "import_spec"]:
        imported = _text(spec.child_by_field_name("path")).strip('"`')
        if folder and f"/{imported}".endswith(f"/{folder}"):
            alias = spec.child_by_field_name("name")
            yield _text(alias) if alias is not None else (_package(home.text) or "")


def _is_script(source: str, path: str, home: DefinedAt) -> bool:
    if not source.startswith("."):
        return False
    wanted = normpath(join(dirname(path), source))
    whole = home.paths[0]
    return wanted in (whole, splitext(whole)[0], splitext(whole)[0].removesuffix("/index")) or (
        splitext(wanted)[0] == splitext(whole)[0] and splitext(wanted)[1] in (".js", ".mjs", ".cjs", ".jsx")
    )


def _is_included(wanted: str, path: str, home: DefinedAt) -> bool:
    beside = normpath(join(dirname(path), wanted))
    tail = normpath(wanted)
    return any(one == beside or f"/{one}".endswith(f"/{tail}") for one in home.paths)


def _package(text: bytes) -> str | None:
    found = _PACKAGE.search(text)
    return found[1].decode("utf-8", "replace") if found is not None else None


def _source(statement: tree_sitter.Node) -> str | None:
    source = statement.child_by_field_name("source")
    return None if source is None else _text(source).strip("'\"`")


def _required(declarator: tree_sitter.Node) -> str | None:
    found = re.fullmatch(r"require\(\s*['\"]([^'\"]+)['\"]\s*\)", _text(declarator.child_by_field_name("value")))
    return found[1] if found is not None else None


def _is_alias(node: tree_sitter.Node, parent: tree_sitter.Node) -> bool:
    alias = parent.child_by_field_name("alias")
    return alias is not None and alias.id == node.id


def _within(node: tree_sitter.Node, outer: tree_sitter.Node) -> bool:
    return outer.start_byte <= node.start_byte and node.end_byte <= outer.end_byte


def _parent(node: tree_sitter.Node) -> str:
    return node.parent.type if node.parent is not None else ""


def _walk(node: tree_sitter.Node) -> Iterator[tree_sitter.Node]:
    yield node
    for child in node.named_children:
        yield from _walk(child)


def _text(node: tree_sitter.Node | None) -> str:
    return (node.text or b"").decode("utf-8", "replace") if node is not None else ""
