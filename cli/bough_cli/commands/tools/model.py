"""bough model"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
from bough_completion.errors import ModelError, UnknownTemplate, UnsupportedPrecision
from bough_completion.model.shelf import Item, Shelf, Terms
from bough_completion.prompt.registry import KNOWN
from bough_daemon.api.settings import change
from bough_daemon.errors import BadUsage, NoModel, NotPossibleNow

from bough_cli import output
from bough_cli.commands.tools.config import tell_daemon
from bough_cli.connection import home

app = typer.Typer(help="Add, list, use, remove and time completion models.", no_args_is_help=True)

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object per line.")]
Precision = Annotated[str, typer.Option(metavar="fp16|int8|int4", help="The precision of the weights.")]
Device = Annotated[str, typer.Option(metavar="cpu|cuda", help="The device that the model will run on.")]

WANTED = f"A folder, a hub id (OWNER/NAME), or one of {', '.join(each.name for each in KNOWN.values())}."


@contextmanager
def our_errors() -> Iterator[None]:
    """Turn errors of models into Bough's."""
    try:
        yield
    except (UnsupportedPrecision, UnknownTemplate) as error:
        raise BadUsage(str(error)) from error
    except ModelError as error:
        raise NotPossibleNow(str(error)) from error


def shelf() -> Shelf:
    """Return the user's models, which are kept in Bough's home."""
    return Shelf(Path(home().path("models")))


@app.command()
def add(
    wanted: Annotated[str, typer.Argument(metavar="NAME|HF_ID|DIR", help=WANTED)],
    precision: Precision = "int4",
    device: Device = "cpu",
    yes: Annotated[bool, typer.Option("--yes", help="Accept the licence without being asked.")] = False,
    json: Json = False,
) -> None:
    """Download a model, export it and add it to your models."""

    def agree(model: str, licence: str) -> bool:
        known = (
            f"has the licence {licence}, which is not a free licence" if licence != "unknown" else "states no licence"
        )
        output.talk(f"{model} {known}.")
        return yes or (sys.stdin.isatty() and typer.confirm("Do you accept that?", err=True))

    with our_errors():
        terms = Terms(agree, precision, device, progress=show_progress, say=show_step)
        item = shelf().add(wanted, terms)
    if item.used:
        tell_daemon()
    tell(item, json, f"Added {item.name}{', which is used from now on' if item.used else ''}")


@app.command("list")
def list_models(json: Json = False) -> None:
    """List your models, and those that can be added by name."""
    items = shelf().items()
    for item in items:
        mark = "used" if item.used else "    "
        size = f"{item.bytes / 2**30:.1f} GiB"
        tell(item, json, f"{mark}  {item.name}  {size}  {item.manifest.licence}  for {item.manifest.device}")
    if not json:
        here = {item.manifest.name for item in items}
        for known in KNOWN.values():
            if known.name not in here:
                output.talk(f"      {known.name}  {known.parameters:g} B weights  {known.licence}  can be added")


@app.command()
def use(name: str, json: Json = False) -> None:
    """Use this model for completion."""
    with our_errors():
        item = shelf().use(name)
    change(home(), "completion.model", None)
    tell_daemon()
    tell(item, json, f"Now using {item.name}")


@app.command()
def remove(name: str, json: Json = False) -> None:
    """Delete a model from this machine."""
    with our_errors():
        item = shelf().remove(name)
    if item.used:
        tell_daemon()
    tell(item, json, f"Removed {item.name}; {item.bytes / 2**30:.1f} GiB are free again")


@app.command()
def bench(
    name: Annotated[str | None, typer.Argument(help="A model of yours (default: the one in use).")] = None,
    threads: Annotated[int, typer.Option(help="The number of cores it may use.")] = 2,
    context: Annotated[int, typer.Option(metavar="TOKENS", help="The length of the text before the cursor.")] = 1000,
    tokens: Annotated[int, typer.Option(help="The length of an answer.")] = 16,
    json: Json = False,
) -> None:
    """Check a model and time its answers on this machine."""
    from bough_completion.model import bench as benchmark  # and with it numpy
    from bough_completion.model.engine import ModelEngine
    from bough_completion.model.runtime import RuntimeSettings

    load = benchmark.Load(context, tokens)
    with our_errors():
        engine = ModelEngine(
            chosen(name).folder, RuntimeSettings(threads=threads, window_tokens=context + 512), output.talk
        )
        try:
            benchmark.check(engine, load)
            answers, aborts = benchmark.keystrokes(engine, load), benchmark.aborts(engine)
        finally:
            engine.close()
    if json:
        output.as_json({"model": engine.name, "answer_ms": asdict(answers), "abort_ms": asdict(aborts)})
        return
    output.data(f"{engine.name}: {tokens} tokens after {context} in {answers.p50} ms (95 %: {answers.p95} ms)")
    output.data(f"a prefill stops within {aborts.worst} ms")


def chosen(name: str | None) -> Item:
    """Return the model with that name, or the one in use."""
    models = shelf()
    found = models.named(name) if name else models.used()
    if found is None:
        raise NoModel("no model is selected")
    return found


def tell(item: Item, json: bool, said: str) -> None:
    """Print a model as a line or as JSON."""
    if not json:
        output.data(said)
        return
    told: dict[str, Any] = asdict(item.manifest)
    kept = ("architecture", "precision", "device", "licence", "context_tokens", "template")
    output.as_json(
        {"name": item.name, "used": item.used, "bytes": item.bytes, "folder": str(item.folder)}
        | {key: told[key] for key in kept}
    )


def show_step(step: str) -> None:
    """Show a step of the export."""
    output.talk(f"  {step}")


def show_progress(name: str, here: int, total: int) -> None:
    """Show how far a download is, on a terminal."""
    if sys.stderr.isatty():
        done = here >= total
        typer.echo(f"\r  {name}  {100 * here // max(1, total)} %{' ' * 8}", err=True, nl=done)
