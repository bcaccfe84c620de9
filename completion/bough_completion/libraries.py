"""Import the libraries of optional extras when they are first needed."""

from __future__ import annotations

import importlib
import os
from typing import Any

from bough_completion.errors import MissingLibrary

EXTRAS = {
    "onnxruntime": "cpu",
    "tokenizers": "cpu",
    "huggingface_hub": "cpu",
    "onnx": "export",
    "onnxruntime_genai": "export",
    "torch": "export",
    "transformers": "export",
}


def library(name: str) -> Any:
    """Return the module `name`.

    ONNX Runtime sends telemetry unless it is disabled before its first import, so it is disabled here. Raise
    `MissingLibrary` if it is not installed.
    """
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as missing:
        raise MissingLibrary(name, EXTRAS[name.partition(".")[0]]) from missing
