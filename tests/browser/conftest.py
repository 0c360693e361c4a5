"""Chromium, and what each test asks of every page: no error on the console, no request to another host."""

import json
import shutil
from urllib.parse import urlsplit

import pytest
from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

from processes import LIMIT_S, LONG, Learner, SLOW, Process

BROWSER = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
DRIVER = shutil.which("chromedriver")

OPTIONS = (
    "--headless=new",
    "--no-sandbox",  # tests run as root in containers; only pages of this project are opened
    "--disable-dev-shm-usage",
    "--disable-gpu",
    "--hide-scrollbars",
    "--window-size=1280,900",
    "--no-first-run",
    # Chromium's own calls home would look like the page's.
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


# What the browser notes when a test ends the process behind a page.
PROCESS_ENDED = ("ERR_CONNECTION_REFUSED", "ERR_CONNECTION_RESET", "ERR_INCOMPLETE_CHUNKED_ENCODING")


class Page:
    """A browser's tab, asked about what a person sees there."""

    def __init__(self, driver):
        self.driver = driver
        self.expected_errors = PROCESS_ENDED
        self.opened = set()

    def open(self, address):
        self.opened.add(urlsplit(address).netloc)
        self.driver.get(address)

    def run(self, script, *arguments):
        return self.driver.execute_script(f"return {script}", *arguments)

    def all(self, selector):
        return self.driver.find_elements(By.CSS_SELECTOR, selector)

    def one(self, selector):
        return self.driver.find_element(By.CSS_SELECTOR, selector)

    def text(self, selector):
        return self.run("document.querySelector(arguments[0])?.textContent.trim()", selector)

    def wait(self, what, look, limit_s=LIMIT_S):
        """Waits until `look` gives something true, and gives it."""
        waiting = WebDriverWait(self.driver, limit_s, poll_frequency=0.05)
        return waiting.until(lambda _: look(), f"not within {limit_s} s: {what}")

    def curve(self, chart, trace=0):
        """The drawn points of a chart, `(x, y)`; none before it is drawn."""
        script = "(() => { const t = document.querySelector(arguments[0] + ' .plot')?.data?.[arguments[1]];"
        return self.run(script + " return t ? [[...t.x], [...t.y]] : null })()", f"#{chart}", trace)

    def wait_for_curve(self, chart="learning-curve", points=1):
        return self.wait(f"{points} points of {chart}", lambda: (c := self.curve(chart)) and len(c[0]) >= points and c)

    def row_texts(self, table):
        script = "[...document.querySelectorAll(arguments[0] + ' tbody tr')].map(r => [...r.cells].map(c => c.textContent))"
        return self.run(script, table)

    def emulate(self, scheme="light", width=1280, height=900, mobile=False):
        """The colour scheme and the screen of another device."""
        feature = {"name": "prefers-color-scheme", "value": scheme}
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [feature]})
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": mobile}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)

    def requests(self):
        """Hosts and ports that were asked for something, by the browser's own log."""
        messages = (json.loads(entry["message"])["message"] for entry in self.driver.get_log("performance"))
        urls = [m["params"]["request"]["url"] for m in messages if m["method"] == "Network.requestWillBeSent"]
        # A new tab of the browser has a page of its own, chrome://….
        return {urlsplit(url).netloc for url in urls if url.startswith(("http", "ws"))}

    def errors(self):
        entries = (entry for entry in self.driver.get_log("browser") if entry["level"] in ("SEVERE", "WARNING"))
        return [e["message"] for e in entries if not any(text in e["message"] for text in self.expected_errors)]


def chromium(profile):
    """A browser without a window."""
    options = webdriver.ChromeOptions()
    options.binary_location = BROWSER
    for option in OPTIONS + (f"--user-data-dir={profile}",):
        options.add_argument(option)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(DRIVER))
    driver.set_page_load_timeout(LIMIT_S)
    driver.set_script_timeout(LIMIT_S)
    return driver


@pytest.fixture(scope="session")
def driver(tmp_path_factory):
    assert BROWSER and DRIVER, "no Chromium with its driver in PATH: `make test` brings them"
    driver = chromium(tmp_path_factory.mktemp("profile"))
    yield driver
    driver.quit()


@pytest.fixture
def page(driver):
    """A fresh tab in the light scheme; afterwards its logs are judged."""
    driver.switch_to.new_window("tab")
    page = Page(driver)
    page.requests(), page.errors()
    page.emulate()
    yield page
    hosts, errors = page.requests(), page.errors()
    driver.close()
    driver.switch_to.window(driver.window_handles[0])
    assert not errors, f"errors on the console: {errors}"
    assert hosts <= page.opened, f"asked elsewhere: {hosts - page.opened}"


@pytest.fixture(scope="module")
def directory(tmp_path_factory):
    return tmp_path_factory.mktemp("runs")


@pytest.fixture(scope="module")
def learner(directory):
    """A learner with one worker, whose run goes on longer than the module's tests."""
    with Learner(directory, steps=LONG, more=SLOW) as learner, learner.actor(directory):
        yield learner


@pytest.fixture(scope="module")
def finished_runs(tmp_path_factory):
    """A directory with two runs that ended, `a` and `b`."""
    directory = tmp_path_factory.mktemp("finished")
    for seed, name in enumerate("ab", 1):
        line = f"troop train cartpole --workers 1 --steps 40000 --seed {seed} --run-dir {name} --set actor.push_delay_ms=10"
        with Process(directory, line) as train:
            train.wait()
    return directory
