"""Documents."""

from __future__ import annotations

from bough_merge.syntax.language import Free, Language

LANGUAGES: tuple[Language, ...] = (
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
    Language("rst", "rst", (".rst",)),
)
