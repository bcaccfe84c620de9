"""The models that Bough knows by name, and the licences that need no question."""

from __future__ import annotations

from dataclasses import dataclass

from bough_completion.prompt.template import TEMPLATES, Template

# Licences, as the hub spells them, that allow any use of the weights; each other one is shown and asked about.
FREE_LICENCES = frozenset(
    "apache-2.0 mit bsd-2-clause bsd-3-clause bsd-3-clause-clear isc unlicense cc0-1.0 cc-by-4.0 mpl-2.0 zlib".split()
)


@dataclass(frozen=True)
class Known:
    """A model known by name: `source` is its id on the hub, `template` its prompt template, `parameters` in 10⁹."""

    name: str
    source: str
    licence: str
    template: str
    parameters: float

    @property
    def free(self) -> bool:
        """Return whether its licence needs no question."""
        return is_free(self.licence)


# Licences and sizes as stated on the models' pages on the hub.
KNOWN = {
    each.name.lower(): each
    for each in (
        Known("Mellum-4b-sft-all", "JetBrains/Mellum-4b-sft-all", "apache-2.0", "mellum", 4.0),
        Known("granite-4.0-micro-base", "ibm-granite/granite-4.0-micro-base", "apache-2.0", "granite", 3.4),
        Known("Qwen2.5-Coder-0.5B", "Qwen/Qwen2.5-Coder-0.5B", "apache-2.0", "qwen", 0.5),
        Known("Qwen2.5-Coder-1.5B", "Qwen/Qwen2.5-Coder-1.5B", "apache-2.0", "qwen", 1.5),
        Known("Qwen2.5-Coder-3B", "Qwen/Qwen2.5-Coder-3B", "qwen-research", "qwen", 3.1),
    )
}


def known(name: str) -> Known | None:
    """Return the model with that name or hub id, ignoring case; None if there is none."""
    wanted = name.lower()
    return KNOWN.get(wanted) or next((each for each in KNOWN.values() if each.source.lower() == wanted), None)


def family_of(name: str) -> Template | None:
    """Return the template of a model that someone else serves, by its name; None if the name is unknown."""
    model = known(name)
    words = name.lower()
    families = [*([model.template] if model else ()), *(each for each in TEMPLATES if each in words)]
    # Of the Qwen family only the coder was trained to fill in the middle.
    return next((TEMPLATES[each] for each in families if each != "qwen" or "coder" in words), None)


def is_free(licence: str) -> bool:
    """Return whether a licence, as the hub writes it, allows any use."""
    return licence.lower() in FREE_LICENCES
