"""The words of a mail that is HTML. Imported with the first of them: lxml takes its memory."""

import re

import html_text
from lxml import etree
from lxml.html import HtmlElement

_LONGEST_HTML = 2_000_000

_QUOTES = (
    '//*[contains(concat(" ", @class, " "), " gmail_quote ")]',
    '//blockquote[@type="cite"]',
    '//*[@class="moz-cite-prefix"]',
    '//*[@id="appendonsend"]/following-sibling::*',
    '//*[@id="divRplyFwdMsg" or @id="x_divRplyFwdMsg"]/following-sibling::*',
    '//*[@id="divRplyFwdMsg" or @id="x_divRplyFwdMsg"]',
    '//*[@id="mail-editor-reference-message-container"]',
    '//*[contains(@class, "yahoo_quoted")]',
)
"""How Gmail, Apple Mail, Thunderbird, Outlook and Yahoo mark what is quoted."""


def text_of_html(source: str) -> str:
    """What HTML shows."""
    return _shown_by(source[:_LONGEST_HTML], fold=False)[0]


def new_text_of_html(source: str) -> tuple[str, bool]:
    """The same without what the usual programs mark as quoted, and whether they did; all of it,
    where nothing would be left."""
    source = source[:_LONGEST_HTML]
    text, folded = _shown_by(source, fold=True)
    return (text, folded) if text.strip() or not folded else (text_of_html(source), False)


def _shown_by(source: str, *, fold: bool) -> tuple[str, bool]:
    try:
        tree = html_text.parse_html(source)
        if tree is None:
            return "", False
        folded = fold and _drop_quotes(tree)
        return str(html_text.etree_to_text(html_text.cleaner.clean_html(tree))), folded
    except (etree.LxmlError, ValueError, RecursionError, AssertionError):
        return re.sub(r"<[^<>]*>", " ", source), False


def _drop_quotes(tree: HtmlElement) -> bool:
    """Whether there were any."""
    dropped = False
    for query in _QUOTES:
        found = tree.xpath(query)
        for element in found if isinstance(found, list) else ():
            if isinstance(element, HtmlElement) and element.getparent() is not None:
                element.drop_tree()
                dropped = True
    return dropped
