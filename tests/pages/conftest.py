"""Drives the app without a browser (AppTest), with the real worker process behind it."""

import functools
import json
import re
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from streamlit.components.v2 import manifest_scanner
from streamlit.components.v2.bidi_component.main import _make_trigger_id
from streamlit.runtime.pages_manager import PagesManager
from streamlit.runtime.scriptrunner.script_cache import ScriptCache
from streamlit.testing.v1 import AppTest, app_test, local_script_runner
from streamlit.testing.v1.element_tree import Block

from dimap_core.service import Classroom
from pages.ui.session import cache
from tests.helpers import STUCK, Patience

APP = Path(__file__).parents[2] / "app.py"
LIVE = ("not faster", "really smaller")  # what the header says of a cut once the model is open
SCAN = "scan_component_manifests"
LOOK = 0.05  # seconds between two looks at whether the worker is done
POLL = 1.0  # seconds between two reruns while it is not: each takes the processor from it, as it has less priority


class _Navigated(PagesManager):
    """AppTest makes a page manager for every run, which takes the folder pages/ for an app of the kind that needs no
    st.navigation until that is called; a server makes one manager and knows better after its first run."""

    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        PagesManager.uses_pages_directory = False


class App:
    """One session of the app, rerun as often as a browser's polling would."""

    def __init__(self, params: dict[str, str]) -> None:
        self.at = AppTest.from_file(APP, default_timeout=STUCK)
        for key, value in params.items():
            self.at.query_params[key] = value
        self.run()

    def run(self) -> "App":
        """Rerun once; nothing may raise on any page, ever."""
        self.at.run()
        assert not self.at.exception, [element.message for element in self.at.exception]
        return self

    def until(self, condition: Callable[[], Any], what: str) -> "App":
        """Rerun until `condition` holds."""
        patience = Patience()
        while not condition():
            patience.check(f"{what}; on screen: {self.texts()}")
            again, busy = time.monotonic() + POLL, cache.shared().worker.waiting
            while time.monotonic() < again and cache.shared().worker.waiting == busy:
                time.sleep(LOOK)
            self.run()
        return self

    def live(self) -> "App":
        """Wait until the worker has opened the model."""

        def live() -> bool:
            return not self.map.get("waiting") and any(sign in text for text in self.texts() for sign in LIVE)

        return self.until(live, "live numbers")

    def judged(self) -> "App":
        """Wait until accuracy is known on all images."""
        partly = ("so far", "precomputed", "preview")
        return self.live().until(
            lambda: "n = " in self.metric(2) and not any(word in self.metric(2) for word in partly), "accuracy"
        )

    def page(self, name: str) -> "App":
        """Go to a page and wait for its figures."""
        self.at.switch_page(f"pages/{name}.py")
        return self.run().live()

    def page_of(self, name: str) -> "App":
        """Go to a page that needs no model."""
        self.at.switch_page(f"pages/{name}.py")
        return self.run()

    def click_key(self, key: str) -> "App":
        """Press the button of that key."""
        self.widget(key).click()
        return self.run()

    def widget(self, key: str) -> Any:
        """The widget of that key, whatever its kind and whatever number the app gave it after a dash."""
        elements = {getattr(e, "key", None) or "": e for e in self.at.main}
        return elements.get(key) or next(
            e for found, e in elements.items() if re.fullmatch(rf"{re.escape(key)}-\d+", found)
        )

    def set(self, key: str, value: Any) -> "App":
        """Change the widget of that key and rerun."""
        self.widget(key).set_value(value)
        return self.run()

    def click(self, label: str) -> "App":
        """Press the button of that label."""
        next(button for button in self.at.button if button.label == label).click()
        return self.run()

    def metric(self, place: int) -> str:
        """Value and line below of a number: params, MACs, top-1, change."""
        if self.feed:
            return "{value} | {below}".format(**self.feed["numbers"][place])
        if place >= len(self.at.metric):  # not drawn yet
            return ""
        shown = self.at.metric[place]
        return f"{shown.value} | {shown.delta}"

    @property
    def feed(self) -> dict[str, Any]:
        """What the live answer of Prune is drawn from; empty on other pages."""
        return self.news.get("patch", {})  # the whole of it, as long as no test says what a browser would hold

    @property
    def news(self) -> dict[str, Any]:
        """What is sent of an answer."""
        return self.component("dimap_feed")

    @property
    def map(self) -> dict[str, Any]:
        """What the live map is drawn from; empty until the model is open."""
        return self.component("dimap_map")

    def component(self, name: str) -> dict[str, Any]:
        """What a component of our own is drawn from; empty where it is not on the page."""
        found = self._proto(name)
        return json.loads(found.json) if found is not None else {}

    def _proto(self, name: str) -> Any:
        drawn = (element.proto for element in self.at.get("bidi_component"))
        return next((proto for proto in drawn if proto.component_name == name), None)

    def figure(self, key: str) -> dict[str, Any]:
        """The plotly figure drawn under that key."""
        return json.loads(next(chart for chart in self.at.get("plotly_chart") if chart.key == key).proto.spec)

    def move(self, **move: Any) -> "App":
        """What a hand on the map sends, which no widget of AppTest can: `all`, one ratio, or `stages`, one for each."""
        sent = {"seq": time.time(), "drag": "hand", "final": True, **move}
        return self._sent("dimap_feed", json_value=json.dumps({"move": sent}))

    def look(self, held: object) -> "App":
        """What the live answer sends while images stream in: which answer the browser holds."""
        return self._sent("dimap_feed", trigger={"look": held})

    def click_block(self, stage: int, block: int) -> "App":
        """A click on a block of the map."""
        return self._sent("dimap_map", trigger={"selected": {"stage": stage, "block": block}})

    def pull(self, name: str, **triggers: Any) -> "App":
        """What a component of our own says, trigger by trigger."""
        return self._sent(name, trigger=triggers)

    def _sent(self, name: str, json_value: str = "", trigger: dict[str, Any] | None = None) -> "App":
        states, place = self.at._tree.get_widget_states(), self._proto(name).id
        if trigger is None:
            states.widgets.add(id=place, json_value=json_value)
        else:
            events = [{"event": event, "value": value} for event, value in trigger.items()]
            states.widgets.add(id=_make_trigger_id(place, "events"), json_trigger_value=json.dumps(events))
        self.at._run(states)
        return self.run()

    def downloads(self, key: str) -> list[Any]:
        """Download buttons of that key."""
        return [button for button in self.at.get("download_button") if button.proto.id.endswith(key)]

    def texts(self) -> list[str]:
        """Everything that is written on the page."""
        kinds = (self.at.markdown, self.at.caption, self.at.warning, self.at.info, self.at.error)
        live = [self.feed["title"], self.feed["sub"], *self.feed["time"], self.feed["caption"]] if self.feed else []
        return [*(element.value for kind in kinds for element in kind), *live]

    @property
    def sentence(self) -> str:
        """The recipe line as it reads, chips in brackets."""
        (line,) = [block for block in self.at.main if "recipe_line" in getattr(block.proto, "id", "")]
        parts = []
        for part in line.children.values():
            chip = isinstance(part, Block) and part.type == "popover"
            parts.append(f"[{part.proto.popover.label}]" if chip else getattr(part, "value", ""))
        return " ".join(parts).split(" [More]")[0].replace("\\", "")

    @property
    def url(self) -> dict[str, str]:
        """The query parameters."""
        return {key: value[0] if isinstance(value, list) else value for key, value in self.at.query_params.items()}

    @property
    def plan(self) -> Any:
        """The plan in force."""
        return self.at.session_state["setting"].plan

    @property
    def notices(self) -> list[str]:
        """What was refused."""
        return [element.value.replace("\\", "") for element in self.at.warning]  # Markdown's escapes are not shown


@pytest.fixture(scope="package", autouse=True)
def _server() -> Iterator[None]:
    """One worker process for all page tests, which has no model hub; stopped at the end."""
    known, app_test.PagesManager = app_test.PagesManager, _Navigated
    with pytest.MonkeyPatch.context() as patched, tempfile.TemporaryDirectory() as home:
        # AppTest looks through all installed packages for components and compiles app and page at every rerun, a
        # server once.
        patched.setattr(manifest_scanner, SCAN, functools.cache(getattr(manifest_scanner, SCAN)))
        compiled = ScriptCache()
        for user in (app_test, local_script_runner):
            patched.setattr(user, "ScriptCache", lambda: compiled)
        patched.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
        patched.setenv("HF_HOME", home)
        yield
    app_test.PagesManager = known
    cache.shared().close()
    cache.shared.clear()


@pytest.fixture(autouse=True)
def _nothing_goes_on(_server: None) -> Iterator[None]:
    """What a test's sessions still wait for is cancelled, as when tabs are closed: the next test gets the processor."""
    worker, sessions = cache.shared().worker, set()
    submit = worker.submit

    def noted(session: str, *request: Any) -> Any:
        sessions.add(session)
        return submit(session, *request)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(worker, "submit", noted)
        yield
    for session in sessions:
        worker.cancel(session)


@pytest.fixture
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Jobs and classes of this test alone."""
    monkeypatch.setenv("DIMAP_HOME", str(tmp_path))
    for kept in (cache.kept_jobs, cache.kept_classes, cache.study):
        kept.clear()
    yield
    for kept in (cache.kept_jobs, cache.kept_classes, cache.study):
        kept.clear()


@pytest.fixture
def room(own_home: None) -> Classroom:
    """The server's classes."""
    return cache.kept_classes()


@pytest.fixture(scope="package")
def open_app() -> Callable[..., App]:
    """open_app(model="deit-digits", ratio="0.5") -> a new session that came by this link."""
    return lambda **params: App(params)


@pytest.fixture(scope="session")
def drawn() -> Callable[[Callable[[], object]], AppTest]:
    """drawn(page) -> what a function draws that imports all it uses itself."""

    def run(page: Callable[[], object]) -> AppTest:
        shown = AppTest.from_function(page, default_timeout=STUCK).run()
        assert not shown.exception
        return shown

    return run


@pytest.fixture(scope="module")
def app(open_app: Callable[..., App]) -> App:
    """A session for tests that leave the URL as they like: they start from a link of their own or from `fresh`."""
    return open_app(model="swin-digits").live()
