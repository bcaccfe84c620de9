"""The plugin llama.vim, unmodified, in Vim and in Neovim before the HTTP door."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path

import pytest

from tests.cli.conftest import Member
from tests.editors.conftest import REST, plugin, screen

PLUGIN = plugin("LLAMA_VIM")
EDITORS = {"vim": shutil.which("vim"), "nvim": os.environ.get("NVIM") or shutil.which("nvim")}

pytestmark = pytest.mark.skipif(
    PLUGIN is None, reason="LLAMA_VIM names no folder: git clone https://github.com/ggml-org/llama.vim"
)


@pytest.mark.parametrize("name", EDITORS)
def test_llama_vim_shows_a_suggestion_and_tab_takes_it(
    live: Member, http: tuple[int, str], tmp_path: Path, name: str
) -> None:
    editor = EDITORS[name]
    if editor is None:
        pytest.skip(f"{name} is not installed: apt-get install {name.replace('nvim', 'neovim')}")
    port, token = http
    vimrc = tmp_path / "vimrc"
    settings = f"'endpoint_fim': 'http://127.0.0.1:{port}/infill', 'api_key': '{token}', 'show_info': 0"
    vimrc.write_text(
        f"set nocompatible\nset rtp^={PLUGIN}\nlet g:llama_config = {{{settings}}}\nfiletype plugin on\nsyntax on\n"
    )
    with screen(live, editor, "-u", str(vimrc), "-i", "NONE", "b.py") as shown:
        shown.until("x = ", again="\r")  # Vim before 9.1 is warned about
        time.sleep(0.5)  # let it ask the terminal what it can before keys come
        shown.types("Gowindow.op")
        shown.until(REST, again="\x7fp")
        shown.types("\t")
        shown.settles()
        shown.types("\x1b:wq\r")
        shown.ends()
    assert (live.tree / "b.py").read_text() == f"x = 1\nwindow.op{REST}\n"
