"""Python's bindings, as its reference states them (Language Reference, 4.2.1 and 4.2.2)."""

from __future__ import annotations

import tree_sitter

from bough_merge.gates.bindings import Rules, field_of

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


class PythonRules(Rules):
    """Know where Python binds a name and where it looks one up."""

    builtins = _PYTHON_BUILTINS
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

    def binds(self, node: tree_sitter.Node, parent: tree_sitter.Node, name: bytes) -> bool:
        """Return whether an identifier is bound here."""
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

    def uses(self, node: tree_sitter.Node, parent: tree_sitter.Node, name: bytes) -> bool:
        """Return whether an identifier is looked up when this is evaluated; names in quoted annotations are."""
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
        return parent.type == "augmented_assignment" or not self.binds(node, parent, name)


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
