"""Write a trace as one web page that needs nothing else: its program, its style and its data are inside the file.

The page works everything out itself, from the weights and the words that it carries. Nothing can be loaded from a
network: the page's security policy allows only the two texts that are in it.
"""

from __future__ import annotations

import json
from base64 import b64encode
from hashlib import sha256
from html import escape
from typing import Any

from handcalc.formulas.attribution import attribution_steps, parts_of
from handcalc.page.stated_facts import write_shape
from handcalc.page.web_data import step_data, web_data
from handcalc.page.web_script import WEB, web_script
from handcalc.tracing.trace import Trace
from numpy_gpt.shared.model.config import GPTConfig
from numpy_gpt.shared.model.names import parameter_count

DERIVATIONS = "derivations.md"
"""Where the page looks for the derivations: beside itself, as in docs/."""

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
<a class="skip" href="#answer">Skip to the answer</a>
<div id="changes" role="region" aria-label="Your changes" hidden></div>
<div class="layout">
<main>
<header class="page">
<h1>A GPT, by hand</h1>
<p>{intro}</p>
<noscript><p>This page computes its numbers itself, and needs JavaScript. Without it, read the trace as text:
<code>python -m handcalc.trace</code>.</p></noscript>
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


def html_page(trace: Trace) -> str:
    """Return the page of a trace as the text of one HTML file."""
    style = (WEB / "style.css").read_text(encoding="utf-8")
    script = web_script("main.js")
    return _PAGE.format(
        script_hash=_policy_hash(script),
        style_hash=_policy_hash(style),
        title=escape(f"“{trace.text}” through a GPT, by hand"),
        style=style,
        intro=escape(_intro(trace)),
        data=_embed(page_data(trace)),
        script=script,
    )


def page_data(trace: Trace) -> dict[str, Any]:
    """Return what the page carries: the data of the trace, and the words of the attribution of logits."""
    config, sizes = trace.plan.config, trace.plan.sizes
    attribution = list(attribution_steps(config, sizes))
    axes = {step.name: step.axes for step in attribution}
    data = web_data(trace)
    return data | {
        "steps": [*data["steps"], *(step_data(step) for step in attribution)],
        "parts": [part._asdict() | {"axes": axes[part.name]} for part in parts_of(config)],
        "derivations": DERIVATIONS,
    }


def _intro(trace: Trace) -> str:
    config: GPTConfig = trace.plan.config
    shape = write_shape(config, space=" " in trace.vocabulary)
    return (
        f"The model {trace.model} reads “{trace.text}” and predicts each next word. It has "
        f"{parameter_count(config):,} weights: {shape} Every number on this page is worked out from these weights, as on a "
        f"pocket calculator with {trace.plan.digits} digits: click one to see its arithmetic, click a weight to change it."
    )


def _policy_hash(text: str) -> str:
    return f"sha256-{b64encode(sha256(text.encode()).digest()).decode()}"


def _embed(data: dict[str, Any]) -> str:
    """Return data as JSON that cannot end the element it stands in."""
    return json.dumps(data, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c")
