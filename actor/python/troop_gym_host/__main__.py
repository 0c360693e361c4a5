"""``python -m troop_gym_host``: started by an actor, never by hand."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from . import python_warnings, supervisor, watchdog
from .failure import HostError, describe, import_hint
from .protocol import CLOSE, ERROR, OK, PROTOCOL, RESET, STEP, Channel

if TYPE_CHECKING:
    from .vector import Vector


def main() -> int:
    """Starts the environments and serves the actor until it has had enough; gives the exit status."""
    if sys.stdin.isatty():
        print("troop_gym_host is started by troop-actor; there is nothing to type here", file=sys.stderr)
        return 2
    supervisor.begin()
    channel = Channel.over_standard_streams()
    watchdog.watch(channel.commands)
    python_warnings.pass_on()
    try:
        vector = start(channel)
    except EOFError:
        return 1
    except BaseException as error:
        channel.write_line(describe(error))
        return 1
    try:
        return serve(channel, vector)
    finally:
        vector.close()


def start(channel: Channel) -> Vector:
    """Makes the environments, agrees on the shared memory and maps it."""
    message = channel.read_line()
    if message["protocol"] != PROTOCOL:
        raise HostError(
            f"this host speaks protocol {PROTOCOL}, the actor {message['protocol']}",
            f"install the troop-gym-host of the actor's version for {sys.executable}",
        )
    try:
        # Here, so that a missing NumPy or Gymnasium is reported like everything else.
        from .settings import Settings
        from .shared_arrays import SharedArrays, specify
        from .vector import make_vector
    except ImportError as error:
        raise HostError("the Gymnasium host lacks a package", import_hint("environment.python")) from error

    settings = Settings.from_message(message)
    vector = make_vector(settings)
    specs = specify(settings.count, vector.observation, vector.action)
    channel.write_line(
        {
            "protocol": PROTOCOL,
            "observation": vector.observation.describe(),
            "action": vector.action.describe(),
            "frame_skip": vector.frame_skip,
            "arrays": {name: spec.bytes for name, spec in specs.items()},
        }
    )
    memory = channel.read_line()
    vector.attach(SharedArrays.map(memory["path"], specs, memory["offsets"]))
    channel.write_line({"protocol": PROTOCOL})
    return vector


def serve(channel: Channel, vector: Vector) -> int:
    """Does what the actor says until it closes the channel or an environment fails; gives the exit status."""
    while True:
        command = channel.read(1)
        try:
            if command == STEP:
                vector.step()
            elif command == RESET:
                vector.reset(int.from_bytes(channel.read(8), "little"))
            elif command in (CLOSE, b""):
                return 0
            else:
                raise HostError(f"there is no command {command!r}")
        except BaseException as error:
            channel.write(ERROR)
            channel.write_line(describe(error))
            return 1
        channel.write(OK)


if __name__ == "__main__":
    sys.exit(main())
