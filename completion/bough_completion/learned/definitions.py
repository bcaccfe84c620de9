"""Find the names that a text defines, and defines differently from another text: by line shapes, in any language."""

from __future__ import annotations

import re

_DEFINITION = re.compile(
    r"^[ \t]*(?:(?:export|default|public|private|protected|internal|static|async|final|abstract|inline"
    r"|pub(?:\([a-z]+\))?|const|unsafe|extern|virtual|override|declare)[ \t]+)*"
    r"(?:(?:def|class|func|function|fn|struct|enum|union|interface|trait|type|module|namespace|macro_rules!|let|var|val|const"
    r"|static|#[ \t]*define|typedef[ \t]+struct|record|object|protocol|impl|sub|proc)\b[ \t*&]*"
    r"(?:\([^)\n]*\)[ \t]*)?([^\W\d]\w*)"
    r"|[^\W\d][\w \t*&:<>,\[\]]*?[ \t*&]([^\W\d]\w*)\([^;\n]*$)",
    re.MULTILINE,
)


def definitions(text: str) -> dict[str, list[str]]:
    """Return for each name the texts that define it, each up to the next definition."""
    found: dict[str, list[str]] = {}
    matches = list(_DEFINITION.finditer(text))
    ends = [*(match.start() for match in matches[1:]), len(text)]
    for match, end in zip(matches, ends, strict=False):
        found.setdefault(match[1] or match[2], []).append(text[match.start() : end].strip())
    return found


def defined_otherwise(theirs: str, ours: str) -> frozenset[str]:
    """Return the names that `theirs` defines and `ours` does not define in the same words."""
    mine = definitions(ours)
    return frozenset(name for name, bodies in definitions(theirs).items() if mine.get(name) != bodies)
