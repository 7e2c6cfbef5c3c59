"""The compilers of the system: C for the port that ships, Rust for an example of the guide.

Without one, the tests that need it skip. With C_COMPILER_REQUIRED=1 those that need C fail.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest


def require_c() -> None:
    """Skip the test if there is no C compiler; where one is required, fail it."""
    if shutil.which("cc") is None:
        message = "needs a C compiler: apt install gcc libc6-dev"
        if os.environ.get("C_COMPILER_REQUIRED") == "1":
            pytest.fail(message, pytrace=False)
        pytest.skip(message)


def compile_c(source: Path, program: Path, *flags: str) -> str:
    """Compile one file of C99 with cc, and return its warnings."""
    require_c()
    words = ["cc", "-std=c99", "-Wall", "-Wextra", "-pedantic", *flags, str(source), "-lm", "-o", str(program)]
    return _compile(words)


def compile_rust(source: Path, program: Path) -> str:
    """Compile one file of Rust with rustc, and return its warnings."""
    if shutil.which("rustc") is None:
        pytest.skip("needs a Rust compiler: apt install rustc")
    return _compile(["rustc", "--edition", "2021", str(source), "-o", str(program)])


def _compile(words: list[str]) -> str:
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stderr
