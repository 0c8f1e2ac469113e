"""The page of ``tree --html`` in a real browser: seen, used by keyboard and pointer, attacked."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from imgfetch.cli.treemap.page import FILE_LIMIT, render
from imgfetch.oci.image import Image
from imgfetch.workflow.tree import account
from tests.support import layers
from tests.support.browser import Page, browser_page
from tests.support.hostile_names import NAMES, SCRIPT, hostile_image
from tests.support.memory_images import MemoryImages

FOCUSED = "document.activeElement.getAttribute('aria-label')"
TRAIL = "document.getElementById('trail').innerText.replace(/\\s*\u203a\\s*/g, ' > ')"
DETAILS = "document.getElementById('details').innerText"
CELLS = "document.querySelectorAll('.cell').length"
# The least contrast of a text in the map (WCAG 2.2, relative luminance) with what is behind it.
CONTRAST = """(() => {
  const canvas = new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true });
  const rgb = (...colours) => {
    for (const colour of colours) { canvas.fillStyle = colour; canvas.fillRect(0, 0, 1, 1); }
    return [...canvas.getImageData(0, 0, 1, 1).data].slice(0, 3);
  };
  const light = (channels) => channels
    .map((value) => value / 255)
    .map((value) => (value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4))
    .reduce((sum, value, at) => sum + value * [0.2126, 0.7152, 0.0722][at], 0);
  let least = 21;
  for (const text of document.querySelectorAll(".label b, .label span, .label em")) {
    const style = getComputedStyle(text);
    const back = rgb(getComputedStyle(text.closest(".cell")).backgroundColor);
    const seen = style.opacity;
    const front = rgb(style.color).map((value, at) => value * seen + back[at] * (1 - seen));
    const [dark, bright] = [light(front), light(back)].sort((one, other) => one - other);
    least = Math.min(least, (bright + 0.05) / (dark + 0.05));
  }
  return least;
})()"""


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    with browser_page(tmp_path_factory.mktemp("profile")) as page:
        yield page


def five_layers(made: MemoryImages) -> Image:
    base = [layers.file(f"usr/lib/lib{n}.so", b"l" * (900_000 // n)) for n in range(1, 9)]
    return made.image(
        layers.layer(*base, layers.file("usr/bin/tool", b"t" * 700_000)),
        layers.layer(layers.file("var/cache/apt/list", b"c" * 600_000)),
        layers.layer(
            layers.file("srv/app/model", b"m" * 800_000), layers.file("srv/x", b"x" * 999)
        ),
        layers.layer(layers.file("srv/app/model", b"M" * 810_000)),
        layers.layer(layers.file("var/cache/.wh.apt")),
        history=[{"created_by": f"RUN step {number}"} for number in range(1, 6)],
    )


def show(browser: Page, path: Path, image: Image, made: MemoryImages) -> None:
    tree = account("registry.test/image:1", image, made.store)
    path.write_text(render(tree), "utf-8")
    browser.complaints.clear()
    browser.requests.clear()
    browser.look(1200, 860)
    browser.open(path)
    browser.wait_for(f"{CELLS} > 0")


@pytest.fixture
def page(browser: Page, tmp_path: Path) -> Iterator[Page]:
    """The page of an image of five layers, which nothing may complain about."""
    made = MemoryImages()
    path = tmp_path / "page.html"
    show(browser, path, five_layers(made), made)
    yield browser
    assert browser.complaints == []
    assert browser.requests == [path.as_uri()]


def test_the_keyboard_moves_and_zooms(page: Page) -> None:
    for _ in range(20):
        page.press("Tab")
        if page.evaluate("document.activeElement.getAttribute('role')") == "treeitem":
            break
    first = page.evaluate(FOCUSED)
    assert first.startswith("usr, ")
    assert page.evaluate("document.activeElement.matches(':focus-visible')")
    page.press("ArrowRight")
    beside = page.evaluate(FOCUSED)
    assert beside != first
    page.press("ArrowLeft")
    assert page.evaluate(FOCUSED) == first
    page.press("Enter")
    assert page.evaluate(TRAIL) == "/ > usr"
    assert page.evaluate(FOCUSED).startswith("lib, ")
    page.press("Enter")
    assert page.evaluate(TRAIL) == "/ > usr > lib"
    assert page.evaluate(FOCUSED).startswith("lib1.so, 878.9 KiB")
    page.press("Enter")
    assert page.evaluate(TRAIL) == "/ > usr > lib"
    assert page.evaluate(DETAILS).startswith("/usr/lib/lib1.so\n")
    page.press("Escape")
    assert page.evaluate(FOCUSED).startswith("lib, ")
    page.press("Escape")
    assert page.evaluate(TRAIL) == "/"
    assert page.evaluate(FOCUSED) == first
    page.press("Escape")
    assert page.evaluate(FOCUSED) == first


def test_the_pointer_zooms_and_tells(page: Page) -> None:
    place = "[...document.querySelectorAll('.label b')].find((b) => b.innerText === '{}')"
    box = f"((box) => [box.x + 4, box.y + 4])({place}.getBoundingClientRect())"
    page.click(*page.evaluate(box.format("lib1.so")))
    assert page.evaluate(TRAIL) == "/ > usr > lib"
    page.click(*page.evaluate(box.format("lib2.so")))
    told = page.evaluate(DETAILS)
    assert told.startswith("/usr/lib/lib2.so\n\n439.5 KiB")
    assert "RUN step 1" in told
    page.evaluate("document.querySelector('#trail button').click()")
    assert page.evaluate(TRAIL) == "/"


def test_views_are_all_by_layer_and_wasted(page: Page) -> None:
    tops = "[...document.querySelectorAll('.top')].map((e) => e.getAttribute('aria-label'))"
    page.evaluate("document.querySelector('input[value=all]').focus()")
    page.press("ArrowRight")
    names = [name.partition(",")[0] for name in page.evaluate(tops)]
    assert sorted(names) == ["Layer 1", "Layer 2", "Layer 3", "Layer 4"]
    page.press("ArrowRight")
    names = [name.partition(",")[0] for name in page.evaluate(tops)]
    assert names == ["srv/app", "var/cache/apt"]
    page.evaluate("document.querySelectorAll('.top')[0].focus()")
    page.press("Enter")
    told = page.evaluate(DETAILS)
    assert told.startswith("/srv/app/model\n\n781.3 KiB")
    assert "Replaced in layer 4" in told
    assert "RUN step 4" in told
    page.evaluate("document.querySelector('tr[data-layer=\"1\"] button').click()")
    assert page.evaluate(TRAIL) == "All layers > Layer 2"


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_texts_can_be_read_and_fit_narrow_screens(page: Page, *, dark: bool) -> None:
    page.look(1200, 860, dark=dark)
    background = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (background == "rgb(19, 21, 24)") is dark
    for view in ("wasted", "layers", "all"):
        page.evaluate(f"document.querySelector('input[value={view}]').click()")
        assert page.evaluate(CONTRAST) >= 4.5
    page.evaluate("document.querySelectorAll('.top')[1].focus()")
    focused = page.evaluate(FOCUSED)
    page.look(320, 640, dark=dark)
    edge = "document.querySelector('.stage').lastElementChild.getBoundingClientRect().right"
    page.wait_for(f"{edge} < 320")
    assert page.evaluate("document.documentElement.scrollWidth") <= 320
    assert page.evaluate(FOCUSED) == focused


def test_hostile_names_are_text(browser: Page, tmp_path: Path) -> None:
    made = MemoryImages()
    show(browser, tmp_path / "page.html", hostile_image(made), made)
    markup = (
        "document.querySelectorAll('img, svg, iframe, script, [onload], [onerror]').length"
        " + 100 * document.body.querySelectorAll('script').length"
    )
    before = browser.evaluate(markup)
    assert before == 202
    seen = []
    for view in ("layers", "wasted", "all"):
        browser.evaluate(f"document.querySelector('input[value={view}]').click()")
        for number in range(browser.evaluate("document.querySelectorAll('.top').length")):
            browser.evaluate(f"document.querySelectorAll('.top')[{number}].focus()")
            seen.append(browser.evaluate(DETAILS))
            browser.press("Enter")
            browser.press("Escape")
    told = "".join(seen)
    for name in ("<\\script><script>window.harmed = 1<\\script>", "latin-\\xe9-\\xff", "__proto__"):
        assert name in told
    assert "\\u202e" in told
    assert "\\u2028" in told
    assert SCRIPT in browser.evaluate("document.getElementById('steps').innerText")
    assert browser.evaluate("window.harmed") is None
    assert browser.evaluate(markup) == before
    assert browser.complaints == []
    assert len(browser.requests) == 1
    assert len(NAMES) > 10


def test_the_pages_policy_stops_what_is_not_its_own(browser: Page, tmp_path: Path) -> None:
    """If a name became markup after all, it would do nothing."""
    made = MemoryImages()
    show(browser, tmp_path / "page.html", five_layers(made), made)
    text = (tmp_path / "page.html").read_text("utf-8")
    attack = (
        f"<h1>{SCRIPT}<img src='http://127.0.0.1:1/x'>"
        "<a id='attack' href='#' onclick='window.harmed = 1'>x</a>"
    )
    (tmp_path / "page.html").write_text(text.replace("<h1>", attack), "utf-8")
    browser.open(tmp_path / "page.html")
    browser.wait_for(f"{CELLS} > 0 && document.getElementById('attack') !== null")
    browser.evaluate("document.getElementById('attack').click()")
    assert browser.evaluate("window.harmed") is None
    blocked = "".join(browser.complaints)
    assert "script-src" in blocked
    assert "img-src" in blocked


def test_very_many_files_are_drawn_as_few_cells(browser: Page, tmp_path: Path) -> None:
    made = MemoryImages()
    count = FILE_LIMIT + 5000
    files = (
        layers.file(f"d{number % 40}/e{number % 7}/f{number}", b"x" * (1 + number % 97))
        for number in range(count)
    )
    show(browser, tmp_path / "page.html", made.image(layers.layer(*files)), made)
    assert 20 < browser.evaluate(CELLS) < 5000
    assert f"{count:,} files" in browser.evaluate(DETAILS)
    assert browser.complaints == []
