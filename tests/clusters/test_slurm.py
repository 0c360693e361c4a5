"""deploy/slurm/troop.sbatch as people give it to Slurm, on two nodes."""

import json
import os
import re
import signal
import stat

import pytest

from machine import CHECKOUT, need, wait_until
from slurm import NODES, PROGRAMS, SCRIPT, Slurm

need("Slurm", *PROGRAMS)

ENDLESS = ("--steps", 10**12, "--set", "checkpoint.interval_s=1")
# No checkpoint but the one that a life ends with.
ONE_CHECKPOINT = ("--steps", 10**12, "--set", "checkpoint.interval_s=3600")
ON_BOTH_NODES = ("--nodes=2", "--ntasks=3")
READY = r"learner ready"
SOLVED = r"task solved"
CHECKPOINT = r"checkpoint written"


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    with Slurm(tmp_path_factory.mktemp("slurm")) as slurm:
        yield slurm


@pytest.fixture
def slurm(cluster):
    yield cluster
    cluster.cancel_jobs()
    wait_until("both nodes to be idle", lambda: [cluster.node_state(node) for node in NODES] == ["IDLE"] * 2)


def run_of(slurm, job):
    return slurm.directory / f"runs/cartpole-{job.number}"


def summary(run):
    return json.loads((run / "summary.json").read_text())


def newest_checkpoint(run):
    newest = max(path for path in (run / "checkpoints").iterdir() if path.name.isdigit())
    return json.loads((newest / "state.json").read_text())


def meetings(slurm):
    """What jobs tell their roles by, and remove when they end."""
    return list(slurm.directory.glob("runs/*.job-*"))


def lives(job):
    """The epoch and the first version of each life of the job's learner."""
    return [(int(epoch), int(version)) for epoch, version in re.findall(rf"{READY}.* epoch=(\d+) version=(\d+)", job.output())]


def check_that_it_goes_on(job):
    """In a second life, from a checkpoint of the first one."""
    job.wait_for_output(READY, times=2)
    job.wait_for_output("actor joined", times=4)
    (first, at_first), (second, later) = lives(job)
    assert (first, at_first, second) == (1, 0, 2) and later > 0


def end(slurm, job, *options):
    slurm.run("scancel", "--signal=TERM", *options, job.number)
    job.wait()


def check_that_all_join_and_solve_it(slurm, job, actors):
    """Of an endless job: another could be over before the last actor has come."""
    job.wait_for_output("actor joined", times=actors)
    job.wait_for_output(SOLVED)
    end(slurm, job, "--batch")
    assert len(re.findall("actor joined", job.output())) == actors
    assert summary(run_of(slurm, job))["seconds_to_solve"] > 0


def test_two_nodes_solve_cartpole_with_a_token_of_their_own(slurm):
    job = slurm.submit(*ON_BOTH_NODES, SCRIPT, "cartpole", *ENDLESS)
    job.wait_for_output("actor joined", times=2)
    steps = slurm.run("scontrol", "--oneliner", "show", "step", job.number)
    assert re.search(r" NodeList=n\[1-2\].* Name=actors ", steps), steps
    (meeting,) = meetings(slurm)
    token = meeting / "token"
    assert stat.S_IMODE(token.stat().st_mode) == 0o600 and stat.S_IMODE(meeting.stat().st_mode) == 0o700
    assert len(token.read_text()) > 40 and token.read_text().strip() not in job.output()
    job.wait_for_output(SOLVED)
    end(slurm, job, "--batch")
    assert summary(run_of(slurm, job))["seconds_to_solve"] > 0
    assert not meetings(slurm)


def test_a_run_that_is_over_ends_its_job_and_stays_over(slurm):
    job = slurm.submit(SCRIPT, "cartpole", "--steps", 200_000, TROOP_RUN_DIR="runs/own")
    job.wait()
    assert summary(slurm.directory / "runs/own")["env_steps"] >= 200_000
    again = slurm.submit(SCRIPT, "cartpole", "--steps", 200_000, TROOP_RUN_DIR="runs/own")
    again.wait()
    assert "all 200000 env steps are done" in again.output()


@pytest.mark.parametrize("options", [["--batch"], ["--full"], []], ids=["the job", "all", "its steps"])
def test_term_leaves_a_checkpoint_that_another_job_goes_on_from(slurm, options):
    run = {"TROOP_RUN_DIR": f"runs/term{''.join(options)}"}
    job = slurm.submit(SCRIPT, "cartpole", *ONE_CHECKPOINT, **run)
    job.wait_for_output(SOLVED)
    end(slurm, job, *options)
    kept = newest_checkpoint(slurm.directory / run["TROOP_RUN_DIR"])
    assert kept["epoch"] == 1 and kept["counters"]["env_steps"] > 0
    again = slurm.submit(SCRIPT, "cartpole", **run)
    again.wait_for_output("actor joined", times=2)
    assert lives(again) == [(2, kept["version"])]
    end(slurm, again, "--batch")
    assert newest_checkpoint(slurm.directory / run["TROOP_RUN_DIR"])["counters"]["env_steps"] > kept["counters"]["env_steps"]


def test_a_cancelled_job_leaves_a_checkpoint(slurm):
    job = slurm.submit(SCRIPT, "cartpole", *ONE_CHECKPOINT)
    job.wait_for_output(SOLVED)
    slurm.run("scancel", job.number)
    job.wait_for_state("CANCELLED")
    job.wait_for_output("learner ends")
    assert newest_checkpoint(run_of(slurm, job))["counters"]["env_steps"] > 0


def test_the_commands_of_the_documents(slurm):
    text = (CHECKOUT / "docs/clusters.md").read_text()
    (section,) = re.findall(r"^## Slurm$.*?(?=^## )", text, re.MULTILINE | re.DOTALL)
    blocks = re.findall(r"^```\n(.*?)^```$", section, re.MULTILINE | re.DOTALL)
    (start, requeue, stop), others = blocks[0].splitlines(), blocks[1].splitlines()
    assert len(blocks) == 2 and others == [command for command, _ in SPREAD]
    if not (slurm.directory / "deploy").exists():
        (slurm.directory / "deploy").symlink_to(CHECKOUT / "deploy")
    job = slurm.job(slurm.run("sh", "-c", start.replace("cartpole", f"cartpole --steps {10**12}") + '; echo "$JOB"'))
    job.wait_for_output(SOLVED)
    slurm.run("sh", "-c", requeue, JOB=job.number)
    check_that_it_goes_on(job)
    slurm.run("sh", "-c", stop, JOB=job.number)
    job.wait()


# Commands of docs/clusters.md, and the steps that each has beside the first.
SPREAD = [
    ("TROOP_SHARDS=2 sbatch --ntasks=4 deploy/slurm/troop.sbatch cartpole", ["shard-1", "actors"]),
    ("TROOP_REPLAYS=1 sbatch --ntasks=4 deploy/slurm/troop.sbatch cartpole-ape-x", ["replay", "act", "train"]),
]


@pytest.mark.parametrize(("command", "steps"), SPREAD, ids=["two learners", "a replay"])
def test_shards_and_replays_are_steps_that_end_with_the_run(slurm, command, steps):
    if not (slurm.directory / "deploy").exists():
        (slurm.directory / "deploy").symlink_to(CHECKOUT / "deploy")

    def submit(env_steps):
        line = command.replace("sbatch", "sbatch --parsable --nodes=2", 1) + f" --steps {env_steps}"
        return slurm.job(slurm.run("sh", "-c", line))

    # Its steps can only be seen of a job that goes on.
    endless = submit(10**12)
    endless.wait_for_output("joined", times=2)
    shown = lambda: slurm.run("squeue", "--steps", "--noheader", f"--jobs={endless.number}", "--format=%j")  # noqa: E731
    wait_until(f"steps {steps}", lambda: set(steps) <= set(shown().split()))
    end(slurm, endless, "--batch")
    job = submit(100_000)
    job.wait()
    preset = command.split()[-1]
    assert summary(slurm.directory / f"runs/{preset}-{job.number}")["env_steps"] >= 100_000
    assert not meetings(slurm)


def test_a_job_with_shards_drains_before_its_shards_go(slurm):
    job = slurm.submit("--nodes=2", "--ntasks=4", SCRIPT, "cartpole", *ENDLESS, TROOP_SHARDS="2")
    job.wait_for_output("actor joined", times=2)
    job.wait_for_output(SOLVED)
    end(slurm, job, "--batch")
    assert "shard 1 is gone" not in job.output()
    assert summary(run_of(slurm, job))["seconds_to_solve"] > 0


def test_a_heterogeneous_job_has_its_shards_with_the_learner(slurm):
    job = slurm.submit(
        *("--ntasks=2", "--mem-per-cpu=1G"),
        *(":", "--ntasks=2", "--mem-per-cpu=1G", SCRIPT, "cartpole", *ENDLESS),
        TROOP_SHARDS="2",
    )
    check_that_all_join_and_solve_it(slurm, job, actors=2)


# The latter is what --signal=B:USR1@120 has Slurm do.
@pytest.mark.parametrize("command", [["scontrol", "requeue"], ["scancel", "--signal=USR1", "--batch"]], ids=["by hand", "in time"])
def test_a_requeued_job_goes_on_from_its_checkpoint(slurm, command):
    job = slurm.submit(*ON_BOTH_NODES, SCRIPT, "cartpole", *ONE_CHECKPOINT)
    job.wait_for_output(SOLVED)
    slurm.run(*command, job.number)
    check_that_it_goes_on(job)
    end(slurm, job, "--batch")
    assert summary(run_of(slurm, job))["seconds_to_solve"] > 0


@pytest.mark.parametrize("node", NODES)
def test_a_job_whose_node_goes_down_goes_on_when_there_are_nodes_again(slurm, node):
    job = slurm.submit(*ON_BOTH_NODES, SCRIPT, "cartpole", *ENDLESS)
    job.wait_for_output("actor joined", times=2)
    job.wait_for_output(CHECKPOINT)
    slurm.run("scontrol", "update", f"nodename={node}", "state=down", "reason=test")
    job.wait_for_state("PENDING")
    slurm.run("scontrol", "update", f"nodename={node}", "state=resume")
    check_that_it_goes_on(job)
    job.wait_for_output(SOLVED)
    end(slurm, job, "--batch")
    assert summary(run_of(slurm, job))["seconds_to_solve"] > 0


def test_an_array_is_a_run_for_each_seed(slurm):
    job = slurm.submit("--array=1-2", "--ntasks=2", SCRIPT, "cartpole", "--steps", 100_000)
    for seed in (1, 2):
        one = slurm.job(f"{job.number}_{seed}")
        one.wait()
        experiment = (run_of(slurm, one) / "experiment.toml").read_text()
        assert re.search(rf"^seed = {seed}$", experiment, re.MULTILINE), experiment


def test_a_heterogeneous_job_has_a_component_for_each_role(slurm):
    job = slurm.submit(
        *("--ntasks=1", "--cpus-per-task=2", "--mem-per-cpu=1G"),
        *(":", "--ntasks=3", "--mem-per-cpu=1G", SCRIPT, "cartpole", *ENDLESS),
    )
    check_that_all_join_and_solve_it(slurm, job, actors=3)


@pytest.mark.parametrize("role", ["learner", "actors"])
def test_a_job_ends_when_a_role_ends_for_good(slurm, role):
    job = slurm.submit(SCRIPT, "cartpole", *ENDLESS)
    job.wait_for_output("actor joined", times=2)
    job.wait_for_output(CHECKPOINT)
    if role == "learner":
        os.kill(job.process("troop-learner"), signal.SIGKILL)
    else:
        slurm.run("scancel", "--signal=KILL", f"{job.number}.0")
    assert job.wait_for_state("FAILED", "COMPLETED") == "FAILED"
    assert not meetings(slurm)
    assert newest_checkpoint(run_of(slurm, job))["counters"]["env_steps"] > 0


@pytest.mark.parametrize(
    ("arguments", "variables", "says"),
    [
        ([SCRIPT], {}, "expected an experiment"),
        (["--ntasks=1", SCRIPT, "cartpole"], {}, "expected --ntasks=2 or more"),
        (["--ntasks=2", SCRIPT, "cartpole"], {"TROOP_SHARDS": "2"}, "expected --ntasks=3 or more"),
        (["--ntasks=3", SCRIPT, "cartpole"], {"TROOP_SHARDS": "none"}, "expected TROOP_SHARDS to be 1 or more, found none"),
        (["--ntasks=3", SCRIPT, "cartpole-ape-x"], {"TROOP_REPLAYS": "1"}, "expected more than 1 actors"),
        (["--array=1", SCRIPT, "cartpole"], {"TROOP_RUN_DIR": "runs/one"}, "expected no TROOP_RUN_DIR with --array"),
        ([SCRIPT, "cartpole", "--set", "no.key=1"], {}, "unknown key `no`"),
    ],
)
def test_what_cannot_run_says_why(slurm, arguments, variables, says):
    job = slurm.submit(*arguments, **variables)
    job = slurm.job(f"{job.number}_1") if "--array=1" in arguments else job
    assert job.wait_for_state("FAILED", "COMPLETED") == "FAILED"
    assert says in job.output()
