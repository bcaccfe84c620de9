"""Compiled languages, and Lisps."""

from __future__ import annotations

from bough_merge.syntax.language import Free, Language
from bough_merge.syntax.table.common import COMMON, IMPORTS

_LISP_TOLD = (("members", rb"\((?:def[\w*!?-]*|cl-def\w+)\s+\(?(?P<name>[^\s()]+)"),)

_LISPS = (
    ("clojure", (".clj", ".cljs", ".cljc")),
    ("elisp", (".el",)),
    ("commonlisp", (".lisp", ".cl")),
    ("racket", (".rkt",)),
)

LANGUAGES: tuple[Language, ...] = (
    Language(
        "java",
        "java",
        (".java",),
        free=COMMON,
        named_by={"import_declaration": "scoped_identifier+asterisk"},
        flat={"catch_type": "|"},
        overloads=frozenset({"method_declaration", "constructor_declaration"}),
        atoms=frozenset({"string_literal"}),
        joins={"annotation_argument_list": b", ", "formal_parameters": b", ", "argument_list": b", "},
    ),
    Language(
        "kotlin",
        "kotlin",
        (".kt", ".kts"),
        free=COMMON,
        overloads=frozenset({"function_declaration"}),
        atoms=frozenset({"string_literal"}),
    ),
    Language(
        "csharp",
        "csharp",
        (".cs",),
        free=(Free("bases", ".*", "base_list"), *COMMON),
        headed=frozenset({"bases"}),
        named_by={"field_declaration": "variable_declaration>variable_declarator>name"},
        overloads=frozenset({"method_declaration", "constructor_declaration"}),
        atoms=frozenset({"string_literal"}),
    ),
    Language(
        "go",
        "go",
        (".go",),
        free=COMMON,
        named_by={"method_declaration": "receiver+name"},
        atoms=frozenset({"interpreted_string_literal", "raw_string_literal"}),
        joins={"literal_value": b", ", "argument_list": b", ", "parameter_list": b", "},
        terminators=frozenset({";"}),
    ),
    Language(
        "rust",
        "rust",
        (".rs",),
        free=COMMON,
        named_by={"impl_item": "trait+type"},
        leading=frozenset({"attribute_item"}),
        flat={"trait_bounds": "+"},
        runs=frozenset({"token_tree"}),
        atoms=frozenset({"string_literal"}),
        joins={"field_initializer_list": b", ", "parameters": b", ", "arguments": b", ", "use_list": b", "},
    ),
    Language(
        "swift",
        "swift",
        (".swift",),
        free=(Free("bases", "inheritance_specifier"), *COMMON),
        headed=frozenset({"bases"}),
        overloads=frozenset({"function_declaration"}),
    ),
    Language(
        "scala",
        "scala",
        (".scala", ".sc"),
        free=COMMON,
        overloads=frozenset({"function_definition"}),
        atoms=frozenset({"string"}),
    ),
    Language(
        "dart",
        "dart",
        (".dart",),
        free=(*COMMON, Free("members", "declaration|method_signature", "class_body|extension_body|mixin_body")),
        named_by={
            "declaration": "initialized_identifier_list>initialized_identifier>identifier"
            "+static_final_declaration_list>static_final_declaration>identifier",
            "method_signature": "function_signature>name",
        },
        leading=frozenset({"method_signature", "function_signature"}),
    ),
    Language("elixir", "elixir", (".ex", ".exs"), free=COMMON, told=(("imports", rb"(alias|import|require|use)\s"),)),
    Language(
        "haskell",
        "haskell",
        (".hs",),
        free=(
            *IMPORTS,
            Free("names", ".*", "exports|import_list"),
            Free("fields", "field", "fields"),
            Free("pairs", "field_update", "record"),
            Free("types", ".*", r"deriving/tuple"),
        ),
        named_by={"import": "module"},
    ),
    Language("ocaml", "ocaml", (".ml",), free=(*IMPORTS, Free("fields", "field_declaration", "record_declaration"))),
    Language("ocaml_interface", "ocaml_interface", (".mli",), free=IMPORTS),
    Language("sql", "sql", (".sql",), free=(Free("columns", "column_definition", "column_definitions"),)),
    Language(
        "fortran",
        "fortran",
        (".f90", ".f95", ".f03", ".f08"),
        free=(
            Free("imports", "use_statement"),
            Free("declarations", "variable_declaration"),
            Free("names", "identifier", "variable_declaration"),
        ),
        names=("name",),
    ),
    Language("solidity", "solidity", (".sol",), free=COMMON),
    Language("verilog", "verilog", (".v", ".sv", ".svh")),
    *(Language(name, name, paths, told=_LISP_TOLD) for name, paths in _LISPS),
    Language("scheme", "scheme", (".scm", ".ss", ".sld"), told=_LISP_TOLD),
)
