"""Neovim before `bough lsp`: keys are typed, and what stands in the file is what counts."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from pathlib import Path

import pytest

from tests.cli.conftest import Member
from tests.editors.conftest import REST, screen

NVIM = os.environ.get("NVIM") or shutil.which("nvim")
VERSION = ""
if NVIM is not None:
    VERSION = subprocess.run([NVIM, "--version"], capture_output=True, text=True, check=False).stdout.split("\n")[0]
NUMBER = tuple(int(part) for part in VERSION.removeprefix("NVIM v").partition("-")[0].split(".")) if VERSION else ()

pytestmark = pytest.mark.skipif(NVIM is None, reason="nvim is not installed: apt-get install neovim")

# As docs/editors.md has it.
INLINE = """
vim.lsp.config("bough", { cmd = { "bough", "lsp" }, root_markers = { ".git" } })
vim.lsp.enable("bough")
vim.lsp.inline_completion.enable()
vim.keymap.set("i", "<Tab>", function()
  if not vim.lsp.inline_completion.get() then return "<Tab>" end
end, { expr = true })
"""
OLDER = """
vim.api.nvim_create_autocmd("BufReadPost", { callback = function()
  local client = vim.lsp.start_client({
    cmd = { "bough", "lsp" },
    root_dir = vim.fn.getcwd(),
    on_attach = function(_, buffer) vim.bo[buffer].omnifunc = "v:lua.vim.lsp.omnifunc" end,
  })
  vim.lsp.buf_attach_client(0, client)
end })
"""


@pytest.mark.skipif(NUMBER < (0, 12), reason=f"{VERSION or 'no nvim'} shows no inline completions: 0.12 does")
def test_neovim_shows_an_inline_completion_and_tab_takes_it(live: Member, tmp_path: Path) -> None:
    init = tmp_path / "init.lua"
    init.write_text(INLINE)
    assert NVIM is not None
    with screen(live, NVIM, "-u", str(init), "-i", "NONE", "b.py") as editor:
        editor.until("x = ")
        time.sleep(0.5)  # let it ask the terminal what it can before keys come
        editor.types("Gowindow.op")
        editor.until(REST, again="\x7fp")
        editor.types("\t")
        editor.settles()
        editor.types("\x1b:wq\r")
        editor.ends()
    assert (live.tree / "b.py").read_text() == f"x = 1\nwindow.op{REST}\n"


def test_neovim_lists_completions_and_inserts_the_chosen_one(live: Member, tmp_path: Path) -> None:
    init = tmp_path / "init.lua"
    init.write_text(OLDER)
    assert NVIM is not None
    with screen(live, NVIM, "-u", str(init), "-i", "NONE", "b.py") as editor:
        editor.until("x = ")
        time.sleep(0.5)  # let it ask the terminal what it can before keys come
        editor.types("Gowindow.op")
        editor.until(REST, again="\x18\x0f")  # the first of the list stands in the text as well
        editor.types("\x1b:wq\r")
        editor.ends()
    assert (live.tree / "b.py").read_text() == f"x = 1\nwindow.op{REST}\n"
