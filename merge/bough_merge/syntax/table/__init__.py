"""The table of languages by family: which order is meaningless, what names an entity, and which grammar to use.

The node types are the grammars' own (`node-types.json` of each). A rule is in `COMMON` if every language that has the
type agrees; what only one language allows is in its row.
"""

from __future__ import annotations

from bough_merge.syntax.language import Language
from bough_merge.syntax.table import c_family, compiled, data, documents, lists, others, scripting, web

FAMILIES = (web, c_family, scripting, compiled, data, documents, lists, others)
LANGUAGES: tuple[Language, ...] = tuple(language for family in FAMILIES for language in family.LANGUAGES)
