"""LibreOffice, which recalculates workbooks.

Without it the tests skip with one line that says how to get it. With HANDCALC_BROWSER_REQUIRED=1 they fail.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from parity_tests.support.browser import give_up

Recalculate = Callable[[Sequence[Path]], list[Path]]


@pytest.fixture
def recalculate(tmp_path: Path) -> Recalculate:
    """Return a function that has LibreOffice calculate workbooks, and returns the files that it saved."""
    program = shutil.which("soffice") or shutil.which("libreoffice")
    if program is None:
        give_up("needs LibreOffice: apt install --no-install-recommends libreoffice-calc")

    def convert(paths: Sequence[Path]) -> list[Path]:
        profile, out = tmp_path / "profile", tmp_path / "calculated"
        command = [program, f"-env:UserInstallation={profile.as_uri()}", "--headless", "--convert-to", "xlsx"]
        command += ["--outdir", str(out), *map(str, paths)]
        subprocess.run(command, check=True, capture_output=True, timeout=300)
        return [out / path.name for path in paths]

    return convert
