"""The page of a learner while its run goes on, and at its end."""

import json
import time

from processes import Learner, Process, SLOW, wait_until


def logged_env_steps(run):
    """The env steps of the progress that a run's event log has."""
    lines = map(json.loads, (run / "events.jsonl").read_text().splitlines())
    return [line["env_steps"] for line in lines if line["kind"] == "progress"]


def test_curves_grow_and_a_reload_has_them_from_the_start(page, learner, directory):
    page.open(learner.page)
    first_x, first_y = page.wait_for_curve(points=3)
    grown = page.wait("the curve grows", lambda: (c := page.curve("learning-curve"))[0][-1] > first_x[-1] and c)
    assert grown[0] == sorted(grown[0]) and all(value is None or value > 0 for value in grown[1])
    for chart in ("throughput", "losses", "staleness-curve", "episode-length"):
        page.wait_for_curve(chart, points=3)
    labels, shares = page.wait_for_curve("staleness-histogram")
    assert labels[0] == "0" and abs(sum(shares) - 100) < 1e-6

    wait_until("a history", lambda: len(logged_env_steps(directory / "run")) >= 3)
    logged = logged_env_steps(directory / "run")
    page.driver.refresh()
    reloaded, _ = page.wait_for_curve()
    assert reloaded[: len(logged)] == logged and reloaded[-1] >= grown[0][-1]


def test_a_new_actor_is_in_the_table_within_two_seconds(page, learner, directory):
    page.open(learner.page)
    page.wait("the first worker", lambda: len(page.row_texts("#sessions")) == 1)
    with learner.actor(directory, workers=2):
        wait_until("the learner has it", lambda: len(learner.status()["sessions"]) == 3)
        joined = time.monotonic()
        page.wait("all workers", lambda: len(page.row_texts("#sessions")) == 3)
        assert time.monotonic() - joined < 2
        told = {(f"{one['worker_index']}", one["worker"], one["peer"]) for one in learner.status()["sessions"]}
        page.wait("their speed", lambda: all(row[3] not in "–0" for row in page.row_texts("#sessions")))
        rows = page.row_texts("#sessions")
        assert {tuple(row[:3]) for row in rows} == told
        for *_, staleness, seen, applied, rejected, role in rows:
            assert role == "bundled" and seen.endswith(" s ago") and int(applied.replace(",", "")) > 0 and rejected == "0" and staleness.isdigit()
        assert page.text("#session-count") == "3"
    page.wait("they left", lambda: len(page.row_texts("#sessions")) == 1)


def test_configuration_events_and_numbers_are_the_runs(page, learner):
    page.open(learner.page)
    page.wait_for_curve()
    configuration = page.wait("the configuration", lambda: page.text("#config"))
    assert 'name = "cartpole"' in configuration and "push_delay_ms = 30" in configuration
    assert "[security]" not in configuration
    page.wait("a session's event", lambda: "session joined" in page.text("#events"))
    assert (page.text("#title"), page.text("#phase")) == ("cartpole", "running")
    assert "run is running" in page.text("#announcement")


def test_tables_say_what_the_charts_show(page, learner):
    page.open(learner.page)
    # Charts grow with what they show first; a click on a page that moves meets something else.
    for chart in ("learning-curve", "throughput", "losses", "staleness-curve", "episode-length"):
        page.wait_for_curve(chart, points=3)
    for figure in page.all("figure"):
        label = figure.find_element("css selector", ".plot").get_attribute("aria-label")
        assert label.startswith(figure.find_element("css selector", "h2").text), label
        assert any(character.isdigit() for character in label), label
        figure.find_element("css selector", "summary").click()
        page.wait(f"an open table: {label}", lambda: figure.find_element("css selector", "details").get_attribute("open"))
    for chart in ("learning-curve", "throughput", "losses", "staleness-histogram", "staleness-curve", "episode-length"):
        rows = page.wait(f"the table of {chart}", lambda: page.row_texts(f"#{chart}"))
        assert all(len(row) >= 2 for row in rows), chart
    page.one("input[value=wall_seconds] + span").click()
    page.wait("times in the table", lambda: " s" in page.row_texts("#learning-curve")[-1][0])


def test_the_end_of_a_run_is_shown_with_its_last_state(page, tmp_path):
    with Learner(tmp_path, steps=3000, more=SLOW) as learner:
        page.open(learner.page)
        page.wait("the page waits for workers", lambda: page.text("#sessions-empty") == "No worker is connected.")
        with learner.actor(tmp_path):
            page.wait("the end", lambda: page.text("#phase") == "finished")
            learner.wait()
    page.wait("the process is gone", lambda: page.text("#connection") == "its process has ended")
    assert page.curve("learning-curve")[0][-1] >= 3000
    assert page.text("#progress-text") == "100 %"


def test_a_resumed_run_has_the_curve_of_its_earlier_life(page, tmp_path):
    with Learner(tmp_path, steps=3000, more=SLOW) as learner, learner.actor(tmp_path):
        learner.wait()
    with Process(tmp_path, "troop train --resume --run-dir run --steps 1000000000 --workers 1") as train:
        page.open(train.word_after("page  "))
        x, _ = page.wait("the second life", lambda: (c := page.curve("learning-curve")) and c[0][-1] > 3000 and c)
        assert x[0] < 3000
        assert x == sorted(x)
