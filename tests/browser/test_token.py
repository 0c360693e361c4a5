"""A learner with a token: the page holds nothing until it is given."""

import pytest

from processes import Learner, SLOW

TOKEN = "a+long/secret=="


@pytest.fixture(scope="module")
def guarded(directory):
    (directory / "token").write_text(TOKEN)
    with Learner(directory, run="guarded", more=f"{SLOW} --set security.token_file=token") as learner:
        yield learner


@pytest.fixture
def locked(page):
    # The browser itself notes the refusal.
    page.expected_errors += ("401 (Unauthorized)",)
    return page


def test_the_page_asks_for_the_token(locked, guarded):
    locked.open(guarded.page)
    field = locked.one("#token")
    locked.wait("the form", field.is_displayed)
    assert not locked.one("#content").is_displayed() and "cartpole" not in locked.text("body")
    field.send_keys("wrong\n")
    locked.wait("the refusal", lambda: locked.one("#token-wrong").is_displayed())
    field.clear()
    field.send_keys(f"{TOKEN}\n")
    locked.wait("the run", lambda: locked.text("#title") == "cartpole")
    assert not locked.one("#token-form").is_displayed()


def test_a_link_may_carry_it_and_the_address_forgets_it(page, guarded):
    page.open(f"{guarded.page}#token={TOKEN}")
    page.wait("the run", lambda: page.text("#title") == "cartpole")
    assert page.driver.current_url == guarded.page
    assert page.run("localStorage.length") == 0
    page.driver.refresh()
    page.wait("the run again", lambda: page.text("#title") == "cartpole")
