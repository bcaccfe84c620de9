"""Prompt templates: how a model is asked for the text between two others."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from bough_completion.errors import UnknownTemplate
from bough_completion.prompt.vocabulary import Vocabulary


@dataclass(frozen=True)
class Prompt:
    """A question for what belongs between `before` and `after`.

    `begun` is what is already typed of the answer's first line. After the middle marker, it is the only part that
    changes while typing, so that everything before it stays decoded; the word at its end, which may be incomplete, is
    not in a model's prompt at all (see `Typed`). `files` are other files as (path, text), the most stable first;
    `repository` is its name.
    """

    before: str
    after: str = ""
    begun: str = ""
    path: str = ""
    files: tuple[tuple[str, str], ...] = ()
    repository: str = ""


@dataclass(frozen=True)
class Template:
    """Order and markers of one family of fill-in-the-middle models.

    `suffix_first` puts the text after the cursor first: then neither it nor the files are decoded again while the text
    before the cursor grows. `file` is the marker that starts another file, followed by its path on the same line; empty
    if the family was not trained with any: then other files precede the text as comments. `repository` is the marker
    before the first file. `stop` are markers that end an answer, besides the end of text.
    """

    name: str
    prefix: str
    suffix: str
    middle: str
    suffix_first: bool = False
    file: str = ""
    repository: str = ""
    stop: tuple[str, ...] = ()

    @property
    def markers(self) -> tuple[str, ...]:
        """Every marker that a model of this family must have in its vocabulary."""
        return tuple(filter(None, (self.prefix, self.suffix, self.middle, self.file, self.repository)))

    def tokens(self, prompt: Prompt, vocabulary: Vocabulary) -> list[int]:
        """Return the prompt as tokens; markers in the user's text stay plain text."""
        marker, text = vocabulary.id_of, vocabulary.encode
        return [
            token for part, is_marker in self.parts(prompt) for token in ([marker(part)] if is_marker else text(part))
        ]

    def text(self, prompt: Prompt) -> str:
        """Return the prompt as text for a server that reads markers in it; those in the user's text are broken up.

        What is typed of the line ends the text before the cursor: half a word after the middle marker is nothing that a
        model has seen in training, and a server's answer cannot be constrained to it.
        """
        prompt = replace(prompt, before=prompt.before + prompt.begun, begun="")
        marks = re.compile("|".join(map(re.escape, sorted({*self.markers, *self.stop}, key=len, reverse=True))))
        return "".join(
            part if is_marker else marks.sub(lambda mark: f"{mark[0][0]} {mark[0][1:]}", part)
            for part, is_marker in self.parts(prompt)
        )

    def parts(self, prompt: Prompt) -> Iterator[tuple[str, bool]]:
        """Yield the prompt as markers and plain texts, and which of them each is."""
        if prompt.files and self.file:
            if self.repository:
                yield from ((self.repository, True), (f"{prompt.repository}\n", False))
            for path, text in prompt.files:
                yield from ((self.file, True), (f"{path}\n{text}\n", False))
            yield from ((self.file, True), (f"{prompt.path}\n", False))
        beside = "" if self.file else as_comments(prompt)
        before = [(self.prefix, True), (beside, False), (prompt.before, False)]
        after = [(self.suffix, True), (prompt.after, False)]
        yield from (*after, *before) if self.suffix_first else (*before, *after)
        yield from ((self.middle, True), (prompt.begun, False))


def as_comments(prompt: Prompt) -> str:
    """Return other files as comments in the language of the file asked about."""
    mark = "#" if prompt.path.endswith(_HASHED) else "//"
    lines = (line for path, text in prompt.files for line in (f"{path}:", *text.split("\n")))
    return "".join(f"{mark} {line}\n" for line in lines)


_HASHED = (".py", ".pyi", ".rb", ".sh", ".bash", ".yaml", ".yml", ".toml", ".pl", ".r", ".jl", ".ex", ".exs", ".cmake")

# Sources: the model card of Qwen/Qwen2.5-Coder-1.5B ("Fill in the middle", "Repository level") and the family's report
# (arXiv 2409.12186, where files stand before a middle that is filled in); the cards of
# ibm-granite/granite-4.0-micro-base ("Fill-in-the-Middle") and JetBrains/Mellum-4b-sft-all ("Sample usage").
TEMPLATES = {
    each.name: each
    for each in (
        Template(
            "qwen",
            "<|fim_prefix|>",
            "<|fim_suffix|>",
            "<|fim_middle|>",
            file="<|file_sep|>",
            repository="<|repo_name|>",
            stop=("<|fim_pad|>", "<|im_start|>", "<|im_end|>"),
        ),
        Template("granite", "<|fim_prefix|>", "<|fim_suffix|>", "<|fim_middle|>", stop=("<|fim_pad|>",)),
        Template("mellum", "<fim_prefix>", "<fim_suffix>", "<fim_middle>", suffix_first=True, file="<filename>"),
        Template("starcoder", "<fim_prefix>", "<fim_suffix>", "<fim_middle>", stop=("<file_sep>",)),
    )
}


def template_named(name: str) -> Template:
    """Return the template with that name; raise `UnknownTemplate` if there is none."""
    if name not in TEMPLATES:
        raise UnknownTemplate(f"there is no template {name}; choose from {', '.join(TEMPLATES)}")
    return TEMPLATES[name]


def recognise(known: Iterable[str], name: str = "") -> Template | None:
    """Return the template that fits a vocabulary, or None if it has no markers.

    The same markers have different orders in different families (Mellum puts the suffix first, unlike others with its
    markers), so a family mentioned in the model's `name` takes precedence over the markers.
    """
    words = set(known)
    fitting = [each for each in TEMPLATES.values() if words.issuperset(each.markers)]
    named = [each for each in fitting if each.name in name.lower()]
    plain = [each for each in fitting if not each.suffix_first]
    return next(iter(named or plain), None)
