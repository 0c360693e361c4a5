"""Ends all that an environment has started, however the host or its actor ends.

A host may hold the GIL for ever, and an environment may start simulators in sessions of their own, which no process
group reaches. So the process that the actor starts is split before anything is imported: the child becomes the host, and
the parent does nothing but wait. It is the *subreaper* of all that comes of the host, so whatever loses its parent
becomes its child, and the system sends it SIGTERM when the actor is gone. Then, or when the host ends, it kills what is
left and ends as the host did.
"""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import sys
import time
from typing import NoReturn

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36

_PATIENCE_SECONDS = 5.0
"""What has not died of SIGKILL by then, in the middle of a system call say, is left to the system."""


def begin() -> None:
    """Returns in the process that becomes the host. Elsewhere than on Linux there is only that one."""
    if not sys.platform.startswith("linux"):
        return
    libc = ctypes.CDLL(None, use_errno=True)
    actor = os.getppid()
    watched = {signal.SIGTERM, signal.SIGCHLD}
    signal.pthread_sigmask(signal.SIG_BLOCK, watched)
    if libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) or libc.prctl(_PR_SET_PDEATHSIG, int(signal.SIGTERM), 0, 0, 0):
        raise OSError(ctypes.get_errno(), "prctl")
    supervisor = os.getpid()
    host = os.fork()
    if host:
        _supervise(host, actor, watched)
    libc.prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)
    if os.getppid() != supervisor:  # it ended before it was to be noticed
        os._exit(1)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, watched)


def _supervise(host: int, actor: int, watched: set[signal.Signals]) -> NoReturn:
    # The host alone has the channel: its end is the channel's end.
    nothing = os.open(os.devnull, os.O_RDWR)
    for stream in range(3):
        os.dup2(nothing, stream)
    status = None
    while status is None and os.getppid() == actor:
        if signal.sigwait(watched) == signal.SIGTERM:
            break
        status = _reap(host)
    _kill_all()
    _end(status)


def _reap(host: int) -> int | None:
    """Waits for those that have ended; the host's status, if it is one of them."""
    found = None
    while True:
        try:
            ended, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return found
        if not ended:
            return found
        if ended == host:
            found = status


def _kill_all() -> None:
    """Kills all that come of this process, until there are none: those of a killed one become this one's."""
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while time.monotonic() < deadline:
        try:
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        except ChildProcessError:
            return
        for process in _descendants():
            try:
                os.kill(process, signal.SIGKILL)
            except (ProcessLookupError, PermissionError):
                continue
        time.sleep(0.002)


def _descendants() -> list[int]:
    parents = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                with open(f"/proc/{name}/stat", "rb") as file:
                    # The command in brackets may have anything in it.
                    parents[int(name)] = int(file.read().rpartition(b")")[2].split()[1])
            except OSError:
                continue
    found: list[int] = []
    generation = [os.getpid()]
    while generation:
        generation = [process for process, parent in parents.items() if parent in generation]
        found += generation
    return found


def _end(status: int | None) -> NoReturn:
    """As the host did; as one that was killed if the actor is gone."""
    code = -signal.SIGKILL if status is None else os.waitstatus_to_exitcode(status)
    if code >= 0:
        os._exit(code)
    signalled = signal.Signals(-code)
    if signalled not in (signal.SIGKILL, signal.SIGSTOP):
        signal.signal(signalled, signal.SIG_DFL)
    # No dump of this process's memory: it is not the one that failed.
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signalled})
    os.kill(os.getpid(), signalled)
    os._exit(1)
