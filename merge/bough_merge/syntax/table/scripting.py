"""Scripting languages."""

from __future__ import annotations

from bough_merge.syntax.language import Free, Language
from bough_merge.syntax.table.common import COMMON, FIELDS, IMPORTS

# Several of one name are several things: variants, accessors, and what is registered under a name that nobody uses.
_PYTHON_HEADS = rb"(?s)@.*?(?:\b(?:overload|setter|getter|deleter|register|dispatch)\b|def\s+_\s*\()"

_SHELL_TOLD = (
    # A command with a title and a script of several lines registers it, as every test harness for shells has it.
    ("registrations", rb"""\w+(?:\s+[A-Z0-9_,!]+)?\s+(["'])(?P<name>(?:(?!\1).)*)\1\s+(['"])\n"""),
)

LANGUAGES: tuple[Language, ...] = (
    Language(
        "python",
        "python",
        (".py", ".pyi", ".pyw"),
        free=(
            *COMMON,
            Free("items", ".*", "__all__/(list|tuple)"),
            Free(
                "members",
                r"function_definition|class_definition|decorated_definition|assignment|string",
                "class_definition/block",
            ),
            Free("items", ".*", "set"),
        ),
        told=(("assignments", FIELDS),),
        marks={"__all__": rb"__all__\s*(:[^=]*)?\+?=\s*[\[(]"},
        named_by={
            "import_from_statement": "module_name",
            "import_statement": "name",
        },
        wrappers=frozenset({"decorated_definition"}),
        heads={"decorated_definition": _PYTHON_HEADS},
        atoms=frozenset({"string", "integer", "float"}),
        joins={"argument_list": b", ", "dictionary": b", ", "list": b", ", "set": b", ", "parameters": b", "},
    ),
    Language(
        "ruby",
        "ruby",
        (".rb", ".rake", ".gemspec", "Rakefile", "Gemfile"),
        free=COMMON,
        told=(("imports", rb"require(_relative)?\b"),),
        atoms=frozenset({"string"}),
    ),
    Language(
        "php",
        "php",
        (".php",),
        # Elements of an array that state their key; those without take their place as it.
        free=(*COMMON, Free("pairs", "array_element_initializer", text=rb"[^=]+=>")),
        named_by={"array_element_initializer": "#0"},
        joins={"array_creation_expression": b", "},
    ),
    Language("lua", "lua", (".lua",), free=COMMON, told=(("imports", rb"local\s+\w+\s*=\s*require\b"),)),
    Language(
        "bash",
        "bash",
        (".sh", ".bash", ".zsh"),
        free=(*IMPORTS, Free("members", "function_definition")),
        atoms=frozenset({"string", "raw_string", "ansi_c_string"}),
        names=("name",),
        named_by={"command": "", "case_item": "value"},
        told=_SHELL_TOLD,
        embedded={"raw_string": "bash"},
    ),
    Language(
        "r",
        "r",
        (".r", ".rprofile", ".Rprofile"),
        free=IMPORTS,
        told=(("imports", rb"(library|require)\s*\("),),
        atoms=frozenset({"string"}),
    ),
    Language("julia", "julia", (".jl",), free=COMMON),
    Language("perl", "perl", (".pl", ".pm"), free=COMMON),
)
