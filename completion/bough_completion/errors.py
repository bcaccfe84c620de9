"""What can go wrong with a model, each named for what happened."""

from __future__ import annotations


class ModelError(Exception):
    """Anything that a model, or the lack of one, makes impossible; no file of the user's was changed."""


class MissingLibrary(ModelError):
    """A library of an optional extra is not installed."""

    def __init__(self, library: str, extra: str) -> None:
        super().__init__(f"{library} is not installed; `pip install 'bough[{extra}]'` brings it")
        self.library = library
        self.extra = extra


class BadCheckpoint(ModelError):
    """The folder is not a Hugging Face checkpoint that can be read."""


class UnsupportedArchitecture(ModelError):
    """The exporter cannot turn this architecture into a graph that Bough serves; nothing was written."""


class UnsupportedPrecision(ModelError):
    """The device has no kernels for weights of this precision; nothing was written."""


class UnknownTemplate(ModelError):
    """No fill-in-the-middle template has this name."""


class ExportFailed(ModelError):
    """The exporter stopped; the target folder was not made."""


class BadModel(ModelError):
    """The folder is not a model that Bough exported, or it is damaged."""


class TooLarge(ModelError):
    """The model does not fit into the memory that it may use; it was not loaded."""


class ContextFull(ModelError):
    """The prompt is longer than the window that the cache was made for; the slot is as it was."""


class Stopped(ModelError):
    """The run was stopped on request; the slot still holds every token of the runs before it."""


class UnknownModel(ModelError):
    """No model has this name here."""


class LicenceRefused(ModelError):
    """The licence is not a free one and nobody agreed to it; nothing was downloaded."""


class DownloadFailed(ModelError):
    """The download stopped; what has arrived stays and the next try goes on from there."""


class AlreadyThere(ModelError):
    """A model of this name is on the shelf; it was not touched."""
