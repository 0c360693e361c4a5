"""A machine without a compiler: a container of a minimal Debian with Python, in which the release can be read."""

import os
import subprocess
import tempfile
from pathlib import Path

LIMIT_S = 600
"""Only what hangs takes longer; pip fetches Gymnasium with what it needs."""

DIST = Path(os.environ.get("DIST", "target/dist")).resolve()
BASE = os.environ.get("DEBIAN_IMAGE", "debian:bookworm-slim")
"""What run.sh says."""
IMAGE = "troop-wheel-test"
DOCKERFILE = Path(__file__).parent / "Dockerfile"


def execute(*command):
    """What a command writes to standard output; fails with all that it wrote if it fails."""
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=LIMIT_S)
    assert done.returncode == 0, f"{' '.join(map(str, command))} ended with {done.returncode}:\n{done.stdout}{done.stderr}"
    return done.stdout


class Machine:
    """It has the release in /dist. It is gone when its `with` ends."""

    def __enter__(self):
        with tempfile.TemporaryDirectory() as nothing:
            options = [f"--tag={IMAGE}", f"--file={DOCKERFILE}", f"--build-arg=DEBIAN_IMAGE={BASE}"]
            execute("docker", "build", *options, nothing)
        self.name = f"troop-wheel-test-{os.getpid()}"
        options = ["--detach", "--init", "--shm-size=256m", f"--name={self.name}", f"--volume={DIST}:/dist:ro"]
        execute("docker", "run", *options, IMAGE, "sleep", "infinity")
        return self

    def __exit__(self, *_):
        execute("docker", "rm", "--force", "--volumes", self.name)

    def run(self, command):
        """What a shell command there writes to standard output and standard error; it has to end well."""
        return execute("docker", "exec", self.name, "sh", "-c", f"{command} 2>&1")

    def fails(self, command):
        """What one writes that ends with another code than 0."""
        return self.run(f"! {{ {command}; }}")
