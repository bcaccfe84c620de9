"""Emacs with eglot before `bough lsp`."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.cli.conftest import Member
from tests.editors.conftest import PATIENCE, REST

EMACS = shutil.which("emacs")
READY = "(progn (package-initialize) (require 'eglot) (require 'python))"

# The second line is what docs/editors.md has; the rest is typing.
TYPING = """
(package-initialize) (require 'eglot) (require 'python) (setq eglot-sync-connect 30 eglot-connect-timeout 60)
(add-to-list 'eglot-server-programs '(python-mode . ("bough" "lsp")))
(find-file "b.py")
(apply #'eglot (eglot--guess-contact))
(goto-char (point-max))
(insert "window.op")
(dotimes (_ 100)
  (unless (string-match-p "en_with" (buffer-string))
    (accept-process-output nil 0.2)
    (eglot--signal-textDocument/didChange)
    (ignore-errors (completion-at-point))))
(save-buffer)
"""


def has_eglot() -> bool:
    """Return whether there is an Emacs with eglot."""
    if EMACS is None:
        return False
    return subprocess.run([EMACS, "--batch", "--eval", READY], capture_output=True, check=False).returncode == 0


@pytest.mark.skipif(not has_eglot(), reason="emacs with eglot is not installed: apt-get install emacs-nox elpa-eglot")
def test_emacs_completes_at_point_by_eglot(live: Member, tmp_path: Path) -> None:
    script = tmp_path / "type.el"
    script.write_text(TYPING)
    assert EMACS is not None
    done = subprocess.run(
        [EMACS, "--batch", "-l", str(script)],
        cwd=live.tree,
        env=dict(os.environ) | live.variables,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert (live.tree / "b.py").read_text() == f"x = 1\nwindow.op{REST}\n", done.stderr
