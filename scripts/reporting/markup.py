"""Pieces of HTML: every text that comes from outside passes `text`, every figure carries its exact value."""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence
from pathlib import Path

STYLE = Path(__file__).with_name("page.css")
NOTHING = "–"  # noqa: RUF001  a cell without a figure
# The browser itself is told that nothing may be fetched.
POLICY = "default-src 'none'; style-src 'unsafe-inline'"


def text(value: object) -> str:
    """`value` as text between tags or in a quoted attribute.

    Control characters, which HTML has not, and halves of a surrogate pair, which UTF-8 has not, become ?.
    """
    shown = str(value).replace("\x7f", "?").encode(errors="replace").decode()
    shown = "".join(char if char >= " " or char in "\n\t" else "?" for char in shown)
    return html.escape(shown, quote=True)


def figure(value: float | None, shown: str = "") -> str:
    """A number, thousands apart, or `shown`; its exact value stands in the tag."""
    if value is None:
        return NOTHING
    return f'<data value="{value!r}">{text(shown) if shown else f"{value:,}"}</data>'


def percent(value: float | None, digits: int = 2) -> str:
    """A fraction as per cent."""
    return figure(value, "" if value is None else f"{value:.{digits}%}")


def badge(verdict: bool | None, words: str = "") -> str:
    """A verdict as mark and word, so that it can be told without colours."""
    kind, mark, told = {
        True: ("pass", "✓", "pass"),
        False: ("fail", "✗", "FAIL"),
        None: ("none", "○", "not judged"),
    }[verdict]
    return f'<span class="badge {kind}">{mark} {text(words or told)}</span>'


def code(command: str) -> str:
    """A command or a name."""
    return f"<code>{text(command)}</code>"


def missing(lines: Iterable[tuple[str, str]]) -> str:
    """The results that are not there: (what, make line)."""
    items = "".join(f"<li>{text(what)}: {code(make)}</li>" for what, make in lines)
    return f'<div class="box missing"><p>No result yet. This makes it:</p><ul>{items}</ul></div>' if items else ""


def unreadable(problem: str) -> str:
    """A result that is there and cannot be used."""
    return f'<div class="box broken"><p>{badge(False, "UNREADABLE")} {text(problem)}</p></div>'


def table(
    label: str, head: Sequence[str], rows: Iterable[Sequence[str]], foot: Sequence[str] = (), left: int = 1
) -> str:
    """A table in a box of its own that scrolls; cells are HTML, the first `left` columns texts, the others figures."""

    def line(cells: Sequence[str], tag: str) -> str:
        kinds = ["" if index < left else ' class="n"' for index in range(len(cells))]
        first = '<th scope="row">' if tag == "td" else "<th>"
        parts = [
            f"{first}{cell}</th>" if not index else f"<{tag}{kinds[index]}>{cell}</{tag}>"
            for index, cell in enumerate(cells)
        ]
        return f"<tr>{''.join(parts)}</tr>"

    body = "".join(line(row, "td") for row in rows)
    wide = ' class="wide"' if left == len(head) else ""
    end = f"<tfoot>{line(foot, 'td')}</tfoot>" if foot else ""
    return (
        f'<div class="scroll" tabindex="0" role="region" aria-label="{text(label)}"><table{wide}>'
        f"<thead>{line(head, 'th')}</thead><tbody>{body}</tbody>{end}</table></div>"
    )


def note(content: str) -> str:
    """A small paragraph; `content` is HTML."""
    return f'<p class="note">{content}</p>'


def chart(title: str, svg: str, caption: str = "", legend: Sequence[tuple[str, str]] = ()) -> str:
    """A picture with its heading; `legend` pairs a class of the style sheet with its meaning, `caption` is HTML."""
    keys = "".join(f'<li><span class="key {kind}"></span>{text(words)}</li>' for kind, words in legend)
    keys = f'<ul class="legend">{keys}</ul>' if keys else ""
    told = f"<figcaption>{caption}</figcaption>" if caption else ""
    return f'<figure class="chart"><h4>{text(title)}</h4>{keys}{svg}{told}</figure>'


def charts(*pictures: str) -> str:
    """Pictures side by side where there is room."""
    return f'<div class="charts">{"".join(pictures)}</div>' if any(pictures) else ""


def page(title: str, lead: str, tiles: str, sections: Sequence[tuple[str, str, str]]) -> str:
    """The whole page; `sections` are (anchor, heading, HTML), `lead` and `tiles` are HTML."""
    links = "".join(f'<a href="#{anchor}">{text(head)}</a>' for anchor, head, _ in sections)
    body = "".join(
        f'<section id="{anchor}"><h2>{text(head)}</h2>{content}</section>\n' for anchor, head, content in sections
    )
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{text(POLICY)}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="color-scheme" content="light dark">\n'
        f"<title>{text(title)}</title>\n<style>\n{STYLE.read_text(encoding='utf-8')}</style>\n</head>\n<body>\n"
        f"<header><h1>{text(title)}</h1>{lead}</header>\n<nav>{links}</nav>\n<main>\n"
        f'<div class="tiles">{tiles}</div>\n{body}</main>\n</body>\n</html>\n'
    )


def tile(label: str, value: str, below: str, state: str = "") -> str:
    """A figure of the summary; `value` and `below` are HTML, `state` is "", "fail" or "none"."""
    return (
        f'<div class="tile {state}"><div class="label">{text(label)}</div>'
        f'<div class="value">{value}</div><div class="below">{below}</div></div>'
    )
