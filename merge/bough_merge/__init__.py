"""Three-way merge by meaning: bytes in, result out."""

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
