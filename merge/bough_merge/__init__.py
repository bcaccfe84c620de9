"""Three-way merge by meaning: bytes in, result out."""

from .engine import merge_file
from .result import Conflict, Finding, MergeResult, Method
from .settings import Settings

__all__ = ["Conflict", "Finding", "MergeResult", "Method", "Settings", "merge_file"]
