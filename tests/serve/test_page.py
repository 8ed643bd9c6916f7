"""The page in a real headless Chromium: photographs are dropped, pasted and chosen, scores appear, and nothing is loaded from elsewhere."""

import base64
import csv
import io
import json
import time

import pytest

from tests.serve.photos import draw_photo

SIZES = {"phone": (390, 844), "desk": (1280, 900)}
TAB, ENTER, SPACE = "\ue004", "\ue007", "\ue00d"
PHOTOS = {
    "a.png": draw_photo(1, (90, 120, 3)),
    "<b>b.jpg": draw_photo(30, (80, 70, 3), "JPEG"),
    "=c.png": draw_photo(9),
}

# Makes files and fires the events that a browser fires when a person drops or pastes them.
GIVE = """
const [how, photos] = arguments, data = new DataTransfer();
for (const [name, content] of photos) {
  const bytes = Uint8Array.from(atob(content), (letter) => letter.charCodeAt(0));
  data.items.add(new File([bytes], name));
}
const place = document.getElementById("drop");
if (how === "drop") {
  for (const type of ["dragenter", "dragover", "drop"]) {
    place.dispatchEvent(new DragEvent(type, { dataTransfer: data, bubbles: true, cancelable: true }));
  }
} else {
  document.dispatchEvent(new ClipboardEvent("paste", { clipboardData: data, bubbles: true }));
}
"""
TABLE = "return makeTable()"

pytestmark = pytest.mark.slow


@pytest.fixture
def page(browser, served):
    """The page, freshly opened on a desk."""
    resize(browser, "desk")
    browser.get("about:blank")
    browser.get_log("browser"), browser.get_log("performance")
    browser.get(served.url + "/")
    return browser


def resize(browser, size, scheme="light"):
    width, height = SIZES[size]
    screen = dict(width=width, height=height, deviceScaleFactor=1, mobile=size == "phone")
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", screen)
    preference = [dict(name="prefers-color-scheme", value=scheme)]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", dict(features=preference))


def give(browser, how, photos):
    browser.execute_script(GIVE, how, [[name, base64.b64encode(content).decode()] for name, content in photos.items()])


def wait(browser, condition, seconds=60):
    """Wait until an expression of the page is true."""
    until = time.monotonic() + seconds
    while not browser.execute_script(f"return Boolean({condition})"):
        assert time.monotonic() < until, f"{condition}: {browser.find_element('id', 'status').text}"
        time.sleep(0.05)


def wait_for_scores(browser, count):
    wait(browser, f"entries.length === {count} && entries.every((entry) => entry.state === 'done')")


def press(browser, *keys):
    from selenium.webdriver import ActionChains

    ActionChains(browser).send_keys(*keys).perform()


def read_table(browser):
    return list(csv.DictReader(io.StringIO(browser.execute_script(TABLE))))


def read_values(browser):
    return browser.execute_script("return [...document.querySelectorAll('.value')].map((each) => each.textContent)")


def list_requests(browser):
    messages = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    sent = [each["params"] for each in messages if each["method"] == "Network.requestWillBeSent"]
    own = [each for each in sent if not each["documentURL"].startswith("chrome://")]
    return [each["request"]["url"] for each in own]


@pytest.mark.parametrize("size", SIZES)
def test_three_photographs_are_dropped_and_their_scores_are_read(page, served, size):
    resize(page, size)
    give(page, "drop", PHOTOS)
    wait_for_scores(page, 3)
    assert page.execute_script("return document.querySelectorAll('main b').length") == 0  # names are text
    titles = page.execute_script("return [...document.querySelectorAll('#results h3')].map((each) => each.textContent)")
    assert titles == list(PHOTOS)
    rows = read_table(page)
    assert [row["image"] for row in rows] == ["a.png", "a.png", "<b>b.jpg", "<b>b.jpg", "'=c.png", "'=c.png"]
    expected = [
        served.scorers[model].score(content).score for content in PHOTOS.values() for model in ("tiny.noise", "whole")
    ]
    assert [float(row["score"]) for row in rows] == expected  # to the last bit
    assert read_values(page) == [f"{score:.1f}" for score in expected]
    assert "3 of 3 photographs scored" in page.find_element("id", "status").text
    wait(page, "[...document.images].every((image) => image.complete && image.naturalWidth)")
    assert page.execute_script("return document.documentElement.scrollWidth <= innerWidth")
    assert page.get_log("browser") == []
    requests = list_requests(page)
    assert requests
    assert all(url.startswith((served.url, f"blob:{served.url}")) for url in requests), requests


def test_a_paste_is_scored_and_one_that_is_no_image_says_why(page):
    give(page, "paste", {"image.png": PHOTOS["a.png"], "virus.jpg": b"MZ\x90\x00"})
    wait_for_scores(page, 2)
    assert "is not an image" in page.find_element("css selector", ".error:not([hidden])").text
    assert "1 of 2 photographs scored, 1 refused" in page.find_element("id", "status").text
    assert "is not an image" in read_table(page)[-1]["note"]


def test_a_file_that_is_too_large_is_not_sent(page):
    give(page, "drop", {"large.png": bytes(1_000_001)})
    wait_for_scores(page, 1)
    assert "at most 1 MB" in page.find_element("css selector", ".error:not([hidden])").text
    assert not any("/v1/score" in url for url in list_requests(page))


def test_models_are_compared_or_not(page):
    give(page, "drop", {"a.png": PHOTOS["a.png"]})
    wait_for_scores(page, 1)
    assert len(read_values(page)) == 2
    boxes = page.find_elements("css selector", "#models input")
    boxes[1].click()
    assert len(read_values(page)) == 1
    boxes[0].click()  # the last one stays
    assert len(read_values(page)) == 1
    assert boxes[0].is_selected()


def test_photographs_are_ordered_by_their_score(page):
    give(page, "drop", PHOTOS)
    wait_for_scores(page, 3)
    order = page.find_element("id", "order")
    for value, reverse in (("best", True), ("worst", False)):
        page.execute_script(
            "arguments[0].value = arguments[1]; arguments[0].dispatchEvent(new Event('change'))", order, value
        )
        first = [float(text) for text in read_values(page)[::2]]
        assert first == sorted(first, reverse=reverse)


def test_a_map_is_shown_and_hidden(page):
    give(page, "drop", {"a.png": PHOTOS["a.png"]})
    wait_for_scores(page, 1)
    button = page.find_element("css selector", ".actions button")
    button.click()
    wait(page, "document.querySelector('.actions button').getAttribute('aria-expanded') === 'true'")
    canvas = page.find_element("css selector", ".frame canvas")
    assert canvas.is_displayed()
    painted = page.execute_script(
        "const pen = arguments[0].getContext('2d'); return pen.getImageData(0, 0, arguments[0].width, arguments[0].height).data"
        ".filter((value, index) => index % 4 === 3 && value > 0).length",
        canvas,
    )
    assert painted > 100
    assert "as if it were a photograph" in page.find_element("css selector", ".map ul").text
    assert button.text.startswith("Hide map")
    button.click()
    assert not canvas.is_displayed()
    assert page.get_log("browser") == []


def test_everything_works_by_keyboard_alone(page, tmp_path):
    file = tmp_path / "keys.png"
    file.write_bytes(PHOTOS["a.png"])
    wait(page, "!document.getElementById('models').hidden")
    press(page, TAB)
    assert page.switch_to.active_element.text == "Skip to the results"
    press(page, TAB)
    active = page.switch_to.active_element
    assert active.get_attribute("id") == "choose"
    active.send_keys(str(file))
    wait_for_scores(page, 1)
    met = []
    for _ in range(12):
        press(page, TAB)
        active = page.switch_to.active_element
        if active.tag_name == "body":
            break
        outline = page.execute_script("return getComputedStyle(arguments[0]).outlineStyle", active)
        assert outline != "none", active.get_attribute("outerHTML")[:200]
        met.append(active.get_attribute("id") or active.get_attribute("name") or active.text)
    assert met[:5] == ["model", "model", "order", "csv", "clear"]
    assert met[5:7] == ["Map by tiny.noise", "Map by whole"]
    page.execute_script("document.querySelector('.actions button').focus()")
    press(page, ENTER)
    wait(page, "!document.querySelector('.map').hidden && !document.querySelector('.actions button').disabled")
    assert page.switch_to.active_element.text == "Hide map by tiny.noise"  # the focus is not lost
    page.execute_script("document.getElementById('clear').focus()")
    press(page, SPACE)
    assert page.switch_to.active_element.get_attribute("id") == "choose"
    assert page.execute_script("return document.querySelectorAll('.card').length") == 0


def test_what_a_screen_reader_needs(page):
    give(page, "drop", PHOTOS)
    wait_for_scores(page, 3)
    count = lambda selector: page.execute_script("return document.querySelectorAll(arguments[0]).length", selector)  # noqa: E731
    assert count("html[lang]") == count("h1") == count("main") == 1
    assert count("[role=status][aria-live=polite]") == 1
    assert count("img:not([alt])") == 0
    assert count("section:not([aria-labelledby])") == 0
    unnamed = "return [...document.querySelectorAll('input, select')].filter((each) => !each.labels.length).length"
    assert page.execute_script(unnamed) == 0
    labels = page.execute_script("return [...document.querySelectorAll('.actions button')].map((b) => b.ariaLabel)")
    assert len(set(labels)) == 6  # each names its photograph


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_light_and_dark_have_contrast(page, scheme):
    resize(page, "phone", scheme)
    ink, paper = (
        page.execute_script(f"return getComputedStyle(document.body).{which}.match(/\\d+/g).map(Number)")
        for which in ("color", "backgroundColor")
    )
    assert (sum(ink[:3]) < sum(paper[:3])) == (scheme == "light")
    assert abs(sum(ink[:3]) - sum(paper[:3])) > 500


def test_a_server_that_has_gone_is_said(page):
    page.execute_cdp_cmd("Network.enable", {})
    offline = dict(offline=True, latency=0, downloadThroughput=-1, uploadThroughput=-1)
    wait(page, "!document.getElementById('models').hidden")
    page.execute_cdp_cmd("Network.emulateNetworkConditions", offline)
    try:
        give(page, "drop", {"a.png": PHOTOS["a.png"]})
        wait_for_scores(page, 1)
        assert "does not answer" in page.find_element("css selector", ".error:not([hidden])").text
    finally:
        page.execute_cdp_cmd("Network.emulateNetworkConditions", {**offline, "offline": False})
