"""The page of growth: without its script it shows the last snapshot and all shares; the slider shows the others."""

from __future__ import annotations

import json
import re
from html import unescape

import numpy as np
import pytest

from gpt_data.errors import UserError
from numpy_gpt.shared.attention.drawing.growth_page import growth_page
from numpy_gpt.shared.attention.drawing.labels import number_text
from numpy_gpt.shared.attention.drawing.page import maps_page
from numpy_gpt.shared.attention.growth import head_growths
from parity_tests.shared.attention.growth_examples import random_growth
from parity_tests.support.browser import accessibility_violations

TEXT = "the <b>cat</b> & the dog"
GROWTH = random_growth(TEXT, layers=2)
PAGE = growth_page(GROWTH)
_SHOWN = """[...document.querySelectorAll("figure")].map((figure) =>
  [...figure.querySelectorAll("tbody td:not(.future)")].map((cell) => [cell.className, cell.textContent]))"""


def _cells(html, head):
    """Return the numbers of a head's map, row by row, without the future."""
    figure = re.findall(r"<figure>.*?</figure>", html, re.DOTALL)[head]
    return re.findall(r'<td class="w(\d+)" title="([^"]*)">([^<]*)</td>', figure)


def test_it_shows_the_last_snapshot_without_its_script():
    past = np.tri(len(GROWTH.maps[0].words), dtype=bool)
    for head, place in enumerate(GROWTH.places):
        weights = GROWTH.maps[-1].weights[place][past]
        wanted = [(str(round(weight * 100)), repr(float(weight)), number_text(weight)) for weight in weights]
        assert _cells(PAGE, head) == wanted
    assert "after step 300: validation loss 2.500 nats per token" in PAGE
    table = PAGE[PAGE.index('<table class="shares">') :]
    for row in head_growths(GROWTH):
        cells = "".join(f'<td class="w{round(share * 100)}">{share:.2f}</td>' for share in row.shares)
        assert f"{row.title}</td>{cells}<td>{row.last.main.even_share:.2f}</td>" in table
    assert "".join(f"<td>{loss:.3f}</td>" for loss in GROWTH.losses) in table


def test_its_data_are_the_weights():
    data = json.loads(re.search(r'id="growth">(.*?)</script>', PAGE, re.DOTALL)[1])
    past = np.tril_indices(len(GROWTH.maps[0].words))
    for maps, weights, shares in zip(GROWTH.maps, data["weights"], data["shares"], strict=True):
        for place, values in zip(GROWTH.places, weights, strict=True):
            assert np.abs(maps.weights[place][past] - values).max() <= 0.5e-6 + 1e-12
        assert len(shares) == 4


def test_text_is_escaped_and_nothing_is_loaded():
    assert "<b>" not in PAGE
    assert "the &lt;b&gt;cat&lt;/b&gt; &amp; the dog" in PAGE
    assert "default-src 'none'" in PAGE
    assert not re.search(r"(?:src|href)=|url\(|https?:|@import|style=", PAGE)
    assert unescape(re.search("<title>(.*?)</title>", PAGE)[1]) == f"How attention grew: {TEXT!r}"


def test_too_many_cells_are_one_line():
    with pytest.raises(UserError, match=r"a web page has room for 2,000,000 cells, and .* choose a --layer, a --head"):
        growth_page(random_growth("a " * 99 + "b", steps=(0, 1), heads=26))


def test_the_slider_shows_each_snapshot_by_keyboard(browser, tmp_path):
    path = tmp_path / "growth.html"
    path.write_text(PAGE, encoding="utf-8")
    page = browser.new_page()
    errors = []
    page.on("console", lambda message: errors.append(message.text))
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto(path.as_uri())
    past = np.tri(len(GROWTH.maps[0].words), dtype=bool)
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.id") == "snapshot"
    page.keyboard.press("Home")
    for number, (step, maps) in enumerate(zip(GROWTH.steps, GROWTH.maps, strict=True)):
        now = f"after step {step:,}: validation loss {GROWTH.losses[number]:.3f} nats per token"
        assert page.locator("#now").inner_text() == now
        assert page.locator("#snapshot").get_attribute("aria-valuetext") == now
        shown = page.evaluate(_SHOWN)
        for cells, place in zip(shown, GROWTH.places, strict=True):
            for (name, text), weight in zip(cells, maps.weights[place][past], strict=True):
                assert abs(int(name[1:]) - 100 * weight) <= 0.5001
                assert abs(float(text) - weight) <= 0.005001
        marked = page.evaluate("[...document.querySelectorAll('.losses g')].map(mark => mark.className.baseVal)")
        assert [place for place, name in enumerate(marked) if name == "now"] == [number]
        page.keyboard.press("ArrowRight")
    assert errors == []
    page.close()


def test_it_can_be_read_without_javascript(browser, tmp_path):
    path = tmp_path / "growth.html"
    path.write_text(PAGE, encoding="utf-8")
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(path.as_uri())
    assert page.locator("#snapshot").is_hidden()
    assert page.locator("noscript").count() == 0 or "Without JavaScript" in page.content()
    context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing(browser, tmp_path, scheme):
    pages = {"growth.html": PAGE, "maps.html": maps_page(GROWTH.maps[-1])}
    for name, html in pages.items():
        (tmp_path / name).write_text(html, encoding="utf-8")
        page = browser.new_page(color_scheme=scheme, bypass_csp=True)
        page.goto((tmp_path / name).as_uri())
        assert accessibility_violations(page) == []
        page.close()
