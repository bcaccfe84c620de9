"""Errors of models, each named for what happened."""

from __future__ import annotations


class ModelError(Exception):
    """Anything that a model, or its absence, makes impossible; no file of the user's was changed."""


class MissingLibrary(ModelError):
    """A library of an optional extra is not installed."""

    def __init__(self, library: str, extra: str) -> None:
        super().__init__(f"{library} is not installed; `pip install 'bough[{extra}]'` brings it")
        self.library = library
        self.extra = extra


class BadCheckpoint(ModelError):
    """The folder is not a readable Hugging Face checkpoint."""


class UnsupportedArchitecture(ModelError):
    """The exporter cannot turn this architecture into a graph that Bough serves; nothing was written."""


class UnsupportedPrecision(ModelError):
    """The device has no kernels for weights of this precision; nothing was written."""


class UnknownTemplate(ModelError):
    """There is no fill-in-the-middle template with this name."""


class ExportFailed(ModelError):
    """The exporter failed; the target folder was not created."""


class BadModel(ModelError):
    """The folder is not a model that Bough exported, or it is damaged."""


class TooLarge(ModelError):
    """The model exceeds its memory limit; it was not loaded."""


class ContextFull(ModelError):
    """The prompt is longer than the window of the cache; the slot is unchanged."""


class Stopped(ModelError):
    """The run was stopped on request; the slot still holds every token of the earlier runs."""


class UnknownModel(ModelError):
    """There is no model with this name here."""


class LicenceRefused(ModelError):
    """The licence is not a free one and nobody agreed to it; nothing was downloaded."""


class DownloadFailed(ModelError):
    """The download failed; what has arrived is kept and the next attempt resumes it."""


class AlreadyThere(ModelError):
    """There is already a model with this name; it was not touched."""
