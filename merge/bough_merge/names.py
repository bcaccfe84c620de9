"""Names: which uses of a name still find what they name, in the file and in its local scopes.

Only names that a merge may have cut loose are looked at: those in lines of a side that the merged text does not have.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import tree_sitter

from .sequences import changes
from .syntax import Node
from .text import lines_of

if TYPE_CHECKING:
    from .gates import Failure

_WORD = re.compile(rb"[A-Za-z_$][\w$]*")
_SCOPE = re.compile(
    r".*(function|method|lambda|closure|arrow|constructor|comprehension|generator_expression|class|impl).*|.*_func|do_block|.*block_with.*"
)
_IDENTIFIER = re.compile(r".*identifier.*|name|variable_name|constant|word|simple_identifier|variable")
_WORD_BYTES = frozenset(bytes([byte]) for byte in b"_$abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789")
_LIMIT_NAMES = 5000
_LIMIT_USES = 4000


@dataclass(frozen=True, slots=True)
class Use:
    """Hold one use of a name that nothing in the file defines, and the function that it stands in."""

    name: bytes
    scope: bytes
    at: int


def lost_names(merged: Node, ours: Node, theirs: Node) -> Iterator[Failure]:
    """Yield the uses in the merged text whose name resolves on the sides that have them, and no longer here."""
    from .gates import Failure

    rules = _rules(merged.lang.name)
    if rules is None:
        return
    candidates = sorted(_cut_words(ours, merged) | _cut_words(theirs, merged))[:_LIMIT_NAMES]
    for name in candidates:
        now = unresolved(merged, name, rules)
        if not now:
            continue
        before = {use.scope for side in (ours, theirs) for use in unresolved(side, name, rules)}
        for use in now:
            if use.scope not in before:
                scopes = (use.scope,) if use.scope else ()
                yield Failure(
                    "unresolved", use.at, f"`{name.decode()}` is used here and no longer defined", scopes, name
                )


def _cut_words(side: Node, merged: Node) -> set[bytes]:
    """Return the words in lines of a side that the merged text does not have as they were."""
    old, new = lines_of(side.source), lines_of(merged.source)
    words: set[bytes] = set()
    for change in changes(old, new):
        words.update(_WORD.findall(b"".join(old[change.old_start : change.old_end])))
    return words


class Rules:
    """Tell the role of an identifier from the node types around it; the base class knows no language in particular."""

    builtins: frozenset[bytes] = frozenset()
    module_scope_only = False
    binding_fields = frozenset({"name", "declarator", "pattern", "alias", "parameter", "parameters"})
    definition = re.compile(
        r".*(definition|declaration|declarator|_item|parameter.*|specifier|spec|import.*|alias.*|binding|pattern.*|clause)"
    )
    neither = re.compile(
        r"(member|field|attribute|selector|scoped|qualified|navigation|property|key|label).*|.*_(access|path)|pair|keyword_argument|call_expression_method"
    )

    def binds(self, node: tree_sitter.Node, parent: tree_sitter.Node, field: str | None) -> bool:
        """Tell whether an identifier defines its name here."""
        return bool(self.definition.fullmatch(parent.type)) and (field in self.binding_fields or field is None)

    def uses(self, node: tree_sitter.Node, parent: tree_sitter.Node, field: str | None) -> bool:
        """Tell whether an identifier needs its name to be defined."""
        if node.type != "identifier" or self.neither.fullmatch(parent.type):
            return field in ("object", "argument", "operand", "value", "function") and node.type == "identifier"
        return not self.binds(node, parent, field)


class PythonRules(Rules):
    """Know Python's bindings (Language Reference, 4.2.1)."""

    targets = frozenset(
        {
            "pattern_list",
            "tuple_pattern",
            "list_pattern",
            "list_splat_pattern",
            "dictionary_splat_pattern",
            "parenthesized_expression",
        }
    )

    def binds(self, node: tree_sitter.Node, parent: tree_sitter.Node, field: str | None) -> bool:
        """Tell whether an identifier is bound here."""
        kind = parent.type
        while kind in self.targets and parent.parent is not None:
            node, parent = parent, parent.parent
            field = _field_of(node, parent)
            kind = parent.type
        if kind in (
            "function_definition",
            "class_definition",
            "named_expression",
            "default_parameter",
            "typed_default_parameter",
        ):
            return field == "name"
        if kind in ("assignment", "augmented_assignment", "for_statement", "for_in_clause"):
            return field == "left"
        if kind in (
            "parameters",
            "lambda_parameters",
            "as_pattern_target",
            "global_statement",
            "nonlocal_statement",
            "typed_parameter",
            "case_pattern",
            "splat_pattern",
            "type_parameter",
        ):
            return field != "type"
        if kind == "aliased_import":
            return field == "alias"
        if kind == "dotted_name" and parent.parent is not None:
            return self._imports(node, parent, parent.parent)
        return False

    def _imports(self, node: tree_sitter.Node, dotted: tree_sitter.Node, statement: tree_sitter.Node) -> bool:
        if statement.type == "case_pattern":
            return dotted.named_child_count == 1
        if statement.type == "import_statement":
            return node.start_byte == dotted.start_byte
        return (
            statement.type in ("import_from_statement", "future_import_statement")
            and _field_of(dotted, statement) == "name"
        )

    def uses(self, node: tree_sitter.Node, parent: tree_sitter.Node, field: str | None) -> bool:
        """Tell whether an identifier is looked up when this is evaluated; names in quoted annotations are."""
        if node.type in ("string_content", "string"):
            return _within_type(node)
        if node.type != "identifier":
            return False
        if parent.type == "attribute":
            return field == "object"
        if parent.type == "keyword_argument":
            return field == "value"
        if parent.type in (
            "dotted_name",
            "aliased_import",
            "keyword_pattern",
            "global_statement",
            "nonlocal_statement",
        ):
            return False
        return parent.type == "augmented_assignment" or not self.binds(node, parent, field)


def _within_type(node: tree_sitter.Node) -> bool:
    current = node.parent
    while current is not None and current.type in (
        "string",
        "type",
        "subscript",
        "generic_type",
        "type_parameter",
        "binary_operator",
        "union_type",
    ):
        if current.type == "type":
            return True
        current = current.parent
    return False


def unresolved(root: Node, name: bytes, rules: Rules) -> list[Use]:
    """Return the uses of a name that no binding in their own or an enclosing scope answers."""
    if name in rules.builtins or root.raw is None:
        return []
    bound: set[int] = set()
    uses: list[tuple[tree_sitter.Node, int]] = []
    for at in _places(root.source, name):
        node = root.raw.descendant_for_byte_range(at, at + len(name))
        if node is None or node.parent is None:
            continue
        field = _field_of(node, node.parent)
        if rules.binds(node, node.parent, field):
            bound.add(_binding_scope(node, rules).id)
        if rules.uses(node, node.parent, field):
            uses.append((node, at))
    return [Use(name, _scope_name(node, root), at) for node, at in uses if not _answered(node, bound)]


def _places(source: bytes, name: bytes) -> Iterator[int]:
    """Yield where a name stands as a word of its own."""
    at = source.find(name)
    for _ in range(_LIMIT_USES):
        if at < 0:
            return
        end = at + len(name)
        if source[at - 1 : at] not in _WORD_BYTES and source[end : end + 1] not in _WORD_BYTES:
            yield at
        at = source.find(name, end)


def _answered(node: tree_sitter.Node, bound: set[int]) -> bool:
    current: tree_sitter.Node | None = node
    while current is not None:
        if current.id in bound and (_is_scope(current) or current.parent is None):
            return True
        current = current.parent
    return False


def _binding_scope(node: tree_sitter.Node, rules: Rules) -> tree_sitter.Node:
    """Return the scope that a binding adds to; the own name of a definition is bound outside of it."""
    parent = node.parent
    assert parent is not None
    if parent.type == "global_statement":
        return _root_of(node)
    current: tree_sitter.Node = node
    if _is_scope(parent) and _field_of(node, parent) in ("name", "declarator"):
        current = parent
    elif "declarator" in parent.type and parent.parent is not None and _is_scope(parent.parent):
        current = parent.parent
    while current.parent is not None:
        current = current.parent
        if _is_scope(current):
            return current
    return current


def _root_of(node: tree_sitter.Node) -> tree_sitter.Node:
    while node.parent is not None:
        node = node.parent
    return node


def _is_scope(node: tree_sitter.Node) -> bool:
    return node.is_named and bool(_SCOPE.fullmatch(node.type)) and "body" not in node.type and "call" not in node.type


def _scope_name(node: tree_sitter.Node, root: Node) -> bytes:
    current = node.parent
    while current is not None:
        if _is_scope(current):
            name = current.child_by_field_name("name") or current.child_by_field_name("declarator")
            if name is not None:
                return root.source[name.start_byte : name.end_byte]
        current = current.parent
    return b""


def _field_of(node: tree_sitter.Node, parent: tree_sitter.Node) -> str | None:
    for index, child in enumerate(parent.children):
        if child.id == node.id:
            return parent.field_name_for_child(index)
    return None


# Names that need no definition in a file (Python 3.13 Library Reference, "Built-in Functions", "Built-in Exceptions").
_PYTHON_BUILTINS = frozenset(
    b"""
    ArithmeticError AssertionError AttributeError BaseException BaseExceptionGroup BlockingIOError
    BrokenPipeError BufferError BytesWarning ChildProcessError ConnectionAbortedError ConnectionError
    ConnectionRefusedError ConnectionResetError DeprecationWarning EOFError Ellipsis EncodingWarning
    EnvironmentError Exception ExceptionGroup False FileExistsError FileNotFoundError FloatingPointError
    FutureWarning GeneratorExit IOError ImportError ImportWarning IndentationError IndexError InterruptedError
    IsADirectoryError KeyError KeyboardInterrupt LookupError MemoryError ModuleNotFoundError NameError None
    NotADirectoryError NotImplemented NotImplementedError OSError OverflowError PendingDeprecationWarning
    PermissionError ProcessLookupError PythonFinalizationError RecursionError ReferenceError ResourceWarning
    RuntimeError RuntimeWarning StopAsyncIteration StopIteration SyntaxError SyntaxWarning SystemError
    SystemExit TabError TimeoutError True TypeError UnboundLocalError UnicodeDecodeError UnicodeEncodeError
    UnicodeError UnicodeTranslateError UnicodeWarning UserWarning ValueError Warning ZeroDivisionError
    __annotations__ __build_class__ __builtins__ __debug__ __doc__ __file__ __import__ __loader__ __module__
    __name__ __package__ __path__ __qualname__ __spec__ WindowsError abs aiter all anext any ascii bin bool
    breakpoint bytearray bytes callable chr classmethod compile complex copyright credits delattr dict dir
    divmod enumerate eval exec exit filter float format frozenset getattr globals hasattr hash help hex id input
    int isinstance issubclass iter len license list locals map max memoryview min next object oct open ord pow
    print property quit range repr reversed round set setattr slice sorted staticmethod str sum super tuple type
    vars zip
    """.split()
)
PythonRules.builtins = _PYTHON_BUILTINS

_PYTHON = PythonRules()
_GENERIC = Rules()
_SCOPED = frozenset(
    {"javascript", "typescript", "tsx", "java", "c", "cpp", "csharp", "go", "rust", "kotlin", "scala", "swift", "php"}
)


def _rules(language: str) -> Rules | None:
    if language == "python":
        return _PYTHON
    return _GENERIC if language in _SCOPED else None
