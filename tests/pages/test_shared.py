"""What sessions of a server share may be asked for and changed by all of them at once."""

import sys
import threading

import pytest

from pages.ui.session import cache


@pytest.fixture
def shared():
    """Shared state of its own, with threads that change places as often as they can."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    found = cache.Shared()
    yield found
    sys.setswitchinterval(before)
    found.close()


def test_results_are_kept_and_dropped_by_many_sessions_at_once(shared, monkeypatch):
    monkeypatch.setattr(cache, "_RESULTS", 50)
    errors = []

    def session(number):
        try:
            for turn in range(400):
                shared.remember((f"model{number}", turn), [{"n": turn}])
                if turn % 20 == 0:
                    shared.forget(f"/tmp/model{number}")
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=session, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert shared.results.keys() == shared.sizes.keys() and len(shared.results) <= 50
