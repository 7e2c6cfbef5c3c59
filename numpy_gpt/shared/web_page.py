"""A web page that is one file: its style and its program are inside, and it can load nothing from a network."""

from __future__ import annotations

from base64 import b64encode
from hashlib import sha256
from html import escape

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
{body}
<script type="module">{script}</script>
</body>
</html>
"""


def web_page(title: str, body: str, style: str, script: str) -> str:
    """Return a page; its policy allows only this style and this script. Only the title is escaped here."""
    hashes = {"script_hash": policy_hash(script), "style_hash": policy_hash(style)}
    return _PAGE.format(title=escape(title), body=body, style=style, script=script, **hashes)


def policy_hash(text: str) -> str:
    """Return the name by which a page's security policy allows a style or a script that the page contains."""
    return f"sha256-{b64encode(sha256(text.encode()).digest()).decode()}"
