"""The table of languages."""

from __future__ import annotations

from .languages import Language


def _group(*kinds: str) -> frozenset[str]:
    return frozenset(kinds)


LANGUAGES: tuple[Language, ...] = (
    Language(
        "python",
        "python",
        (".py", ".pyi"),
        sets={
            "module": (_group("import_statement", "import_from_statement"), _group("function_definition", "class_definition", "decorated_definition")),
            "block": (_group("import_statement", "import_from_statement"), _group("function_definition", "class_definition", "decorated_definition")),
            "import_from_statement": (_group("dotted_name", "aliased_import"),),
            "set": (_group("*"),),
            "dictionary": (_group("pair"),),
            "argument_list": (_group("keyword_argument"),),
        },
        joins={"argument_list": b", "},
    ),
)
