"""The table of languages: which order means nothing, what names a thing, and what grammar reads it.

The node types are the grammars' own (`node-types.json` of each). A rule stands in `COMMON` where every language that
has the type agrees; what only one language allows stands in its row.
"""

from __future__ import annotations

from bough_merge.syntax.language import Free, Language


def _any(words: str) -> str:
    """Return the expression that matches any of some node types."""
    return "|".join(words.split())


_DEFINED = _any("""
    abstract_class abstract_method annotation_type associated_type class companion const constructor contract decorated
    deinit delegate destructor enum error event extension field foreign_mod function function_signature impl indexer
    init interface message method mod modifier module object operator property_element protocol public_field
    record rpc secondary_constructor service singleton state_variable static struct subscript trait type type_alias
    union
""")

# Order means nothing among imports, among declarations that are found by name, and among what is addressed by key.
COMMON = (
    Free("future", "future_import_statement"),
    Free(
        "imports",
        _any("""
            extern_crate_declaration import import_declaration import_directive import_from_statement import_header
            import_or_export import_spec import_statement library_import namespace_use_declaration open_directive
            open_module preproc_include use_declaration use_directive use_statement using_directive using_statement
        """),
    ),
    Free(
        "names",
        ".*",
        _any("""
            export_clause exports import_from_statement import_list import_names inherited_attrs named_imports
            namespace_selectors namespace_use_group use_list
        """),
    ),
    Free(
        "enum",
        ".*",
        _any("""
            enum_body enum_class_body enum_declaration_list enum_member_declaration_list enum_values_definition
            enum_variant_list enumerator_list
        """),
    ),
    Free(
        "members",
        rf"({_DEFINED})_(declaration|definition|elem|item|signature|specifier)|"
        + _any("""
            abstract_method_signature class companion_object decorated_definition enum message method module rpc
            secondary_constructor service singleton_method template_declaration type_definition
        """),
    ),
    # Within a function these are its local variables, which are made in order.
    Free("members", "(property|val)_(declaration|definition)", "(?!.*(statements|block)).*"),
    Free(
        "pairs",
        _any("""
            binding block_mapping_pair env_pair field_initializer field_update flow_pair formal keyed_element member
            method_definition pair pair_pattern shorthand_field_initializer shorthand_property_identifier
            shorthand_property_identifier_pattern
        """),
        _any("""
            binding_set block_mapping dictionary document env_instruction field_initializer_list flow_mapping formals
            hash inline_table interface_body literal_value object object_pattern object_type record table
            table_array_element table_constructor
        """),
    ),
    Free("members", r"(property|method|call|construct|index)_signature", "object_type|interface_body"),
    Free(
        "attributes",
        _any("Attribute attribute attribute_item attribute_list directive_attribute element_value_pair jsx_attribute"),
        _any("""
            EmptyElemTag STag annotation_argument_list jsx_opening_element jsx_self_closing_element self_closing_tag
            start_tag
        """)
        + r"|\w+_(declaration|item)",
    ),
    Free("keywords", "keyword_argument|named_argument"),
    Free("modifiers", ".*", "modifiers|function_modifiers"),
    Free(
        "modifiers",
        r"modifier|(visibility|readonly|static|final|abstract|var|class|member|function|inheritance)_modifier",
    ),
    Free(
        "types",
        ".*",
        _any("""
            attribute/token_tree base_list catch_type class_interface_clause deriving deriving/tuple implements_clause
            interface_type_list throws trait_bounds type_list union_type
        """),
    ),
    Free("types", "inheritance_specifier|delegation_specifier|where_predicate"),
    Free(
        "fields",
        "field|field_declaration|field_definition|input_value_definition|var_spec",
        _any("""
            field_declaration_list fields fields_definition message_body record_declaration table_constructor
            var_declaration var_spec_list
        """),
    ),
    Free("constants", "const_spec", text=rb"[^=]+=(?!.*\biota\b)"),
    Free("sections", "section|table|table_array_element", "document"),
    Free("settings", "setting|property|attribute", "section|file|body"),
    Free("blocks", "block", "body"),
    Free("items", ".*", "set"),
)

_IMPORTS = tuple(rule for rule in COMMON if rule.group in ("future", "imports"))
_JS = (
    # What binds nothing is imported for what it does, in this order.
    Free("", "import_statement", text=rb"import\s*[\"']"),
    *COMMON,
    Free("members", r"export_statement", "program"),
)
# Several of one name are several things: variants, accessors, and what is registered under a name that nobody uses.
_PYTHON_HEADS = rb"(?s)@.*?(?:\b(?:overload|setter|getter|deleter|register|dispatch)\b|def\s+_\s*\()"
# `cfg->a = 1` and `self.b = 2` are to an object what its keys are to a literal.
_FIELDS = rb"\w+(?:\.|->)\w+\s*(?::[^=\n]+)?=(?!=)"
_JS_TOLD = (
    ("imports", rb"(?:const|let|var)\s+(?:[\w$]+|\{[\w$\s,:]*\})\s*=\s*require\([^()]*\)[\w$.]*\s*;?\s*$"),
    ("imports", rb"/\*\*\s*@typedef \{import\("),
    # A call with a title and a function registers it: tests, suites, tasks; of routes the first that fits answers.
    (
        "registrations",
        rb"""(?:\w+\.)?(?:[fx]?(?:it|test|describe|context|suite|specify|module|bench|benchmark)|task|registerTask)(?:\.\w+)*\(\s*(["'`])(?P<name>(?:(?!\1).)*)\1\s*,\s*(?:async\s*)?(?:function\b|\([^()]*\)\s*=>|\w+\s*=>)""",
    ),
    ("assignments", _FIELDS),
)
_LISP_TOLD = (("members", rb"\((?:def[\w*!?-]*|cl-def\w+)\s+\(?(?P<name>[^\s()]+)"),)
_LISPS = (
    ("clojure", (".clj", ".cljs", ".cljc")),
    ("elisp", (".el",)),
    ("commonlisp", (".lisp", ".cl")),
    ("racket", (".rkt",)),
)
_SHELL_TOLD = (
    # A command with a title and a script of several lines registers it, as every test harness for shells has it.
    ("registrations", rb"""\w+(?:\s+[A-Z0-9_,!]+)?\s+(["'])(?P<name>(?:(?!\1).)*)\1\s+(['"])\n"""),
)

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


def _js(name: str, grammar: str, *paths: str) -> Language:
    return Language(
        name,
        grammar,
        paths,
        free=_JS,
        named_by={"import_statement": "source", "shorthand_property_identifier": ""},
        wrappers=frozenset({"export_statement"}),
        flat={"union_type": "|"},
        joins={
            "object": b", ",
            "arguments": b", ",
            "formal_parameters": b", ",
            "object_pattern": b", ",
            "array": b", ",
            "named_imports": b", ",
        },
        told=_JS_TOLD,
        atoms=frozenset({"string", "regex", "number"}),
    )


def _c(name: str, grammar: str, *paths: str) -> Language:
    return Language(
        name,
        grammar,
        paths,
        free=_C,
        named_by={"initializer_pair": "designator"},
        told=(("assignments", _FIELDS),),
        overloads=frozenset({"function_definition", "declaration", "field_declaration"})
        if grammar == "cpp"
        else frozenset(),
        wrappers=frozenset({"template_declaration"}),
        heads={"template_declaration": b""},
        atoms=frozenset({"string_literal", "system_lib_string", "char_literal", "concatenated_string_part"}),
        joins={"initializer_list": b", ", "parameter_list": b", ", "argument_list": b", ", "enumerator_list": b", "},
    )


_LOCKS = (
    ("package-lock.json", "json", "npm install --package-lock-only"),
    ("npm-shrinkwrap.json", "json", "npm shrinkwrap"),
    ("yarn.lock", "", "yarn install"),
    ("pnpm-lock.yaml", "yaml", "pnpm install --lockfile-only"),
    ("bun.lock", "", "bun install"),
    ("Cargo.lock", "toml", "cargo generate-lockfile"),
    ("poetry.lock", "toml", "poetry lock"),
    ("uv.lock", "toml", "uv lock"),
    ("pdm.lock", "toml", "pdm lock"),
    ("Pipfile.lock", "json", "pipenv lock"),
    ("Gemfile.lock", "", "bundle lock"),
    ("composer.lock", "json", "composer update --lock"),
    ("mix.lock", "", "mix deps.get"),
    ("flake.lock", "json", "nix flake lock"),
    ("pubspec.lock", "yaml", "dart pub get"),
    ("Podfile.lock", "yaml", "pod install"),
    ("gradle.lockfile", "", "gradle dependencies --write-locks"),
    ("packages.lock.json", "json", "dotnet restore --force-evaluate"),
)

# A property overrides another where one is a part of the other (`margin`, `margin-left`), as an assignment would; and
# where a shorthand sets what has another name (CSS Cascading and Inheritance Level 4, "Shorthand Properties").
_CSS = (Free("assignments", "declaration", "block"),)
_CSS_RELATED = rb"|".join(
    (
        rb"all .*",
        rb"font line-height",
        rb"columns column-(count|width)",
        rb"border(-\w+)+ border(-\w+)+",
        rb"grid(-\w+)+ grid(-\w+)+",
        rb"flex-flow flex-(direction|wrap)",
        rb"(?P<box>margin|padding)-(inline|block)(-\w+)? (?P=box)-(top|right|bottom|left)",
        rb"inset(-\w+)* (top|right|bottom|left)",
        rb"place-(?P<what>content|items|self) (align|justify)-(?P=what)",
        rb"(min-|max-)?(inline|block)-size (min-|max-)?(width|height)",
        rb"white-space text-wrap(-\w+)?",
        rb"(-\w+-)?text-decoration(-\w+)* (-\w+-)?text-decoration(-\w+)*",
    )
)

# Grammars without a row of their own: what all languages agree on holds for them too.
_OTHERS = {
    "ada": ".adb .ads",
    "arduino": ".pde",
    "astro": ".astro",
    "bicep": ".bicep",
    "cairo": ".cairo",
    "capnp": ".capnp",
    "d": ".d",
    "elm": ".elm",
    "erlang": ".erl .hrl",
    "fennel": ".fnl",
    "fish": ".fish",
    "fsharp": ".fs .fsx",
    "gdscript": ".gd",
    "gleam": ".gleam",
    "glsl": ".glsl .vert .frag",
    "groovy": ".groovy .gradle",
    "hare": ".ha",
    "haxe": ".hx",
    "jsonnet": ".jsonnet .libsonnet",
    "kdl": ".kdl",
    "latex": ".tex",
    "luau": ".luau",
    "matlab": ".mat",
    "meson": "meson.build",
    "nim": ".nim",
    "ninja": ".ninja",
    "odin": ".odin",
    "org": ".org",
    "pascal": ".pas",
    "po": ".po",
    "powershell": ".ps1 .psm1",
    "prisma": ".prisma",
    "puppet": ".pp",
    "purescript": ".purs",
    "qmljs": ".qml",
    "rego": ".rego",
    "smithy": ".smithy",
    "starlark": ".bzl BUILD BUILD.bazel WORKSPACE",
    "tablegen": ".td",
    "tcl": ".tcl",
    "thrift": ".thrift",
    "twig": ".twig",
    "typst": ".typ",
    "vhdl": ".vhd .vhdl",
    "vim": ".vim",
    "wat": ".wat",
    "wgsl": ".wgsl",
    "zig": ".zig",
}

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
        told=(("assignments", _FIELDS),),
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
    _js("javascript", "javascript", ".js", ".jsx", ".mjs", ".cjs"),
    _js("typescript", "typescript", ".ts", ".mts", ".cts"),
    _js("tsx", "tsx", ".tsx"),
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
    _c("c", "c", ".c", ".h"),
    _c("cpp", "cpp", ".cc", ".cpp", ".cxx", ".hpp", ".hh", ".hxx", ".ino", ".cu", ".cuh"),
    Language("objc", "objc", (".m", ".mm"), free=_C),
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
    Language("lua", "lua", (".lua",), free=COMMON, told=(("imports", rb"local\s+\w+\s*=\s*require\b"),)),
    Language(
        "bash",
        "bash",
        (".sh", ".bash", ".zsh"),
        free=(*_IMPORTS, Free("members", "function_definition")),
        atoms=frozenset({"string", "raw_string", "ansi_c_string"}),
        names=("name",),
        named_by={"command": "", "case_item": "value"},
        told=_SHELL_TOLD,
        embedded={"raw_string": "bash"},
    ),
    Language("elixir", "elixir", (".ex", ".exs"), free=COMMON, told=(("imports", rb"(alias|import|require|use)\s"),)),
    Language(
        "haskell",
        "haskell",
        (".hs",),
        free=(
            *_IMPORTS,
            Free("names", ".*", "exports|import_list"),
            Free("fields", "field", "fields"),
            Free("pairs", "field_update", "record"),
            Free("types", ".*", r"deriving/tuple"),
        ),
        named_by={"import": "module"},
    ),
    Language("ocaml", "ocaml", (".ml",), free=(*_IMPORTS, Free("fields", "field_declaration", "record_declaration"))),
    Language("ocaml_interface", "ocaml_interface", (".mli",), free=_IMPORTS),
    Language(
        "r",
        "r",
        (".r", ".rprofile", ".Rprofile"),
        free=_IMPORTS,
        told=(("imports", rb"(library|require)\s*\("),),
        atoms=frozenset({"string"}),
    ),
    Language("julia", "julia", (".jl",), free=COMMON),
    Language("perl", "perl", (".pl", ".pm"), free=COMMON),
    Language("sql", "sql", (".sql",), free=(Free("columns", "column_definition", "column_definitions"),)),
    Language(
        "html",
        "html",
        (".html", ".htm"),
        free=COMMON,
        embedded={"script_element/raw_text": "javascript", "style_element/raw_text": "css"},
        named_by={"attribute": "attribute_name", "element": "start_tag>tag_name+self_closing_tag>tag_name"},
    ),
    Language(
        "css",
        "css",
        (".css",),
        free=_CSS,
        related=_CSS_RELATED,
        named_by={"declaration": "property_name", "rule_set": "selectors"},
    ),
    Language(
        "scss",
        "scss",
        (".scss",),
        free=_CSS,
        related=_CSS_RELATED,
        named_by={"declaration": "property_name", "rule_set": "selectors"},
    ),
    Language(
        "vue",
        "vue",
        (".vue",),
        free=COMMON,
        embedded={"script_element/raw_text": "javascript", "style_element/raw_text": "css"},
    ),
    Language(
        "svelte",
        "svelte",
        (".svelte",),
        free=COMMON,
        embedded={"script_element/raw_text": "javascript", "style_element/raw_text": "css"},
    ),
    Language(
        "json",
        "json",
        (".json", ".jsonc", ".webmanifest", ".ipynb"),
        free=COMMON,
        atoms=frozenset({"string"}),
        joins={"object": b", ", "array": b", "},
    ),
    Language(
        "package.json",
        "json",
        ("package.json", "jest.config.json"),
        # Of the conditions of an export, and of the patterns of a mapper, the first that holds decides.
        free=(
            Free(
                "",
                "pair",
                text=rb'"(import|require|node|node-addons|browser|default|types|development|production|worker|deno|bun'
                rb'|module|module-sync|react-native|react-server|workerd|edge-light|electron|style|svelte|script)"\s*:',
            ),
            Free("", "pair", "ordered/object"),
            *COMMON,
        ),
        marks={"ordered": rb'"(moduleNameMapper|transform|typesVersions|overrides)"\s*:'},
        atoms=frozenset({"string"}),
        joins={"object": b", ", "array": b", "},
    ),
    Language(
        "yaml",
        "yaml",
        (".yml", ".yaml"),
        free=COMMON,
        names=("key",),
        atoms=frozenset({"double_quote_scalar", "single_quote_scalar", "block_scalar"}),
    ),
    Language(
        "toml",
        "toml",
        (".toml",),
        free=COMMON,
        atoms=frozenset({"string"}),
        joins={"array": b", ", "inline_table": b", "},
        named_by={
            "pair": "bare_key+quoted_key+dotted_key",
            "table": "bare_key+quoted_key+dotted_key",
            "table_array_element": "",
        },
    ),
    Language(
        "pyproject",
        "toml",
        ("pyproject.toml",),
        free=(*COMMON, Free("requirements", "string", "requirements/array")),
        # By the key, or by an item that names a version; an array of words may be a command.
        marks={
            "requirements": rb"\[(?:project\.optional-dependencies|dependency-groups)\]"
            rb"|(?:[\w-]+\.)*(?:(?:dev-|build-|optional-)?dependencies|requires|classifiers|keywords"
            rb"|(?:extend-)?(?:select|ignore))\s*="
            rb"|[\w\"-]+\s*=\s*\[[^\]]*?[\"'][A-Za-z][\w.-]*\s*(?:\[[^\]]*\]\s*)?(?:[<>=!~]=|[<>]|;|@ )"
        },
        atoms=frozenset({"string"}),
        joins={"array": b", ", "inline_table": b", "},
        named_by={
            "pair": "bare_key+quoted_key+dotted_key",
            "table": "bare_key+quoted_key+dotted_key",
            "table_array_element": "",
        },
    ),
    Language(
        "xml",
        "xml",
        (".xml", ".pom", ".csproj", ".xsd", ".svg", ".plist"),
        free=COMMON,
        atoms=frozenset({"AttValue"}),
        named_by={"element": "STag>Name+EmptyElemTag>Name"},
    ),
    Language("ini", "ini", (".ini", ".cfg", ".conf"), free=COMMON),
    # Of the sections that match a file the last one decides.
    Language("editorconfig", "ini", (".editorconfig",), free=(Free("", "section"), *COMMON)),
    Language("properties", "properties", (".properties",), free=COMMON),
    Language(
        "changelog",
        "markdown",
        ("CHANGELOG.md", "CHANGES.md", "HISTORY.md", "NEWS.md", "RELEASES.md"),
        free=(Free("links", "link_reference_definition"), Free("entries", "list_item")),
        named_by={"link_reference_definition": "link_label", "section": "atx_heading"},
    ),
    Language(
        "markdown",
        "markdown",
        (".md", ".markdown"),
        free=(Free("links", "link_reference_definition"),),
        named_by={"link_reference_definition": "link_label", "section": "atx_heading"},
        embedded={"fenced_code_block/code_fence_content": "@info_string"},
    ),
    Language(
        "dockerfile",
        "dockerfile",
        ("Dockerfile", ".dockerfile"),
        free=(Free("pairs", "env_pair|label_pair", "env_instruction|label_instruction"),),
    ),
    Language(
        "make",
        "make",
        ("Makefile", "GNUmakefile", "makefile", ".mk"),
        free=(Free("prerequisites", ".*", "prerequisites"), Free("rules", "rule")),
        named_by={"rule": "targets"},
        headed=frozenset({"rules", "prerequisites"}),  # the goal of a bare `make`, and `$<`
    ),
    Language("cmake", "cmake", ("CMakeLists.txt", ".cmake")),
    Language(
        "hcl",
        "hcl",
        (".hcl", ".tf", ".tfvars"),
        free=COMMON,
        named_by={"attribute": "identifier", "block": "identifier+string_lit"},
    ),
    Language("nix", "nix", (".nix",), free=COMMON, named_by={"binding": "attrpath"}, joins={"formals": b", "}),
    Language("proto", "proto", (".proto",), free=(Free("numbered", "field", "message_body"), *COMMON)),
    Language("graphql", "graphql", (".graphql", ".gql"), free=COMMON),
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
    Language("rst", "rst", (".rst",)),
    Language(
        "go.mod",
        "",
        ("go.mod", "go.work"),
        free=(Free("records", "record|block"),),
        blocks=True,
        record_key=rb"(?!//)(module|go|toolchain|retract|ignore|exclude|require|replace|godebug|tool|use)\s+([^\s=]+)",
    ),
    Language("go.sum", "", ("go.sum",), free=(Free("records", "record"),), record_key=rb"(\S+\s+\S+)"),
    Language(
        "requirements",
        "",
        ("requirements.txt", "requirements-dev.txt", "constraints.txt", ".in"),
        free=(Free("records", "record"),),
        record_key=rb"([A-Za-z0-9][\w.-]*)",
    ),
    Language(
        "ignore",
        "",
        (".gitignore", ".dockerignore", ".npmignore", ".eslintignore", ".prettierignore", ".gitattributes", ".mailmap"),
        free=(Free("records", "record"),),
        ordered_records=rb"!",
    ),
    Language(
        "codeowners",
        "",
        ("CODEOWNERS",),
        # The last line that matches a file decides: paths that are apart may change places, and two endings.
        free=(Free("assignments", "record"),),
        related=rb"(?!/[\w./-]+ |\*\.\w+ ).*|\*\.\w+ /.*",
        record_key=rb"(\S+)",
    ),
    Language("people", "", ("AUTHORS", "CONTRIBUTORS", "MAINTAINERS"), free=(Free("records", "record"),)),
    Language("csv", "", (".csv", ".tsv"), free=(Free("records", "record"),), cells=True),
    *(Language("lock", grammar, (path,), remedy=remedy) for path, grammar, remedy in _LOCKS),
    *(Language(name, name, tuple(paths.split()), free=COMMON) for name, paths in _OTHERS.items()),
)
