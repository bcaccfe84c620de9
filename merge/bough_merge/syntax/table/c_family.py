"""C, and languages with its preprocessor."""

from __future__ import annotations

from bough_merge.syntax.language import Free, Language
from bough_merge.syntax.table.common import FIELDS

_C_TOP = r"translation_unit|preproc_(if|ifdef|else)|declaration_list|linkage_specification"

_C = (
    Free("imports", "preproc_include"),
    # A macro may change what is included after it: the two do not mix.
    Free("macros", "preproc_def|preproc_function_def", _C_TOP),
    Free(
        "declarations",
        r"declaration|function_definition|(struct|enum|union|class)_specifier|type_definition"
        r"|template_declaration|namespace_definition|alias_declaration|using_declaration",
        _C_TOP,
    ),
    Free("enum", "enumerator"),
    Free("fields", r"field_declaration|function_definition|declaration|template_declaration", "field_declaration_list"),
    Free("pairs", "initializer_pair", "initializer_list"),
    Free("pairs", "field_initializer", "field_initializer_list"),
)


def _c(name: str, grammar: str, *paths: str) -> Language:
    return Language(
        name,
        grammar,
        paths,
        free=_C,
        named_by={"initializer_pair": "designator"},
        told=(("assignments", FIELDS),),
        overloads=frozenset({"function_definition", "declaration", "field_declaration"})
        if grammar == "cpp"
        else frozenset(),
        wrappers=frozenset({"template_declaration"}),
        heads={"template_declaration": b""},
        atoms=frozenset({"string_literal", "system_lib_string", "char_literal", "concatenated_string_part"}),
        joins={"initializer_list": b", ", "parameter_list": b", ", "argument_list": b", ", "enumerator_list": b", "},
    )


LANGUAGES: tuple[Language, ...] = (
    _c("c", "c", ".c", ".h"),
    _c("cpp", "cpp", ".cc", ".cpp", ".cxx", ".hpp", ".hh", ".hxx", ".ino", ".cu", ".cuh"),
    Language("objc", "objc", (".m", ".mm"), free=_C),
)
