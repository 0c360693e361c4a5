"""Python's warnings, as the actor shows them to people: each place once, with a mark that a print does not have."""

from __future__ import annotations

import re
import sys
import warnings
from typing import Any, TextIO

_COLOR = re.compile(r"\x1b\[[0-9;]*m")

MARK = "troop-warning: "
"""Begins a line that the actor logs as a warning."""


def pass_on() -> None:
    """From now on warnings go to standard error, a marked line each."""
    warnings.showwarning = _show


def _show(
    message: Warning | str, category: type[Warning], filename: str, lineno: int, file: TextIO | None = None, line: Any = None
) -> None:
    text = " ".join(_COLOR.sub("", str(message)).split())
    print(f"{MARK}{text} ({category.__name__}, {filename}:{lineno})", file=file or sys.stderr)
