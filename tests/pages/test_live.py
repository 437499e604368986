"""Polling: what a look at the worker may find, and what it does when it meets the page's own run."""

from streamlit import config

from pages.ui.session import cache
from tests.helpers import finish


def test_an_answer_that_came_between_two_looks_is_kept_for_everyone(open_app):
    app = open_app(model="swin-digits", ratio="0.35").live()
    key, ticket = app.at.session_state["streams"]["live", False]
    finish(ticket)
    assert ticket.done and key not in cache.shared().results  # nobody has looked since
    app.set("w_ratio", 45.0)
    assert cache.shared().results[key] == ticket.events[-1:]


def polling():
    import time

    import streamlit as st

    from pages.ui.session import polling, state

    state.start()
    st.session_state.runs = st.session_state.get("runs", 0) + 1
    drawn = polling.polled(lambda: st.write("part"), every=60.0 if st.session_state.runs == 2 else 0.1)
    drawn()  # by the page
    if st.session_state.runs == 1:
        polling.page_began()  # the page's run was cut short before its end
    elif st.session_state.runs == 2:
        st.session_state.page_ended = time.monotonic() - 60, None  # a poll from before the page drew the part
    elif st.session_state.runs == 3:
        time.sleep(1)
        st.session_state.page_ended = time.monotonic() + 60, None  # one that met the end of the page's run
    else:
        time.sleep(1)
        st.session_state.page_ended = time.monotonic() - 60, None
    drawn()  # by a poll


def test_a_poll_that_met_the_pages_run_draws_the_page_again(drawn):
    app = drawn(polling)
    assert app.session_state["runs"] == 4
    assert [element.value for element in app.markdown] == ["part", "part"]


def waited():
    import streamlit as st

    from pages.ui.session import polling, state

    state.start()
    st.session_state.runs = st.session_state.get("runs", 0) + 1
    drawn = polling.polled(lambda: st.write("part"))
    drawn()  # by the page
    polling.page_ended()
    drawn()  # by a poll that came meanwhile


def test_a_poll_that_waited_for_the_page_draws_its_part_alone(drawn):
    app = drawn(waited)
    assert app.session_state["runs"] == 1
    assert [element.value for element in app.markdown] == ["part", "part"]


def moved():
    import streamlit as st

    from pages.ui.session import polling, state

    state.start()
    ratio = state.current().plan.ratio
    drawn = polling.polled(lambda: st.write(f"{ratio} drawn at {state.current().plan.ratio}"))
    drawn()  # by the page
    polling.page_ended()
    state.change(ratio=0.85)  # as a control does that a poll is the first to tell of
    drawn()  # by that poll


def test_a_poll_never_draws_one_settings_counts_under_another_settings_name(drawn):
    app = drawn(moved)
    assert [element.value for element in app.markdown] == ["0.85 drawn at 0.85"] * 2


def test_a_session_has_one_run_at_a_time():
    assert not config.get_option("runner.fastReruns")  # of two, the older kept its counts under the newer's setting
