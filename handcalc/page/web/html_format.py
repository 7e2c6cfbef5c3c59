"""Write a trace as one web page that needs nothing else: its program, its style and its data are inside the file.

The page works everything out itself, from the weights and the words that it carries. Nothing can be loaded from a
network: the page's security policy allows only the two texts that are in it.
"""

from __future__ import annotations

import json
import re
from html import escape
from os.path import relpath
from pathlib import Path
from typing import Any
from urllib.parse import quote
from zlib import crc32

from gpt_data.wording import count_of, make_visible, show_text
from handcalc.arithmetic.expression import Numbers
from handcalc.arithmetic.writing import cell_label, format_number
from handcalc.formulas.attribution import attribution_steps, parts_of
from handcalc.formulas.head import head_matrix
from handcalc.formulas.step import Step
from handcalc.page.stated_facts import write_changes, write_shape
from handcalc.page.web.web_data import step_data, web_data
from handcalc.page.web.web_script import WEB, web_script
from handcalc.tracing.trace import Trace, extend
from numpy_gpt.shared.model.config_checks import require_gpt
from numpy_gpt.shared.model.names import parameter_count
from numpy_gpt.shared.web_page import policy_hash

_DERIVATIONS = Path(__file__).parents[3] / "docs" / "derivations.md"

_PAGE = """\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy"
 content="default-src 'none'; script-src '{script_hash}'; style-src '{style_hash}'">
<title>{title}</title>
<style>{style}</style>
</head>
<body>
<nav aria-label="Skip">
<a class="skip" href="#changes">Skip to your changes</a>
<a class="skip" href="#answer">Skip to the answer</a>
<a class="skip" href="#why">Skip to why</a>
<a class="skip" href="#map">Skip to the map</a>
<a class="skip" href="#attention">Skip to attention</a>
<a class="skip" href="#learning">Skip to learning</a>
<a class="skip" href="#steps">Skip to every step</a>
</nav>
<p id="announcement" class="unseen" aria-live="polite"></p>
<div id="changes" role="region" aria-label="Your changes" hidden></div>
<div class="layout">
<main>
<header class="page">
<h1 id="title" tabindex="-1">A GPT, by hand</h1>
{intro}
<noscript><p>This page computes its numbers itself, and needs JavaScript. Without it, read the trace as text:
<code>python -m handcalc.trace</code>.</p></noscript>
<p id="comparison"></p>
</header>
<section id="answer" aria-label="What comes next"></section>
<section id="why" aria-label="Why"></section>
<section id="map" aria-label="A map of the model"></section>
<section id="attention" aria-label="Attention"></section>
<section id="learning" aria-label="Learning"></section>
<section id="steps" aria-label="Every step"></section>
</main>
<aside id="line" aria-labelledby="line-title" hidden></aside>
</div>
<script type="application/json" id="trace">{data}</script>
<script type="module">{script}</script>
</body>
</html>
"""


def html_page(trace: Trace, output: str | None = None) -> str:
    """Return the page of a trace as the text of one HTML file; links to the derivations start from ``output``'s place.

    The derivations are in a checkout, but not in an installed package; without them the page has no such links.
    """
    style = (WEB / "style.css").read_text(encoding="utf-8")
    script = web_script("main.js")
    return _PAGE.format(
        script_hash=policy_hash(script),
        style_hash=policy_hash(style),
        title=escape(f"“{show_text(trace.text)}” through a GPT, by hand"),
        style=style,
        intro=_intro(trace),
        data=_embed(page_data(trace) | {"derivations": _chapters(output)}),
        script=script,
    )


def page_data(trace: Trace) -> dict[str, Any]:
    """Return what the page carries: the data of the trace, and the words of the attribution of logits.

    ``checksum`` is that of all numbers as Python computes them, ``name[index]=value`` line by line.
    """
    config, sizes = require_gpt(trace.plan.config), trace.plan.sizes
    attribution = list(attribution_steps(config, sizes))
    numbers = extend(trace, attribution).numbers
    axes = {step.name: step.axes for step in attribution}
    data = web_data(trace)
    return data | {
        "steps": [*data["steps"], *(step_data(step) for step in attribution)],
        "parts": [part._asdict() | {"axes": axes[part.name]} for part in parts_of(config)],
        "checksum": _checksum(numbers, [*trace.plan.steps, *attribution]),
    }


def _checksum(numbers: Numbers, steps: list[Step]) -> dict[str, int]:
    lines = [
        f"{cell_label(step.name, index)}={format_number(value)}"
        for step in steps
        for index, value in numbers[step.name].items()
    ]
    return {"count": len(lines), "crc32": crc32("\n".join(lines).encode())}


def _chapters(output: str | None) -> dict[str, str]:
    """Return the link to each chapter of the derivations, by its number; none if they are not there."""
    if output is None or not _DERIVATIONS.is_file():
        return {}
    try:
        path = Path(relpath(_DERIVATIONS, Path(output).absolute().parent)).as_posix()
    except ValueError:  # on another drive
        return {}
    headings = re.findall(r"^## (([0-9]+) .*)$", _DERIVATIONS.read_text(encoding="utf-8"), re.MULTILINE)
    return {number: f"{quote(path)}#{heading.lower().replace(' ', '-')}" for heading, number in headings}


def _intro(trace: Trace) -> str:
    """Return what the page is, how to use it, and the sizes of the model, as HTML."""
    words, changes = trace.vocabulary, write_changes(trace.changes)
    weights = f"{parameter_count(trace.plan.config):,}"
    unit = "character" if all(len(word) == 1 for word in words) else "word"
    space = f" ␣ stands for the space, which counts as a {unit}." * (" " in words)
    weight, word = _weight_to_try(trace)
    what = (
        f"This page runs a very small language model, called ‘{show_text(trace.model)}’ and built like GPT. It "
        f"reads “{show_text(trace.text)}” and predicts each next {unit}.{space} All that it knows is in {weights} "
        "numbers, its weights."
    )
    how = (
        "Every number on this page is worked out from the weights, as on a pocket calculator with "
        f"{count_of(trace.plan.digits, 'digit')}: click one to see its arithmetic, and click a weight to change it. "
        "For example, set "
    )
    link = f'<a href="#{weight}">{weight}</a>'
    example = f", a number of the {unit} “{make_visible(word)}”, to 0. {changes}".rstrip()
    shape = write_shape(trace.plan.config, space=" " in words)
    return (
        f"<p>{escape(what)}</p>\n<p>{escape(how)}{link}{escape(example)}</p>\n"
        f"<details><summary>The sizes of the model</summary><p>{escape(shape[0].upper() + shape[1:])}</p></details>"
    )


def _weight_to_try(trace: Trace) -> tuple[str, str]:
    """Return a weight that matters, the first of the likeliest next word's vector that is not 0, and that word."""
    last = len(trace.plan.tokens) - 1
    count = len(trace.vocabulary)
    word = max(range(count), key=lambda word: trace.numbers["probabilities"][last, word])
    matrix = head_matrix(require_gpt(trace.plan.config))
    channels = range(trace.plan.sizes.c)
    channel = next((c for c in channels if trace.numbers[matrix][word, c]), 0)
    return cell_label(matrix, (word, channel)), trace.vocabulary[word]


def _embed(data: dict[str, Any]) -> str:
    """Return data as JSON that cannot end the element it stands in."""
    return json.dumps(data, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c")
