"""What the two pages share: the head of the HTML file, data inside it, and the texts of ``text.json``."""

import json
from html import escape
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent

#: All words of the live page, and those of both pages about kinds of layers. A page in another language needs this
#: table in that language.
TEXT = json.loads((HERE / "text.json").read_text(encoding="utf-8"))

_HEAD = """<!DOCTYPE html>
<html lang="{language}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<title>{title}</title>
<style>
{css}</style>
</head>
"""


def head(title: str, policy: str, css: str) -> str:
    """An HTML file up to its body. ``policy``: what the browser may load and run; ``title`` is escaped here."""
    return _HEAD.format(language=TEXT["language"], policy=policy, title=escape(title), css=css)


def embedded(data: Any) -> str:
    """JSON for a script element: no text inside can end the element."""
    return json.dumps(data, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c")
