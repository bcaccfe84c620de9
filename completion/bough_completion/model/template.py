"""How a model wants to be asked for the text between two others."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from bough_completion.model.errors import UnknownTemplate
from bough_completion.model.vocabulary import Vocabulary


@dataclass(frozen=True)
class Prompt:
    """Ask what belongs between `before` and `after`.

    `begun` is what is already typed of the answer's first line. Placed after the middle marker, it is the only part
    that a keystroke changes, so that everything before it stays decoded. `files` are other files as (path, text),
    the most stable first.
    """

    before: str
    after: str = ""
    begun: str = ""
    path: str = ""
    files: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Template:
    """Order and markers of one family of fill-in-the-middle models.

    `suffix_first` puts the text after the cursor first: then neither it nor the files are decoded anew while the text
    before the cursor grows. `file` is the marker that opens another file, followed by its path on the same line;
    empty where the family was not trained with any. `stop` are markers that end an answer, besides the end of text.
    """

    name: str
    prefix: str
    suffix: str
    middle: str
    suffix_first: bool = False
    file: str = ""
    stop: tuple[str, ...] = ()

    @property
    def markers(self) -> tuple[str, ...]:
        """Every marker that a model of this family must have in its vocabulary."""
        return tuple(filter(None, (self.prefix, self.suffix, self.middle, self.file)))

    def tokens(self, prompt: Prompt, vocabulary: Vocabulary) -> list[int]:
        """Return the prompt as tokens; markers that stand in the user's text stay plain text."""
        marker, text = vocabulary.id_of, vocabulary.encode
        files = self._files(prompt, vocabulary) if self.file and prompt.files else []
        before = [marker(self.prefix), *text(prompt.before)]
        after = [marker(self.suffix), *text(prompt.after)]
        around = [*after, *before] if self.suffix_first else [*before, *after]
        return [*files, *around, marker(self.middle), *text(prompt.begun)]

    def _files(self, prompt: Prompt, vocabulary: Vocabulary) -> list[int]:
        mark = vocabulary.id_of(self.file)
        found = [token for path, text in prompt.files for token in (mark, *vocabulary.encode(f"{path}\n{text}\n"))]
        return [*found, mark, *vocabulary.encode(f"{prompt.path}\n")]


# Sources: the model cards of Qwen/Qwen2.5-Coder-1.5B ("Fill in the middle", "Repository level"),
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
            stop=("<|fim_pad|>", "<|repo_name|>", "<|im_start|>", "<|im_end|>"),
        ),
        Template("granite", "<|fim_prefix|>", "<|fim_suffix|>", "<|fim_middle|>", stop=("<|fim_pad|>",)),
        Template("mellum", "<fim_prefix>", "<fim_suffix>", "<fim_middle>", suffix_first=True, file="<filename>"),
        Template("starcoder", "<fim_prefix>", "<fim_suffix>", "<fim_middle>", stop=("<file_sep>",)),
    )
}


def template_named(name: str) -> Template:
    """Return the template of that name; raise `UnknownTemplate` when there is none."""
    if name not in TEMPLATES:
        raise UnknownTemplate(f"no template is called {name}; there are {', '.join(TEMPLATES)}")
    return TEMPLATES[name]


def recognise(known: Iterable[str], name: str = "") -> Template | None:
    """Return the template that fits a vocabulary, or None where it has no markers.

    The same markers stand for different orders in different families (Mellum puts the suffix first where others with
    its markers do not), so a family that `name`, the model's, mentions goes before the markers alone.
    """
    words = set(known)
    fitting = [each for each in TEMPLATES.values() if words.issuperset(each.markers)]
    named = [each for each in fitting if each.name in name.lower()]
    plain = [each for each in fitting if not each.suffix_first]
    return next(iter(named or plain), None)
