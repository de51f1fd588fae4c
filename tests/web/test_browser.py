"""The page in a real browser: Chromium, without a screen."""

import os
import shutil
import threading
from pathlib import Path

import numpy as np
import pytest

webdriver = pytest.importorskip("selenium.webdriver")
uvicorn = pytest.importorskip("uvicorn")

from selenium.webdriver.common.by import By  # noqa: E402
from selenium.webdriver.common.keys import Keys  # noqa: E402
from selenium.webdriver.support.ui import Select, WebDriverWait  # noqa: E402

from manualnst.pictures.saving import save_picture  # noqa: E402
from manualnst.web.app import make_app  # noqa: E402

CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
AXE = os.environ.get("MANUALNST_AXE")  # the file axe.min.js of axe-core
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not (CHROMIUM and DRIVER), reason="there is no chromium with chromedriver"),
]
WIDTHS = {"wide": (1280, 900), "tablet": (800, 900), "phone": (360, 740)}


@pytest.fixture
def address(tmp_path):
    config = uvicorn.Config(make_app(tmp_path / "page"), port=0, log_level="warning")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        thread.join(0.05)
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}/"
    server.should_exit = True
    thread.join()


def open_browser(size=WIDTHS["wide"], *more):
    options = webdriver.ChromeOptions()
    for each in ("headless=new", "no-sandbox", f"window-size={size[0]},{size[1]}", *more):
        options.add_argument(f"--{each}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    return webdriver.Chrome(options=options, service=webdriver.ChromeService(DRIVER))


@pytest.fixture
def browser(address):
    browser = open_browser()
    browser.get(address)
    wait(browser, lambda _: find(browser, "#styles-samples button"))
    yield browser
    complaints = [entry for entry in browser.get_log("browser") if entry["level"] == "SEVERE"]
    browser.quit()
    assert not complaints


def wait(browser, what, seconds=60):
    return WebDriverWait(browser, seconds).until(what)


def find(browser, selector):
    return browser.find_elements(By.CSS_SELECTOR, selector)


def one(browser, selector):
    return browser.find_element(By.CSS_SELECTOR, selector)


@pytest.fixture
def photo(tmp_path):
    path = tmp_path / "photo.png"
    save_picture(path, np.random.default_rng(0).random((48, 64, 3)).astype(np.float32))
    return str(path)


def small(browser, steps="6"):
    """All settings under "Everything else" can be given; here the number of steps."""
    browser.execute_script("document.getElementById('more').open = true")
    field = one(browser, "[name=steps]")
    field.clear()
    field.send_keys(steps)


def choose(browser, photo):
    one(browser, "#content-file").send_keys(photo)
    one(browser, "#styles-samples button").click()
    wait(browser, lambda _: "64 × 48" in one(browser, "#forecast").text)


def is_done(browser):
    return one(browser, "#state").text.startswith("Done")


def test_the_whole_way(browser, photo):
    choose(browser, photo)
    small(browser)
    one(browser, "#paint").click()
    wait(browser, is_done)
    assert one(browser, "#after").get_attribute("src").split("?")[0].endswith("result.png")
    wait(browser, lambda _: find(browser, "#history li"))
    actions = {each.text for each in find(browser, "#job-actions > *")}
    assert {"Picture", "Record", "More steps", "Again with other settings", "Remove"} == actions
    again = next(each for each in find(browser, "#job-actions button") if "Again" in each.text)
    again.click()
    assert one(browser, "[name=steps]").get_attribute("value") == "6"


def test_a_reload_in_the_middle_and_a_second_page_see_the_same(browser, photo, address):
    choose(browser, photo)
    small(browser, "400")
    one(browser, "#paint").click()
    wait(browser, lambda _: "Painting" in one(browser, "#state").text)
    browser.refresh()
    wait(browser, lambda _: "Painting" in one(browser, "#state").text)
    other = open_browser()
    other.get(address)
    wait(other, lambda _: "Painting" in one(other, "#state").text)
    stop = next(each for each in find(other, "#job-actions button") if each.text == "Stop")
    stop.click()
    for each in (browser, other):
        wait(each, lambda page: "Stopped" in one(page, "#state").text)
    other.quit()


def test_a_mask_is_painted(browser, photo):
    choose(browser, photo)
    small(browser)
    browser.execute_script("document.getElementById('masks').open = true")
    wait(browser, lambda _: one(browser, "#mask").get_attribute("width") == "64")
    one(browser, "#mask").send_keys(Keys.ARROW_LEFT, Keys.SPACE)
    one(browser, "#paint").click()
    wait(browser, is_done)
    jobs = browser.execute_async_script(
        "const done = arguments[0]; fetch('api/jobs').then((a) => a.json()).then(done)"
    )
    assert len(jobs[0]["masks"]) == 1


def test_by_keyboard_alone(browser, photo):
    one(browser, "#content-file").send_keys(photo)  # the system's own dialogue
    press(browser, Keys.TAB)
    assert "Skip" in browser.switch_to.active_element.text
    seen = set()
    for _ in range(60):
        active = browser.switch_to.active_element
        seen.add(active.get_attribute("id"))
        if active.get_attribute("id") == "paint":
            break
        if active.get_attribute("data-id") == "sample:mosaic":
            press(browser, Keys.SPACE)
        press(browser, Keys.TAB)
    assert {"paint", "style_strength", "size"} <= seen
    small(browser)
    one(browser, "#paint").send_keys(Keys.ENTER)
    wait(browser, is_done)


def press(browser, key):
    """Whatever has the focus."""
    webdriver.ActionChains(browser).send_keys(key).perform()


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_nothing_is_wider_than_the_window(address, photo, width, dark):
    more = ["blink-settings=preferredColorScheme=0"] if dark else []
    browser = open_browser(WIDTHS[width], *more)
    try:
        browser.get(address)
        wait(browser, lambda _: find(browser, "#styles-samples button"))
        choose(browser, photo)
        for details in ("more", "masks"):
            browser.execute_script(f"document.getElementById('{details}').open = true")
        wide = browser.execute_script(
            "return [document.documentElement.scrollWidth, document.documentElement.clientWidth]"
        )
        assert wide[0] <= wide[1]
        if AXE:
            assert audited(browser) == []
    finally:
        browser.quit()


def audited(browser) -> list:
    """What axe-core finds against the rules of accessibility."""
    browser.execute_script(Path(AXE).read_text(encoding="utf-8"))
    found = browser.execute_async_script("axe.run().then(arguments[0])")
    return [(each["id"], [n["html"][:200] for n in each["nodes"]]) for each in found["violations"]]


def test_sizes_can_be_chosen(browser):
    assert [each.text for each in Select(one(browser, "#size")).options][:2] == ["256", "512"]
