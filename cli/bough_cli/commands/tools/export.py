"""bough export"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from bough_completion.model import export as exporting

from bough_cli import output
from bough_cli.commands.tools.model import Device, Json, Precision, our_errors, show_step


def export(
    checkpoint: Annotated[Path, typer.Argument(metavar="CHECKPOINT_DIR", help="A Hugging Face checkpoint on disk.")],
    out: Annotated[Path, typer.Argument(metavar="OUT", help="The folder to create.")],
    precision: Precision = "int4",
    device: Device = "cpu",
    template: Annotated[
        str | None, typer.Option(metavar="NAME", help="The fill-in-the-middle template: qwen, granite, …")
    ] = None,
    licence: Annotated[
        str | None, typer.Option(metavar="NAME", help="The licence, if its README does not state it.")
    ] = None,
    json: Json = False,
) -> None:
    """Export a checkpoint to ONNX, offline."""
    with our_errors():
        told = exporting.export(
            checkpoint.resolve(), out.absolute(), precision, device, template=template, licence=licence, say=show_step
        )
    if json:
        output.as_json(told)
        return
    output.data(f"Exported {told.name} to {out}")
    if told.template is None:
        output.talk("It has no fill-in-the-middle markers, so it does not see the text after the cursor.")
