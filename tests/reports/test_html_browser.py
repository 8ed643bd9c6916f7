"""The HTML report in a real headless Chromium: it loads alone, quickly and without complaint, and works by mouse, touch and keys."""

import base64
import json
import time

import pytest

from iqa_zoo.reports.html.page import write_page
from iqa_zoo.reports.html.pictures import Pictures
from iqa_zoo.reports.plots import plot_forest
from iqa_zoo.stats.estimate import Estimate

PHONE, DESK = (390, 844), (1280, 900)
NAMES = [f"{i}.png" for i in range(12)]
LOADED = """
const images = [...document.images];
return Promise.all(images.map((image) => image.decode())).then(() => images.every((image) => image.naturalWidth > 0) ? images.length : -1);
"""

# What reaches out of the page, or of a box that does not scroll; and tables that have to be scrolled sideways.
TOO_WIDE = """
const page = document.documentElement.clientWidth, found = [];
document.querySelectorAll("details").forEach((each) => each.open = true);
for (const each of document.querySelectorAll("main *, header *")) {
  const box = each.getBoundingClientRect();
  const inside = each.parentElement.closest("pre.scroll, div.scroll, .unseen, svg");
  if (box.width > 1 && !inside && (box.right > page + 1 || box.left < -1)) found.push(each.outerHTML.slice(0, 120));
}
for (const each of document.querySelectorAll("div.scroll"))
  if (each.scrollWidth > each.clientWidth + 1) found.push(`${each.scrollWidth} > ${each.clientWidth}: ${each.textContent.trim().slice(0, 60)}`);
return found;
"""


@pytest.fixture
def sized(browser):
    """The browser as a screen of a size, in light or dark."""

    def size(width, height, scheme="light"):
        screen = dict(width=width, height=height, deviceScaleFactor=1, mobile=width < 600)
        browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", screen)
        preference = [dict(name="prefers-color-scheme", value=scheme)]
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", dict(features=preference))
        return browser

    return size


@pytest.fixture(scope="module")
def page(made, tmp_path_factory):
    """A report with images, one of which cannot be read, a figure and an odd name."""
    root = tmp_path_factory.mktemp("report")
    names = [*NAMES, "<b>odd</b>&.png"]
    photos = made.photo_folder(root / "photos", NAMES, damaged=NAMES[:1])
    figure = plot_forest({"a": {"row": Estimate(0.1, 0, 0.2)}}, title="A forest", label="SROCC")
    results = made.made_up(names)
    told = made.make_tables(results), ["A verdict.", "Another sentence."], {"forest": figure}
    pictures = {"table": Pictures({name: photos / name for name in NAMES})}
    write_page(made.assemble_study_page(results, *told, pictures), root / "report.html")
    return root / "report.html"


def open_page(browser, path):
    """Open a file, and return the seconds until it was drawn and its script had run."""
    browser.get_log("browser"), browser.get_log("performance")
    started = time.perf_counter()
    browser.get(path.as_uri())
    browser.execute_async_script("const done = arguments[0]; requestAnimationFrame(() => setTimeout(done));")
    return time.perf_counter() - started


def press(browser, *keys):
    from selenium.webdriver import ActionChains

    ActionChains(browser).send_keys(*keys).perform()


def column(browser, table, number):
    script = (
        "return [...document.getElementById(arguments[0]).tBodies[0].rows].filter((row) => !row.hidden)"
        ".map((row) => row.cells[arguments[1]].textContent)"
    )
    return browser.execute_script(script, table, number)


def image_table(browser):
    return browser.execute_script("return document.querySelector('input[type=search]').dataset.filter")


@pytest.mark.slow
def test_no_complaint_no_request_and_every_image(browser, page):
    open_page(browser, page)
    assert browser.execute_script(LOADED) == 8 * 4 - browser.execute_script(
        "return document.querySelectorAll('.absent').length"
    )
    assert browser.get_log("browser") == []
    messages = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    sent = [message["params"] for message in messages if message["method"] == "Network.requestWillBeSent"]
    own = [each for each in sent if not each["documentURL"].startswith("chrome://")]  # not the browser's start page
    asked = [each["request"]["url"] for each in own]
    assert [url for url in asked if not url.startswith("data:")] == [page.as_uri()]


def test_every_name_in_the_page_is_text(browser, page):
    open_page(browser, page)
    assert browser.execute_script("return document.querySelectorAll('main b').length") == 0
    assert "<b>odd</b>&.png" in column(browser, image_table(browser), 0)


@pytest.mark.slow
def test_a_table_sorts_by_mouse_and_by_key(sized, page):
    browser = sized(*DESK)  # narrower tables are cards without headers
    open_page(browser, page)
    table = image_table(browser)
    button = browser.find_element("css selector", f"#{table} th:nth-child(2) button")
    header = browser.find_element("css selector", f"#{table} th:nth-child(2)")
    button.click()
    values = [float(text) for text in column(browser, table, 1)]
    assert header.get_attribute("aria-sort") == "descending"
    assert values == sorted(values, reverse=True)
    browser.execute_script("arguments[0].focus()", button)
    press(browser, "\ue007")  # Enter
    assert header.get_attribute("aria-sort") == "ascending"
    assert [float(text) for text in column(browser, table, 1)] == sorted(values)
    browser.find_element("css selector", f"#{table} th:nth-child(1) button").click()
    assert header.get_attribute("aria-sort") == "none"
    names = column(browser, table, 0)
    assert [name for name in names if name in NAMES] == NAMES  # 2.png before 10.png


@pytest.mark.slow
def test_a_table_filters(browser, page):
    open_page(browser, page)
    table = image_table(browser)
    field = browser.find_element("css selector", f"input[data-filter={table}]")
    count = browser.find_element("css selector", f"[data-count={table}]")
    assert count.text == "13 rows"
    field.send_keys("1.PNG")
    assert sorted(column(browser, table, 0)) == ["1.png", "11.png"]
    assert count.text == "2 of 13 rows"
    field.clear()
    field.send_keys("nothing like it")
    assert column(browser, table, 0) == []


@pytest.mark.slow
def test_all_can_be_reached_and_walked_by_keyboard(browser, page):
    open_page(browser, page)
    press(browser, "\ue004")  # Tab
    assert browser.switch_to.active_element.text == "Skip to the results"
    press(browser, "\ue007")
    assert browser.switch_to.active_element.get_attribute("id") == "main"
    met = set()
    for _ in range(80):
        press(browser, "\ue004")
        active = browser.switch_to.active_element
        if active.tag_name == "body":
            break
        outline = browser.execute_script("return getComputedStyle(arguments[0]).outlineStyle", active)
        assert outline != "none", active.get_attribute("outerHTML")[:200]
        met.add((active.tag_name, active.get_attribute("role") or ""))
    assert {("button", ""), ("input", ""), ("svg", "application"), ("summary", ""), ("div", "region")} <= met


@pytest.mark.slow
def test_a_dot_shows_its_image_by_keys_and_by_pointer(browser, page):
    from selenium.webdriver import ActionChains

    open_page(browser, page)
    plot = browser.find_element("css selector", ".scatter svg")
    tip = browser.find_element("id", "tip")
    browser.execute_script("arguments[0].scrollIntoView({block: 'center'}); arguments[0].focus()", plot)
    time.sleep(0.2)
    told = set()
    for key in ("\ue011", *["\ue014"] * 12):  # Home, then to the right
        press(browser, key)
        assert tip.is_displayed()
        told.add(tip.text)
    assert len(told) == 13
    assert any("cannot be read" in text for text in told)
    assert any("the image is not available" in text for text in told)
    press(browser, "\ue00c")  # Escape
    assert not tip.is_displayed()
    dot = browser.find_element("css selector", '.scatter circle[data-i="5"]')
    ActionChains(browser).move_to_element(dot).perform()
    assert tip.is_displayed()
    assert "MOS" in tip.text
    assert "lifeiqa" in tip.text


@pytest.mark.slow
@pytest.mark.parametrize(("width", "height"), [PHONE, DESK])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_on_a_phone_and_on_a_desk_in_light_and_dark(sized, page, tmp_path, width, height, scheme):
    browser = sized(width, height, scheme)
    open_page(browser, page)
    assert browser.execute_script("return document.documentElement.scrollWidth <= innerWidth")
    ink, paper = (
        browser.execute_script(f"return getComputedStyle(document.body).{which}.match(/\\d+/g).map(Number)")
        for which in ("color", "backgroundColor")
    )
    assert (sum(ink[:3]) < sum(paper[:3])) == (scheme == "light")
    assert abs(sum(ink[:3]) - sum(paper[:3])) > 500  # contrast
    shot = browser.execute_cdp_cmd("Page.captureScreenshot", {"format": "png"})
    file = tmp_path / f"{scheme}_{width}x{height}.png"
    file.write_bytes(base64.b64decode(shot["data"]))
    assert file.stat().st_size > 10_000


@pytest.mark.slow
@pytest.mark.parametrize("width", [390, 768, 1280])
def test_nothing_is_wider_than_the_page_and_no_table_is_cut_off(sized, page, width):
    browser = sized(width, 900)
    open_page(browser, page)
    assert browser.execute_script(TOO_WIDE) == []


@pytest.mark.slow
def test_what_a_screen_reader_needs(browser, page):
    open_page(browser, page)
    count = lambda selector: browser.execute_script("return document.querySelectorAll(arguments[0]).length", selector)  # noqa: E731
    assert count("img:not([alt])") == 0
    assert count("table:not(:has(caption))") == 0
    assert count("th:not([scope])") == 0
    assert count("main svg[tabindex]:not([aria-label])") == 0
    assert count(".drawing [role=img][aria-label]") == 1
    assert count("html[lang]") == count("h1") == count("main") == 1
    assert browser.execute_script(
        "return new Set([...document.querySelectorAll('[id]')].map((e) => e.id)).size"
    ) == count("[id]")


@pytest.mark.slow
def test_a_report_of_40000_images_opens_within_3_s(sized, made, tmp_path):
    names = [f"image_{i:05}.png" for i in range(40_000)]
    photo = made.photo_folder(tmp_path / "photos", ["one.png"]) / "one.png"
    results = made.made_up(names, splits=("s1",))
    pictures = {"table": Pictures(dict.fromkeys(names, photo))}
    page = made.assemble_study_page(results, made.make_tables(results), ["A verdict."], {}, pictures)
    assert write_page(page, tmp_path / "many.html") < 20e6
    browser = sized(*DESK)
    assert open_page(browser, tmp_path / "many.html") < 3
    assert browser.execute_script(LOADED) == 32
    assert browser.get_log("browser") == []
