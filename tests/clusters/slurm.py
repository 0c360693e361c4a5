"""A Slurm cluster of two nodes on this machine, with its own munge, ports and directories: nothing of it outlasts its `with`."""

import getpass
import os
import re
import secrets
import socket
import subprocess
from contextlib import ExitStack, suppress
from pathlib import Path

from machine import BINARIES, CHECKOUT, LIMIT_S, wait_until

SCRIPT = CHECKOUT / "deploy/slurm/troop.sbatch"
NODES = ("n1", "n2")
ENDED = ("COMPLETED", "FAILED", "CANCELLED", "NODE_FAIL", "TIMEOUT", "OUT_OF_MEMORY")
# Debian has daemons where only root looks for them.
MUNGED, SLURMCTLD, SLURMD = DAEMONS = ("/usr/sbin/munged", "/usr/sbin/slurmctld", "/usr/sbin/slurmd")
PROGRAMS = (*DAEMONS, "sbatch", "srun", "scancel", "scontrol", "squeue")

CONFIGURATION = """\
ClusterName=troop
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={ports[0]}
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
# A requeued job waits until the credentials of its life before have expired.
AuthInfo=socket={directory}/munge/socket,cred_expire=10
StateSaveLocation={directory}/state
SlurmdSpoolDir={directory}/spool-%n
SlurmctldPidFile={directory}/slurmctld.pid
SlurmdPidFile={directory}/slurmd-%n.pid
SlurmctldLogFile={directory}/slurmctld.log
SlurmdLogFile={directory}/slurmd-%n.log
# What works inside containers.
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
# Nodes have the cores that they say, whatever this machine has.
SlurmdParameters=config_overrides
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SchedulerType=sched/backfill
SchedulerParameters=bf_interval=1,sched_interval=1,batch_sched_delay=0
# A node that is down stays down until somebody says otherwise.
ReturnToService=0
NodeName=n1 NodeHostname={host} NodeAddr=127.0.0.1 Port={ports[1]} CPUs=4 RealMemory=8192
NodeName=n2 NodeHostname={host} NodeAddr=127.0.0.1 Port={ports[2]} CPUs=4 RealMemory=8192
PartitionName=all Nodes=ALL Default=YES State=UP
"""


def free_ports(count):
    with ExitStack() as held:
        sockets = [held.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
        return [one.getsockname()[1] for one in sockets]


def end(process):
    """Ends it, by force if it does not."""
    process.terminate()
    try:
        process.wait(20)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


class Slurm:
    """munged, slurmctld and a slurmd for each node."""

    def __init__(self, directory):
        self.directory = directory
        own = {name: value for name, value in os.environ.items() if not name.startswith(("TROOP_", "SLURM", "SBATCH"))}
        self.environment = own | {
            "SLURM_CONF": str(directory / "slurm.conf"),
            "PATH": f"{CHECKOUT / BINARIES}:{own['PATH']}",
            # All nodes are this machine.
            "TROOP_ADDRESS": "127.0.0.1",
        }
        self.daemons = {}
        self._running = ExitStack()

    def __enter__(self):
        with ExitStack() as starting:
            starting.callback(self._end_daemons)
            self._configure()
            self._start_munge()
            self.start("slurmctld", SLURMCTLD, "-D", "-i")
            for node in NODES:
                self.start_node(node)
            wait_until("both nodes to be idle", lambda: [self.node_state(node) for node in NODES] == ["IDLE"] * 2)
            self._running = starting.pop_all()
        return self

    def __exit__(self, failure, *_):
        if failure:
            for log in sorted(self.directory.glob("*.log")):
                print(f"--- {log.name}", log.read_text(errors="replace")[-4000:], sep="\n")
        self._running.close()

    def _configure(self):
        host, user = socket.gethostname().split(".")[0], getpass.getuser()
        for folder in ("state", *(f"spool-{node}" for node in NODES)):
            (self.directory / folder).mkdir()
        text = CONFIGURATION.format(host=host, user=user, directory=self.directory, ports=free_ports(3))
        (self.directory / "slurm.conf").write_text(text)

    def _start_munge(self):
        folder = self.directory / "munge"
        folder.mkdir(mode=0o700)
        (folder / "key").write_bytes(secrets.token_bytes(1024))
        (folder / "key").chmod(0o600)
        options = [f"--{name}-file={folder / name}" for name in ("key", "pid", "log", "seed")]
        self.start("munged", MUNGED, "--foreground", "--force", f"--socket={folder / 'socket'}", *options)
        wait_until("munge's socket", (folder / "socket").exists)

    def start(self, name, command, *arguments):
        """Starts a daemon in the foreground, under a name."""
        with (self.directory / f"{name}.out.log").open("ab") as output:
            self.daemons[name] = subprocess.Popen(
                [command, *arguments],
                cwd=self.directory,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    def start_node(self, node):
        self.start(node, SLURMD, "-D", "-N", node)

    def _end_daemons(self):
        try:
            if "slurmctld" in self.daemons:
                self.cancel_jobs()
        finally:
            for daemon in reversed(self.daemons.values()):
                end(daemon)

    def cancel_jobs(self):
        """Ends all jobs, and waits for that: steps live on without their slurmd."""
        self.run("scancel", f"--user={getpass.getuser()}", check=False)
        wait_until("all jobs to end", lambda: not self.run("squeue", "--noheader", check=False))

    def run(self, name, *arguments, check=True, **variables):
        """What one of Slurm's commands prints."""
        done = subprocess.run(
            [name, *map(str, arguments)],
            cwd=self.directory,
            env=self.environment | variables,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=LIMIT_S,
        )
        assert done.returncode == 0 or not check, f"{name} {arguments} ended with {done.returncode}: {done.stderr}"
        return done.stdout.strip()

    def submit(self, *arguments, **variables):
        """Gives the script to sbatch, as people do."""
        return self.job(self.run("sbatch", "--parsable", *arguments, **variables).split(";")[0])

    def job(self, number):
        """One that was submitted; `NUMBER_INDEX` of an array."""
        return Job(self, number)

    def node_state(self, node):
        """`IDLE`, `ALLOCATED`, `DOWN`, …; nothing while there is no answer."""
        found = re.search(r"State=(\w+)", self.run("scontrol", "show", "node", node, check=False))
        return found and found[1]


class Job:
    """One that was submitted."""

    def __init__(self, slurm, number):
        self.slurm = slurm
        self.number = number

    def field(self, name):
        """What `scontrol show job` says of it."""
        return re.search(rf"\b{name}=(\S+)", self.slurm.run("scontrol", "show", "job", self.number))[1]

    def output(self):
        """All that it has printed, in all its lives."""
        file = self.slurm.directory / f"troop-{self.field('JobId')}.out"
        return file.read_text(errors="replace") if file.exists() else ""

    def wait_for_output(self, pattern, times=1):
        """Waits until it has printed what `pattern` finds, as many times."""

        def look():
            ended = self.field("JobState") in ENDED
            found = len(re.findall(pattern, self.output()))
            assert found >= times or not ended, "ended without it"
            return found >= times

        self._wait(f"`{pattern}` of job {self.number}", look)

    def wait_for_state(self, *states):
        """Waits until it is in one of these states, and gives that."""
        return self._wait(f"job {self.number} to be {states}", lambda: (it := self.field("JobState")) in states and it)

    def wait(self):
        """Waits for its end, which has to be good."""
        ended = self.wait_for_state(*ENDED)
        assert ended == "COMPLETED", f"{ended}\n{self.output()}"

    def _wait(self, what, look):
        try:
            return wait_until(what, look)
        except AssertionError as error:
            shown = self.slurm.run("scontrol", "show", "job", self.number)
            raise AssertionError(f"{what}: {error}\n{shown}\n{self.output()}") from None

    def process(self, name):
        """The id of its one process of this name."""
        mine = f"SLURM_JOB_ID={self.number}".encode()
        found = []
        for place in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                environment = (place / "environ").read_bytes().split(b"\0")
                ours = mine in environment and f"SLURM_CONF={self.slurm.environment['SLURM_CONF']}".encode() in environment
                if ours and (place / "comm").read_text().strip() == name:
                    found.append(int(place.name))
        (process,) = found
        return process
