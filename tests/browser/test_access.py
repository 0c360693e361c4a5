"""Keyboards, screen readers, phones, both colour schemes."""

import importlib.util
from pathlib import Path

import pytest
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.keys import Keys

from processes import Process

CONTROLS = "a[href], button, input, select, summary, [tabindex='0']"


@pytest.fixture
def pages(learner, finished_runs):
    with Process(finished_runs, "troop dashboard . --http 127.0.0.1:0") as process:
        yield learner.page, process.word_after("page  ")


def axe_script():
    package = importlib.util.find_spec("axe_playwright_python")
    return (Path(package.origin).parent / "axe.min.js").read_text()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 360])
def test_axe_finds_nothing(page, pages, scheme, width):
    page.emulate(scheme, width=width, mobile=width < 600)
    for address in pages:
        page.open(address)
        page.wait_for_curve()
        page.wait("the configuration", lambda: page.text("#config"))
        for summary in page.all("summary"):
            summary.click()
        page.driver.execute_script(axe_script())
        found = page.driver.execute_async_script("axe.run().then(arguments[arguments.length - 1])")
        problems = [(v["id"], v["help"], [n["html"] for n in v["nodes"]][:3]) for v in found["violations"]]
        assert not problems, problems
        assert len(found["passes"]) > 20


def test_the_keyboard_reaches_every_control(page, pages):
    for address in pages:
        page.open(address)
        page.wait_for_curve()
        visible = page.run(
            "[...document.querySelectorAll(arguments[0])].filter(e => e.checkVisibility() && !e.disabled)"
            # Arrow keys choose within a group of radio buttons; Tab stops at the one that is chosen.
            ".filter(e => e.type !== 'radio' || e.checked).map((e, i) => { e.dataset.control = i; return i })",
            CONTROLS,
        )
        reached = set()
        for _ in range(len(visible) + 2):
            ActionChains(page.driver).send_keys(Keys.TAB).perform()
            reached.add(page.run("document.activeElement.dataset.control ?? null"))
            outlined = "getComputedStyle(document.activeElement.matches('.toolbar input') ? document.activeElement.nextElementSibling : document.activeElement)"
            assert page.run("document.activeElement === document.body") or page.run(f"{outlined}.outlineStyle") != "none"
        missing = {str(index) for index in visible} - reached
        assert not missing, [page.run("document.querySelector(`[data-control='${arguments[0]}']`).outerHTML", m) for m in missing]


def test_arrow_keys_change_the_axis(page, learner):
    page.open(learner.page)
    page.wait_for_curve()
    page.one("input[value=env_steps]").send_keys(Keys.ARROW_RIGHT)
    title = "document.querySelector('#learning-curve .plot').layout.xaxis.title.text"
    page.wait("time on the axis", lambda: page.run(title) in ("seconds", "minutes"))


@pytest.mark.parametrize("width", [320, 390, 768])
def test_nothing_is_wider_than_the_screen(page, pages, width):
    page.emulate(width=width, mobile=True)
    for address in pages:
        page.open(address)
        page.wait_for_curve()
        page.wait("charts that fit", lambda: page.run("document.documentElement.scrollWidth") <= width)


def test_charts_follow_the_colour_scheme(page, learner):
    page.open(learner.page)
    page.wait_for_curve()
    color = "document.querySelector('#learning-curve .plot').data[0].line.color"
    light = page.run(color)
    page.emulate("dark")
    page.wait("another colour", lambda: page.run(color) != light)
