"""Bindings: where a name is defined and where it is used, told from the syntax around it."""

from __future__ import annotations

import re
from functools import cache

import tree_sitter


class Rules:
    """Tell the role of an identifier from the node types around it; the base class knows no language in particular."""

    builtins: frozenset[bytes] = frozenset()
    inner_scopes_see_classes = True
    binding_fields = frozenset({"name", "declarator", "pattern", "alias", "parameter", "parameters"})
    definition = re.compile(
        r".*(definition|declaration|declarator|enumerator|preproc_def|preproc_function_def|_item|parameter.*|specifier"
        r"|spec|import.*|alias.*|binding|pattern.*|clause)"
    )
    neither = re.compile(
        r"(member|field|attribute|selector|scoped|qualified|navigation|property|key|label).*|.*_(access|path)|pair"
        r"|keyword_argument"
    )

    def binds(self, node: tree_sitter.Node, parent: tree_sitter.Node) -> bool:
        """Tell whether an identifier defines its name here."""
        if not _matches(self.definition, parent.type):
            return False
        field = field_of(node, parent)
        return field is None or field in self.binding_fields

    def uses(self, node: tree_sitter.Node, parent: tree_sitter.Node) -> bool:
        """Tell whether an identifier needs its name to be defined."""
        kind = node.type
        if kind == "shorthand_property_identifier":
            return True
        if kind not in ("identifier", "type_identifier"):
            return False
        if _matches(self.neither, parent.type):
            return field_of(node, parent) in ("object", "argument", "operand", "value", "function")
        return not self.binds(node, parent)


class PythonRules(Rules):
    """Know Python's bindings (Language Reference, 4.2.1 and 4.2.2)."""

    inner_scopes_see_classes = False

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

    def binds(self, node: tree_sitter.Node, parent: tree_sitter.Node) -> bool:
        """Tell whether an identifier is bound here."""
        kind = parent.type
        while kind in self.targets and parent.parent is not None:
            node, parent = parent, parent.parent
            kind = parent.type
        if kind in (
            "function_definition",
            "class_definition",
            "named_expression",
            "default_parameter",
            "typed_default_parameter",
        ):
            return field_of(node, parent) == "name"
        if kind in ("assignment", "augmented_assignment", "for_statement", "for_in_clause"):
            return field_of(node, parent) == "left"
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
            return field_of(node, parent) != "type"
        if kind == "aliased_import":
            return field_of(node, parent) == "alias"
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
            and field_of(dotted, statement) == "name"
        )

    def uses(self, node: tree_sitter.Node, parent: tree_sitter.Node) -> bool:
        """Tell whether an identifier is looked up when this is evaluated; names in quoted annotations are."""
        if node.type in ("string_content", "string"):
            return _within_type(node)
        if node.type != "identifier":
            return False
        if parent.type == "attribute":
            return field_of(node, parent) == "object"
        if parent.type == "keyword_argument":
            return field_of(node, parent) == "value"
        if parent.type in (
            "dotted_name",
            "aliased_import",
            "keyword_pattern",
            "global_statement",
            "nonlocal_statement",
        ):
            return False
        return parent.type == "augmented_assignment" or not self.binds(node, parent)


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


def field_of(node: tree_sitter.Node, parent: tree_sitter.Node) -> str | None:
    """Return the field in which a node stands in its parent."""
    for index, child in enumerate(parent.children):
        if child.id == node.id:
            return parent.field_name_for_child(index)
    return None


@cache
def _matches(expression: re.Pattern[str], kind: str) -> bool:
    return expression.fullmatch(kind) is not None


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


def rules_of(language: str) -> Rules | None:
    """Return the rules of a language, or None where names are not followed."""
    if language == "python":
        return _PYTHON
    return _GENERIC if language in _SCOPED else None
