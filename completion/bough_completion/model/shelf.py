"""The models on this machine: one folder each, and which of them is in use."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from bough_completion.errors import AlreadyThere, BadModel, LicenceRefused, UnknownModel
from bough_completion.model import architectures, manifest
from bough_completion.model.download import Hub, Progress
from bough_completion.model.export import export, licence_of
from bough_completion.model.manifest import Manifest
from bough_completion.prompt.registry import is_free, known

USED = "used"
ARRIVING = ".arriving"

# Asks whether the user agrees to a model's licence; called with the model and the licence.
Agree = Callable[[str, str], bool]


@dataclass(frozen=True)
class Terms:
    """How a model is added: options, whom to ask, and whom to inform."""

    agree: Agree
    precision: str = "int4"
    device: str = "cpu"
    hub: Callable[[], Hub] = Hub
    progress: Progress = lambda name, here, total: None
    say: Callable[[str], None] = lambda line: None


@dataclass(frozen=True)
class Item:
    """A model on the shelf; `used` marks the one that completions come from."""

    name: str
    folder: Path
    manifest: Manifest
    bytes: int
    used: bool


class Shelf:
    """The models in one folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def items(self) -> list[Item]:
        """Return every model on the shelf by name; damaged or incomplete folders are left out."""
        used = self._used_name()
        found = []
        for folder in sorted(self.folder.iterdir()) if self.folder.is_dir() else ():
            try:
                told = manifest.read(folder)
            except BadModel:
                continue
            size = sum(each.bytes for each in told.files.values())
            found.append(Item(folder.name, folder, told, size, folder.name == used))
        return found

    def used(self) -> Item | None:
        """Return the model in use, or None."""
        return next((item for item in self.items() if item.used), None)

    def named(self, name: str) -> Item:
        """Return the model with that name; raise `UnknownModel` if there is none."""
        items = self.items()
        found = next((item for item in items if item.name.lower() == name.lower()), None)
        if found is None:
            there = ", ".join(item.name for item in items) or "none yet"
            raise UnknownModel(f"no model is named {name}; there is {there}")
        return found

    def use(self, name: str) -> Item:
        """Use the model with that name from now on; raise `UnknownModel` or, if a file is damaged, `BadModel`."""
        item = self.named(name)
        manifest.verify(item.folder, item.manifest)
        fresh = self.folder / f"{USED}.new"
        fresh.write_text(item.name + "\n", encoding="utf-8")
        fresh.replace(self.folder / USED)
        return Item(item.name, item.folder, item.manifest, item.bytes, True)

    def remove(self, name: str) -> Item:
        """Delete the model with that name from disk; raise `UnknownModel`."""
        item = self.named(name)
        if item.used:
            (self.folder / USED).unlink()
        shutil.rmtree(item.folder)
        return item

    def add(self, wanted: str, terms: Terms) -> Item:
        """Add a model to the shelf: a name of the registry, a hub id (`OWNER/NAME`), or a folder.

        A folder is a checkpoint, which is exported, or an exported model, which is copied. A download is kept until its
        export is done, so that a failure does not require another one. A licence that is not free is asked about before
        anything large is downloaded. The first model on an empty shelf is used at once. Raise `LicenceRefused`,
        `DownloadFailed`, `UnknownModel`, or what `export` raises; the shelf is unchanged.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        folder = Path(wanted).expanduser()
        if not folder.is_dir():
            item = self._add_remote(wanted, terms)
        elif (folder / manifest.FILE).is_file():
            item = self._add_model(folder.resolve(), terms)
        else:
            item = self._add_checkpoint(folder.resolve(), terms)
        return item if self.used() else self.use(item.name)

    def _add_model(self, folder: Path, terms: Terms) -> Item:
        told = manifest.read(folder)
        manifest.verify(folder, told)
        self._refuse_taken(folder.name)
        _ask(told.name, told.licence, terms)
        arriving = self.folder / ARRIVING / folder.name
        shutil.rmtree(arriving, ignore_errors=True)
        shutil.copytree(folder, arriving)
        arriving.rename(self.folder / folder.name)
        return self.named(folder.name)

    def _add_checkpoint(self, folder: Path, terms: Terms) -> Item:
        model = known(folder.name)
        licence = model.licence if model else licence_of(folder)
        _ask(folder.name, licence, terms)
        return self._export(
            folder, f"{folder.name}-{terms.precision}", licence, model.template if model else None, terms
        )

    def _add_remote(self, wanted: str, terms: Terms) -> Item:
        model = known(wanted)
        if model is None and wanted.count("/") != 1:
            raise UnknownModel(f"{wanted} is neither a model that Bough knows, nor a hub id (OWNER/NAME), nor a folder")
        source = model.source if model else wanted
        name = f"{source.split('/')[1]}-{terms.precision}"
        self._refuse_taken(name)
        architectures.check_precision(terms.precision, terms.device)
        hub = terms.hub()
        remote = hub.look(source)
        licence = model.licence if model else remote.licence
        _ask(source, licence, terms)
        checkpoint = self.folder / ARRIVING / source.replace("/", "--")
        hub.fetch(remote.only("config.json"), checkpoint)
        architectures.architecture_of(architectures.config_of(checkpoint))
        hub.fetch(remote, checkpoint, terms.progress)
        item = self._export(checkpoint, name, licence, model.template if model else None, terms)
        shutil.rmtree(checkpoint)
        return item

    def _export(self, checkpoint: Path, name: str, licence: str, template: str | None, terms: Terms) -> Item:
        self._refuse_taken(name)
        target = self.folder / name
        export(
            checkpoint,
            target,
            terms.precision,
            terms.device,
            name=name.removesuffix(f"-{terms.precision}"),
            licence=licence,
            template=template,
            say=terms.say,
        )
        return self.named(name)

    def _refuse_taken(self, name: str) -> None:
        if (self.folder / name).exists():
            raise AlreadyThere(f"{name} is already among your models")

    def _used_name(self) -> str:
        try:
            return (self.folder / USED).read_text(encoding="utf-8").strip()
        except FileNotFoundError:
            return ""


def _ask(model: str, licence: str, terms: Terms) -> None:
    if not is_free(licence) and not terms.agree(model, licence):
        raise LicenceRefused(f"{model} is under the licence {licence}, which was not agreed to")
