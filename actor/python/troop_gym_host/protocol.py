"""The control channel between an actor and its host.

Start, one JSON line each: the actor's settings; the host's spaces and the bytes of each shared array; the actor's
shared-memory file and the offset of each array in it; the host's word that it has mapped the file. Then, for as long
as the actor wants:

=====  =======================================  ==========================================
byte   from the actor                           the host answers
=====  =======================================  ==========================================
``R``  reset; eight bytes of seed follow,       ``k``, or ``e`` and a JSON line that says
       little-endian                            what went wrong
``S``  step: the actions are in shared memory   the same
``C``  close                                    nothing: it ends
=====  =======================================  ==========================================

The host writes to shared memory between a command and its answer only. The end of the actor's side ends the host.
"""

from __future__ import annotations

import json
import os
from typing import Any

PROTOCOL = 4
"""Must be the actor's: the first line of each side says so."""

RESET, STEP, CLOSE = b"R", b"S", b"C"
OK, ERROR = b"k", b"e"


class Channel:
    """Commands in, replies out, on two descriptors that nothing else in the process knows."""

    def __init__(self, commands: int, replies: int) -> None:
        self.commands = commands
        self._replies = replies

    @classmethod
    def over_standard_streams(cls) -> Channel:
        """Takes standard input and output for the channel.

        What an environment prints goes to standard error from here on, and what it reads is empty, so that neither
        can break the channel.
        """
        channel = cls(os.dup(0), os.dup(1))
        with open(os.devnull, "rb") as nothing:
            os.dup2(nothing.fileno(), 0)
        os.dup2(2, 1)
        return channel

    def read(self, count: int) -> bytes:
        """Exactly ``count`` bytes; fewer only where the actor has gone."""
        read = os.read(self.commands, count)
        while 0 < len(read) < count:
            more = os.read(self.commands, count - len(read))
            if not more:
                break
            read += more
        return read

    def read_line(self) -> dict[str, Any]:
        """One JSON line; raises :class:`EOFError` where the actor has gone."""
        line = bytearray()
        while not line.endswith(b"\n"):
            byte = os.read(self.commands, 1)
            if not byte:
                raise EOFError("the actor has gone")
            line += byte
        message: dict[str, Any] = json.loads(line)
        return message

    def write(self, data: bytes) -> None:
        """Sends all of ``data``."""
        while data:
            data = data[os.write(self._replies, data) :]

    def write_line(self, message: dict[str, Any]) -> None:
        """Sends one JSON line."""
        self.write(json.dumps(message, allow_nan=False).encode() + b"\n")
