"""A machine that has never seen Troop: a container of a minimal Debian with the README's prerequisites, and a checkout."""

import os
import shlex
import subprocess
import tempfile
from pathlib import Path

from compose import BASE, CHECKOUT, execute

DOCKERFILE = CHECKOUT / "tests/containers/fresh_machine/Dockerfile"
# A machine has more shared memory than a container, a person's limit of open files, and lets everybody have namespaces.
LIKE_A_MACHINE = (
    "--init",
    "--shm-size=1g",
    "--ulimit=nofile=1024:16384",
    "--security-opt=seccomp=unconfined",
    "--security-opt=apparmor=unconfined",
)
COMPILED = CHECKOUT / "target"
PATH = "/opt/rust/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class FreshMachine:
    """
    It has what git tracks, as it is in the working tree, at the same path. It is gone when its `with` ends.

    What this machine compiled is within reach, but not in place: see `bring_what_is_compiled`.
    """

    def __init__(self, kind="minimal", user="root"):
        self.name = f"troop-fresh-machine-{kind}-{os.getpid()}"
        self.kind = kind
        self.user = user

    def __enter__(self):
        image = f"troop-fresh-machine:{self.kind}"
        with tempfile.TemporaryDirectory() as nothing:
            options = [f"--target={self.kind}", f"--tag={image}", f"--file={DOCKERFILE}", f"--build-arg=DEBIAN_IMAGE={BASE}"]
            execute("docker", "build", *options, nothing, limit_s=600)
        rust = execute("rustc", "--print", "sysroot").strip()
        options = ["--detach", *LIKE_A_MACHINE, f"--name={self.name}", f"--volume={rust}:/opt/rust:ro"]
        if COMPILED.is_dir():
            options.append(f"--volume={COMPILED}:/compiled:ro")
        execute("docker", "run", *options, f"--env=PATH={PATH}", image, "sleep", "infinity")
        try:
            self._check_out()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        execute("docker", "rm", "--force", "--volumes", self.name)

    def _check_out(self):
        files = execute("git", "ls-files", "-z", "--deduplicate").split("\0")
        there = "\0".join(file for file in files if (CHECKOUT / file).is_file())
        pack = ["tar", "--create", "--null", "--files-from=-"]
        packed = subprocess.run(pack, cwd=CHECKOUT, input=there.encode(), check=True, stdout=subprocess.PIPE).stdout
        folder = shlex.quote(str(CHECKOUT))
        unpack = f"mkdir -p {folder} && tar --extract --no-same-owner --directory={folder} && chown -R {self.user}: {folder}"
        command = ["docker", "exec", "--interactive", self.name, "sh", "-c", unpack]
        subprocess.run(command, input=packed, check=True)

    def run(self, command, limit_s):
        """What a shell command in the checkout ends with: its exit code, and all that it wrote."""
        line = ["docker", "exec", f"--user={self.user}", f"--workdir={CHECKOUT}", self.name, "sh", "-c", command]
        with tempfile.TemporaryFile("w+", errors="replace") as written:
            done = subprocess.run(line, stdin=subprocess.DEVNULL, stdout=written, stderr=subprocess.STDOUT, timeout=limit_s)
            written.seek(0)
            return done.returncode, written.read()

    def bring_what_is_compiled(self):
        """
        Sets up, and puts what this machine compiled of the same files where Cargo looks for it, if there is any.

        Cargo compares paths and times, which are as they were. Only libtorch, fetched anew, has to be made as old.
        """
        if not COMPILED.is_dir():
            return
        made_old = "find .libtorch/lib -exec touch --no-dereference --date=@0 {} +"
        code, written = self.run(f"make setup && rm -rf target && cp -a /compiled target && {made_old}", limit_s=900)
        assert code == 0, written

    def has(self, path):
        """Whether a file or folder is there, below the checkout."""
        return self.run(f"test -e '{path}'", limit_s=60)[0] == 0
