"""Makes pictures of the page: `python tests/browser/screenshots.py DIR`, about a minute and a half.

dashboard-light.png and dashboard-dark.png are those in docs/; the others are to be looked at.
"""

import base64
import sys
import tempfile
from pathlib import Path

from conftest import Page, chromium
from processes import Learner, Process, wait_until

ENV_STEPS = 250_000
SLOW = "--set actor.push_delay_ms=2"


def save(page, path, height=None):
    """The whole page, or the top of it."""
    width, whole = page.run("[innerWidth, document.documentElement.scrollHeight]")
    clip = {"x": 0, "y": 0, "width": width, "height": height or whole, "scale": 1}
    shot = page.driver.execute_cdp_cmd("Page.captureScreenshot", {"clip": clip, "captureBeyondViewport": True})
    path.write_bytes(base64.b64decode(shot["data"]))
    print(f"{path}: {path.stat().st_size / 1000:.0f} kB")


def run_that_goes_on(page, directory, pictures):
    with Learner(directory, steps=2 * ENV_STEPS, more=SLOW) as learner, learner.actor(directory, workers=2):
        page.open(learner.page)
        wait_until("half of the run", lambda: learner.status()["progress"]["env_steps"] > ENV_STEPS, limit_s=180)
        page.wait_for_curve(points=20)
        save(page, pictures / "live.png")
        page.emulate(width=390, height=844, mobile=True)
        page.wait("the phone's charts", lambda: page.run("document.querySelector('.plot svg').clientWidth < 390"))
        save(page, pictures / "phone.png")


def runs_of_a_directory(page, directory, pictures):
    for seed in (1, 2, 3):
        line = f"troop train cartpole --workers 1 --steps {ENV_STEPS} --seed {seed} --run-dir runs/seed-{seed}"
        with Process(directory, line) as train:
            train.wait()
    with Process(directory, "troop dashboard runs --http 127.0.0.1:0") as dashboard:
        for scheme in ("light", "dark"):
            page.emulate(scheme, width=1180)
            page.open(dashboard.word_after("page  "))
            curves = "document.querySelector('#learning-curve .plot')?.data?.length === 3"
            page.wait("all curves", lambda: page.run(curves))
            save(page, pictures / f"dashboard-{scheme}.png", 970)


def main():
    pictures = Path(sys.argv[1])
    pictures.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as directory:
        page = Page(chromium(Path(directory) / "profile"))
        runs_of_a_directory(page, directory, pictures)
        page.emulate()
        run_that_goes_on(page, directory, pictures)
        page.driver.quit()


if __name__ == "__main__":
    main()
