"""`troop dashboard`: runs that ended and runs that go on, one beside the other."""

import urllib.error
import urllib.request

import pytest

from processes import LONG, Learner, Process, SLOW


@pytest.fixture
def dashboard(finished_runs):
    with Process(finished_runs, "troop dashboard . --http 127.0.0.1:0") as process:
        yield process.word_after("page  ")


def traces(page):
    return page.run("(document.querySelector('#learning-curve .plot')?.data ?? []).map(trace => trace.name).sort()")


def test_two_finished_runs_are_compared(page, dashboard):
    page.open(dashboard)
    page.wait("both curves", lambda: traces(page) == ["a", "b"])
    for trace in (0, 1):
        x, y = page.curve("learning-curve", trace)
        assert len(x) >= 10 and x[-1] >= 40_000 and max(value or 0 for value in y) > 20
    rows = {row[2]: row for row in page.row_texts("#runs")}
    assert set(rows) == {"a", "b"} and all(row[3] == "finished" for row in rows.values())
    assert sum(page.curve("staleness-histogram")[1]) == pytest.approx(100)
    assert not page.one("#sessions-section").is_displayed()


def test_what_is_chosen_stays_over_a_reload(page, dashboard):
    page.open(dashboard)
    page.wait("both curves", lambda: traces(page) == ["a", "b"])
    page.one("input[aria-label='Details of b']").click()
    page.wait("b in detail", lambda: page.text("#subtitle") == "b, seed 2")
    page.one("input[aria-label='Draw a']").click()
    page.wait("b alone", lambda: len(traces(page)) == 1)
    page.driver.refresh()
    page.wait("b alone again", lambda: page.text("#subtitle") == "b, seed 2" and len(traces(page)) == 1)
    assert "seed = 2" in page.wait("its configuration", lambda: page.text("#config"))
    page.one("input[aria-label='Draw a']").click()
    page.wait("both again", lambda: traces(page) == ["a", "b"])


def test_the_directory_of_one_run_opens(page, finished_runs):
    with Process(finished_runs, "troop dashboard a --http 127.0.0.1:0") as process:
        page.open(process.word_after("page  "))
        assert page.wait_for_curve(points=10)[0][-1] >= 40_000
        assert page.text("#subtitle") == "a, seed 1"
        assert not page.one("#runs-section").is_displayed()


def test_a_run_that_begins_later_is_followed(page, tmp_path):
    with Process(tmp_path, "troop dashboard . --http 127.0.0.1:0") as dashboard:
        page.open(dashboard.word_after("page  "))
        page.wait("no run", lambda: "no run" in (page.text("#subtitle") or ""))
        with Learner(tmp_path, run="study/late", steps=LONG, more=SLOW) as learner, learner.actor(tmp_path):
            first, _ = page.wait_for_curve()
            page.wait("the curve grows", lambda: page.curve("learning-curve")[0][-1] > first[-1])
            assert (page.text("#subtitle"), page.text("#phase")) == ("study/late, seed 1", "running")


def test_names_lead_nowhere_else(dashboard):
    for name in ("../a", "/etc", "a/../../a", "a/checkpoints"):
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(f"{dashboard}api/config?run={name}")
        assert refused.value.code == 404
