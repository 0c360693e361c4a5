"""Ends a host whose actor is gone, even in the middle of a step that never ends."""

from __future__ import annotations

import os
import select
import signal
import threading
import time

_GRACE_SECONDS = 2.0
"""How long a host has for ending by itself: it sees the end of its commands after the step at hand."""


def watch(commands: int) -> None:
    """Watches the actor's side of ``commands`` from a thread of its own."""
    threading.Thread(target=_run, args=(commands,), name="watchdog", daemon=True).start()


def _run(commands: int) -> None:
    poll = select.poll()
    poll.register(commands, 0)  # hang-ups are reported unasked
    poll.poll()
    time.sleep(_GRACE_SECONDS)
    if os.getpgrp() == os.getpid():  # the actor made us a group: take along what the environment started
        os.killpg(0, signal.SIGKILL)
    os.kill(os.getpid(), signal.SIGKILL)
