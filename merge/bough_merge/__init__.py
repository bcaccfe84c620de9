"""Three-way merge by meaning: bytes in, result out."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .engine import merge_file
    from .result import Conflict, Finding, MergeResult, Method
    from .settings import Settings, SettingsError
    from .tree import TreeResult, merge_tree

__all__ = [
    "Conflict",
    "Finding",
    "MergeResult",
    "Method",
    "Settings",
    "SettingsError",
    "TreeResult",
    "merge_file",
    "merge_tree",
]

_MODULES = {
    "engine": ["merge_file"],
    "result": ["Conflict", "Finding", "MergeResult", "Method"],
    "settings": ["Settings", "SettingsError"],
    "tree": ["TreeResult", "merge_tree"],
}


def __getattr__(name: str) -> Any:
    """Import the engine, and with it the grammars, when somebody wants it: the daemon only compares lines."""
    for module, names in _MODULES.items():
        if name in names:
            return getattr(import_module(f".{module}", __name__), name)
    raise AttributeError(name)
