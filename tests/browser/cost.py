"""What the live page costs its learner: `python tests/browser/cost.py`, some minutes, nothing else on the machine.

A learner with one slow worker is measured without and with a viewer, by turns, in the CPU seconds that it uses; once at
the beginning of a run, and once in a run whose event log has a hundred thousand points.
"""

import json
import os
import shutil
import statistics
import tempfile
import threading
import time
import urllib.request
from pathlib import Path

from processes import SLOW, Learner, wait_until

SECONDS = float(os.environ.get("SECONDS", 30))
TURNS = int(os.environ.get("TURNS", 3))
LONG_RUN_POINTS = 100_000


def cpu_seconds(pid):
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def share(learner):
    """The part of a core that the learner uses."""
    pid, before, start = learner.process.pid, cpu_seconds(learner.process.pid), time.monotonic()
    time.sleep(SECONDS)
    return (cpu_seconds(pid) - before) / (time.monotonic() - start)


class Viewer:
    """Reads what a page reads: its files once, then the events."""

    def __init__(self, page):
        self.bytes, self.first, self._stop = 0, None, False
        for name in ("", "assets/page.js", "assets/plotly.min.js", "api/runs", "api/config"):
            urllib.request.urlopen(page + name).read()
        self._stream = urllib.request.urlopen(page + "api/events", timeout=10)
        self._thread = threading.Thread(target=self._read)
        self._thread.start()
        wait_until("the first update", lambda: self.first)

    def _read(self):
        for line in self._stream:
            self.bytes += len(line)
            if line.startswith(b"data:") and b"from_start" in line:
                self.first = self.first or len(line)
            if self._stop:
                return

    def stop(self):
        self._stop = True
        self._thread.join()
        self._stream.close()


def measure(learner):
    """Parts of a core without and with a viewer, and the bytes of the first and the later updates."""
    without, with_viewer = [], []
    for _ in range(TURNS):
        without.append(share(learner))
        viewer = Viewer(learner.page)
        with_viewer.append(share(learner))
        viewer.stop()
    later = (viewer.bytes - viewer.first) / SECONDS
    return statistics.median(without), statistics.median(with_viewer), viewer.first, later


def lengthen(log):
    """Appends as many points as a run of a week has, all at the moment of the last: the run goes on from there."""
    last = [json.loads(line) for line in log.read_text().splitlines()]
    point = [line for line in last if line["kind"] == "progress"][-1]
    with log.open("a") as file:
        file.write((json.dumps(point) + "\n") * LONG_RUN_POINTS)


def report(name, figures):
    without, with_viewer, first, later = figures
    print(
        f"{name}: {100 * without:.2f} % of a core alone, {100 * with_viewer:.2f} % with a viewer, "
        f"the page costs {100 * (with_viewer - without):.2f} %; first update {first / 1000:.0f} kB, then {later / 1000:.1f} kB/s"
    )


def main():
    directory = Path(tempfile.mkdtemp())
    with Learner(directory, more=SLOW) as learner, learner.actor(directory):
        wait_until("gradients", lambda: learner.status()["version"] > 10)
        report("short run", measure(learner))
        learner.process.terminate()
        learner.wait()
    lengthen(directory / "run/events.jsonl")
    with Learner(directory, resume=True) as learner, learner.actor(directory):
        wait_until("gradients", lambda: learner.status()["sessions"])
        report(f"run with {LONG_RUN_POINTS} points", measure(learner))
    shutil.rmtree(directory)


if __name__ == "__main__":
    main()
