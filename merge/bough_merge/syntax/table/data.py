"""Data, settings, and build files."""

from __future__ import annotations

from bough_merge.syntax.language import Free, Language
from bough_merge.syntax.table.common import COMMON

LANGUAGES: tuple[Language, ...] = (
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
)
