"""All maps as one web page: a table of numbers for each head, with the exact weight of the cell at hand below it."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape
from pathlib import Path

from gpt_data.errors import UserError
from gpt_data.wording import quote
from numpy_gpt.shared.attention.drawing.labels import HOW_TO_READ, heading_of, number_text, source_of
from numpy_gpt.shared.attention.drawing.palette import colour_of, is_dark, to_hex
from numpy_gpt.shared.attention.maps import AttentionMaps
from numpy_gpt.shared.attention.sentences import measure_heads
from numpy_gpt.shared.model.arrays import Array
from numpy_gpt.shared.web_page import web_page

_HERE = Path(__file__).parent
_LEVELS = 100  # of colour
_MOST_CELLS = 200_000  # browsers take seconds for more
_MOST_IN_NOTEBOOK = 20_000  # which stores them in its file


def maps_page(maps: AttentionMaps) -> str:
    """Return the page as the text of one HTML file.

    Raises
    ------
    UserError
        If there are more cells than a browser can show.
    """
    if maps.weights.size > _MOST_CELLS:
        cells = f"a web page has room for {_MOST_CELLS:,} cells, and these maps have {maps.weights.size:,}"
        raise UserError(f"{cells}; choose a --layer, a --head or a shorter text")
    script = (_HERE / "page.js").read_text(encoding="utf-8")
    return web_page(f"Attention in {quote(maps.text)}", "\n".join(_body(maps)), _style(), script)


def maps_fragment(maps: AttentionMaps) -> str:
    """Return the maps as one element without a program, for a notebook; of too many cells only the sentences."""
    heading = f"<p><b>{escape(heading_of(maps))}</b> ({escape(source_of(maps))})</p>"
    if maps.weights.size > _MOST_IN_NOTEBOOK:
        return f"<div>{heading}{''.join(_sentences(maps))}</div>"
    reading = f"<p>{HOW_TO_READ}, written ·. The exact weight appears when the mouse rests on a cell.</p>"
    # The page's rules are for whole documents: here they hold inside this element only.
    style = f"<style>@scope (.attention-maps) {{{_style()}}}</style>"
    return f'<div class="attention-maps">{style}{heading}{reading}{"".join(_maps(maps))}</div>'


def _sentences(maps: AttentionMaps) -> Iterator[str]:
    for layer, measured in zip(maps.layers, measure_heads(maps), strict=True):
        for head, measurement in zip(maps.heads, measured, strict=True):
            yield f"<p>Layer {layer}, head {head}: {escape(measurement.sentence())}</p>"


def _style() -> str:
    return (_HERE / "page.css").read_text(encoding="utf-8") + "\n".join(colour_rules())


def colour_rules() -> Iterator[str]:
    """Yield the colours of a hundred and one weights, on paper and on a dark screen."""
    for dark in (False, True):
        rules = []
        for level in range(_LEVELS + 1):
            colour = colour_of(level / _LEVELS, dark=dark)
            ink = "#fff" if is_dark(colour) else "#000"
            rules.append(f".w{level} {{ background: {to_hex(colour)}; color: {ink}; }}")
        yield from ("@media (prefers-color-scheme: dark) {", *rules, "}") if dark else rules


def _body(maps: AttentionMaps) -> Iterator[str]:
    yield f"<header><h1>{escape(heading_of(maps))}</h1>"
    yield f"<p>{escape(source_of(maps))}</p>"
    yield f"<p>{HOW_TO_READ}, written ·. A cell is rounded to two decimals; its exact weight is shown below the map for"
    yield "the cell under the mouse or, with Tab and the arrow keys, the chosen one. The sentence under each map is a"
    yield "measurement of this text, not a role of the head in general.</p>"
    steps = "".join(f'<span class="w{level}">{number_text(level / _LEVELS)}</span>' for level in range(0, 101, 10))
    yield f'<p class="legend" role="img" aria-label="colours of the weights from 0 to 1">{steps}</p></header>'
    yield "<main>"
    yield from _maps(maps)
    yield "</main>"


def _maps(maps: AttentionMaps) -> Iterator[str]:
    for layer, weights, measured in zip(maps.layers, maps.weights, measure_heads(maps), strict=True):
        yield f'<section><h2>Layer {layer}</h2><div class="heads">'
        for head, matrix, measurement in zip(maps.heads, weights, measured, strict=True):
            yield "<figure>"
            yield from map_table(f"Layer {layer}, head {head}", maps.words, matrix)
            yield f'<figcaption>{escape(measurement.sentence())}</figcaption><p class="exact" aria-live="polite"></p>'
            yield "</figure>"
        yield "</div></section>"


def map_table(name: str, words: tuple[str, ...], weights: Array) -> Iterator[str]:
    """Yield a map as a table; the cells of the past, row by row, have a class for their colour."""
    shown = [escape(word) for word in words]
    headings = "".join(
        f'<th scope="col">{f"<span>{text}</span>" if len(word) > 1 else text}</th>'
        for word, text in zip(words, shown, strict=True)
    )
    yield f'<div class="scroll"><table><caption>{name}</caption><thead><tr><td></td>{headings}</tr></thead><tbody>'
    for query, word in enumerate(shown):
        row = [float(weight) for weight in weights[query, : query + 1]]
        cells = "".join(
            f'<td class="w{round(weight * _LEVELS)}" title="{weight!r}">{number_text(weight)}</td>' for weight in row
        )
        future = '<td class="future">·</td>' * (len(words) - query - 1)
        yield f'<tr><th scope="row">{word}</th>{cells}{future}</tr>'
    yield "</tbody></table></div>"
