"""JavaScript and other languages of browsers."""

from __future__ import annotations

from bough_merge.syntax.language import Free, Language
from bough_merge.syntax.table.common import COMMON, FIELDS

_JS = (
    # An import without a binding is imported for its effect, in this order.
    Free("", "import_statement", text=rb"import\s*[\"']"),
    *COMMON,
    Free("members", r"export_statement", "program"),
)

_JS_TOLD = (
    ("imports", rb"(?:const|let|var)\s+(?:[\w$]+|\{[\w$\s,:]*\})\s*=\s*require\([^()]*\)[\w$.]*\s*;?\s*$"),
    ("imports", rb"/\*\*\s*@typedef \{import\("),
    # A call with a title and a function registers it: tests, suites, tasks; of routes the first that fits answers.
    (
        "registrations",
        rb"""(?:\w+\.)?(?:[fx]?(?:it|test|describe|context|suite|specify|module|bench|benchmark)|task|registerTask)(?:\.\w+)*\(\s*(["'`])(?P<name>(?:(?!\1).)*)\1\s*,\s*(?:async\s*)?(?:function\b|\([^()]*\)\s*=>|\w+\s*=>)""",
    ),
    ("assignments", FIELDS),
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

LANGUAGES: tuple[Language, ...] = (
    _js("javascript", "javascript", ".js", ".jsx", ".mjs", ".cjs"),
    _js("typescript", "typescript", ".ts", ".mts", ".cts"),
    _js("tsx", "tsx", ".tsx"),
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
)
