"""Three-way merge by meaning: bytes in, result out."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bough_merge.across.merge_tree import TreeResult, merge_tree
    from bough_merge.engine import merge_file
    from bough_merge.syntax.settings import MergeSettings, SettingsError
    from bough_merge.text.result import Conflict, Finding, MergeResult, Method

__all__ = [
    "Conflict",
    "Finding",
    "MergeResult",
    "MergeSettings",
    "Method",
    "SettingsError",
    "TreeResult",
    "merge_file",
    "merge_tree",
]

_MODULES = {
    "engine": ["merge_file"],
    "text.result": ["Conflict", "Finding", "MergeResult", "Method"],
    "syntax.settings": ["MergeSettings", "SettingsError"],
    "across.merge_tree": ["TreeResult", "merge_tree"],
}


def __getattr__(name: str) -> Any:
    """Import the engine, and with it the grammars, when first used: the daemon only compares lines."""
    for module, names in _MODULES.items():
        if name in names:
            return getattr(import_module(f".{module}", __name__), name)
    raise AttributeError(name)
