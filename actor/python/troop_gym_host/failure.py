"""What a user reads when an environment cannot start or breaks."""

from __future__ import annotations

import os
import sys
import traceback
from typing import Any


class HostError(Exception):
    """A failure that this package explains itself: what is wrong, and what to do about it."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint

    def at(self, place: str) -> HostError:
        """The same with the place where it happened."""
        return HostError(f"{self} ({place})", self.hint)


def describe(error: BaseException) -> dict[str, Any]:
    """The failure as the actor receives it: the exception's own words first, the traceback apart."""
    if isinstance(error, HostError):
        message = str(error)
        cause = error.__cause__
        if cause is not None:
            message = f"{message}: {last_line(cause)}"
        return {"error": message, "hint": error.hint, "traceback": _traceback(error)}
    return {"error": last_line(error), "hint": "", "traceback": _traceback(error)}


def last_line(error: BaseException) -> str:
    """The exception's type and message, as the last line of its traceback has them."""
    return "".join(traceback.format_exception_only(type(error), error)).strip()


def import_hint(key: str) -> str:
    """What to do about a module that does not import, where ``key`` is the configuration key that named it."""
    return f"install it for {sys.executable}, or correct {key}; the current directory {os.getcwd()} is searched too"


def _traceback(error: BaseException) -> str:
    return "".join(traceback.format_exception(type(error), error, error.__traceback__))
