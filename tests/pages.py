"""What the tests of the page share: figures of their own, and a reader of the HTML."""

from __future__ import annotations

import base64
import gzip
import json
import re
from html.parser import HTMLParser

HOSTILE = "<img src=x onerror=window.injected=1><script>window.injected=1</script>"


class PlotLike:
    """A plot of one cell, with the attributes that the page reads."""

    def __init__(self, section, choice, name, value):
        self.section, self.part, self.choice = section, "domainnet, clip", choice
        self.title, self.caption, self.alt = f"Matrix of {name}", "Read it so.", f"{name}: {value} on north"
        hover = "%{x}: %{z}<extra></extra>"
        trace = {"type": "heatmap", "x": ["north"], "y": ["end"], "z": [[value]], "hovertemplate": hover}
        self.figure = {"data": [trace], "layout": {}}
        self.header, self.cells = ("domain", "accuracy"), [("north", value)]


def plots_for_tests(report):
    """Two figures to choose from and one alone."""
    return [
        PlotLike("matrix", "lora, agnostic", "lora", 0.1),
        PlotLike("matrix", "selora, given", "selora", 0.9),
        PlotLike("stream", "", "stream", 0.5),
    ]


def data_of(html):
    """The packed data of a page."""
    packed = re.search(r'<script type="text/plain" id="data">([^<]+)</script>', html)[1]
    return json.loads(gzip.decompress(base64.b64decode(packed)))


class Reader(HTMLParser):
    """Tags, addresses that would be fetched, and rows of the leaderboard's tables as text."""

    def __init__(self, html):
        super().__init__()
        self.tags, self.fetched, self.titles, self.tables = [], [], [], []
        self.table = self.inside = None
        self.feed(html)

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        self.tags.append((tag, attributes))
        self.fetched += [v for k, v in attributes.items() if k == "src" or (k == "href" and tag == "link")]
        if tag == "table":
            self.table = [] if attributes.get("class") == "leaderboard" else None
            self.tables += [] if self.table is None else [self.table]
        if self.table is not None and tag == "tr":
            self.table.append([])
        if self.table is not None and tag in ("td", "th"):
            self.table[-1].append("")
        self.inside = tag if tag in ("td", "th", "h4") else self.inside

    def handle_endtag(self, tag):
        self.inside = None if tag in ("td", "th", "h4") else self.inside

    def handle_data(self, text):
        if self.inside in ("td", "th") and self.table is not None:
            self.table[-1][-1] = " ".join(f"{self.table[-1][-1]} {text}".split())
        if self.inside == "h4":
            self.titles.append(text.strip())
