"""The growth of attention as one web page: a slider over the snapshots sets the numbers and colours of all maps.

Without a script, the page shows the last snapshot, and the share and loss of every snapshot in a table.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from html import escape
from pathlib import Path

import numpy as np

from gpt_data.errors import UserError
from gpt_data.wording import quote
from numpy_gpt.shared.attention.drawing.growth_table import WHAT_SHARES_ARE, heading_of, shown_of
from numpy_gpt.shared.attention.drawing.labels import HOW_TO_READ
from numpy_gpt.shared.attention.drawing.page import colour_rules, map_table
from numpy_gpt.shared.attention.growth import Growth, HeadGrowth, head_growths
from numpy_gpt.shared.web_page import web_page

_HERE = Path(__file__).parent
_MOST_CELLS = 2_000_000  # of all snapshots: about 10 MB
_DECIMALS = 6
_WIDTH, _HEIGHT, _MARGIN = 640, 150, 34  # of the chart, in CSS pixels


def growth_page(growth: Growth) -> str:
    """Return the page as the text of one HTML file.

    Raises
    ------
    UserError
        If there are more cells than a browser can show.
    """
    cells = sum(maps.weights.size for maps in growth.maps)
    if cells > _MOST_CELLS:
        room = f"a web page has room for {_MOST_CELLS:,} cells, and the maps of all snapshots have {cells:,}"
        raise UserError(f"{room}; choose a --layer, a --head or a shorter text")
    style = "".join((_HERE / name).read_text(encoding="utf-8") for name in ("page.css", "growth.css"))
    script = (_HERE / "growth.js").read_text(encoding="utf-8")
    style += "\n".join(colour_rules())
    return web_page(f"How attention grew: {quote(growth.maps[0].text)}", "\n".join(_body(growth)), style, script)


def _body(growth: Growth) -> Iterator[str]:
    rows, last, end = head_growths(growth), len(growth.steps) - 1, growth.maps[-1]
    yield f"<header><h1>{escape(heading_of(growth))}</h1><p>{escape(shown_of(growth))}.</p>"
    yield "<p>Move the slider, with the mouse or the arrow keys: the maps show each head's attention after that many"
    yield f"training steps. {escape(HOW_TO_READ)}, written ·.</p>"
    yield "<noscript><p>Without JavaScript you see the last snapshot; the table below has all.</p></noscript>"
    yield '</header><main><div class="film"><label for="snapshot">Snapshot</label>'
    yield f'<input id="snapshot" type="range" min="0" max="{last}" step="1" value="{last}" hidden>'
    yield f'<output id="now" for="snapshot" aria-live="polite">{_now(growth, last)}</output></div>'
    yield from _chart(growth)
    places = iter(zip(rows, growth.places, strict=True))
    for layer in end.layers:
        yield f'<section><h2>Layer {layer}</h2><div class="heads">'
        for _ in end.heads:
            row, place = next(places)
            yield "<figure>"
            yield from map_table(f"Layer {layer}, head {row.head}", end.words, end.weights[place])
            share = f'<span class="share">{_share(row, last)}</span> of its attention'
            yield f"<figcaption>{escape(row.title)}: {share}</figcaption></figure>"
        yield "</div></section>"
    yield from _table(growth, rows)
    yield f'</main><script type="application/json" id="growth">{_embed(growth, rows)}</script>'


def _now(growth: Growth, place: int) -> str:
    return f"after step {growth.steps[place]:,}: validation loss {growth.losses[place]:.3f} nats per token"


def _share(row: HeadGrowth, place: int) -> str:
    return f"{row.shares[place]:.2f}" if row.shares else "1.00"


def _chart(growth: Growth) -> Iterator[str]:
    """Yield the curve of losses as a picture in lines; steps lie on a logarithmic scale, with 0 to the left of 1."""
    steps = np.array([step for step, _ in growth.curve], float)
    losses = np.array([loss for _, loss in growth.curve])
    low, high = losses.min(), losses.max()
    end = np.log10(max(steps.max(), 1)) + 1

    def place(step: float, loss: float) -> tuple[float, float]:
        across = (np.log10(step) + 1 if step >= 1 else 0) / end
        down = 1 - (loss - low) / ((high - low) or 1)
        return round(_MARGIN + across * (_WIDTH - 2 * _MARGIN), 1), round(18 + down * (_HEIGHT - 56), 1)

    line = " ".join(f"{x},{y}" for x, y in (place(*point) for point in growth.curve))
    what = f"validation loss in nats per token, from {growth.losses[0]:.2f} to {growth.losses[-1]:.2f}"
    yield f'<svg class="losses" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{what}">'
    yield f'<polyline points="{line}"/>'
    for number, (step, loss) in enumerate(zip(growth.steps, growth.losses, strict=True)):
        x, y = place(step, loss)
        mark = ' class="now"' if number == len(growth.steps) - 1 else ""
        yield f'<g{mark}><circle cx="{x}" cy="{y}" r="5"/><text x="{x}" y="{y - 9}">{loss:.2f}</text>'
        yield f'<text x="{x}" y="{_HEIGHT - 20}">{step:,}</text></g>'
    yield f'<text x="{_WIDTH / 2}" y="{_HEIGHT - 4}">training step, on a logarithmic scale from 1</text></svg>'


def _table(growth: Growth, rows: list[HeadGrowth]) -> Iterator[str]:
    steps = "".join(f'<th scope="col">{step:,}</th>' for step in growth.steps)
    yield '<section><h2>All snapshots</h2><div class="scroll"><table class="shares"><caption>'
    yield f"{escape(WHAT_SHARES_ARE)}</caption>"
    titles = '<th scope="col">after step</th><th scope="col">target</th>'
    yield f'<thead><tr>{titles}{steps}<th scope="col">even</th></tr></thead>'
    losses = "".join(f"<td>{loss:.3f}</td>" for loss in growth.losses)
    yield f'<tbody><tr><th scope="row">validation loss</th><td></td>{losses}<td></td></tr>'
    for row in rows:
        shares = "".join(f'<td class="w{round(share * 100)}">{share:.2f}</td>' for share in row.shares)
        even = "" if row.last.main is None else f"{row.last.main.even_share:.2f}"
        name = f"layer {row.layer}, head {row.head}"
        shares = shares or "<td></td>" * len(growth.steps)
        yield f'<tr><th scope="row">{name}</th><td>{escape(row.title)}</td>{shares}<td>{even}</td></tr>'
    yield "</tbody></table></div></section>"


def _embed(growth: Growth, rows: list[HeadGrowth]) -> str:
    """Return what the script needs as JSON: for each snapshot and head, the weights of the past, row by row."""
    past = np.tril_indices(len(growth.maps[0].words))
    weights = [
        [np.asarray(maps.weights[place][past], float).round(_DECIMALS).tolist() for place in growth.places]
        for maps in growth.maps
    ]
    shares = [[_share(row, number) for row in rows] for number in range(len(growth.steps))]
    texts = [_now(growth, number) for number in range(len(growth.steps))]
    return json.dumps({"texts": texts, "shares": shares, "weights": weights}, separators=(",", ":"))
