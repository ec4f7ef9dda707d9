"""HTML elements with escaped content, shared by reports and notebook views.

Only :func:`element` turns text into HTML, so that no text from a user, such as a run's name or a log, becomes markup.
"""

import html
import math
import re
from collections.abc import Iterable, Sequence

# Terminal codes for colours and cursor movements, and characters that are invalid in HTML.
_CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|[\x00-\x08\x0b-\x1f\x7f]")
_WITHOUT_END = {"img", "link", "meta"}
_SUPERSCRIPT = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
_DIGITS = 4  # significant digits that are shown


class Html(str):
    """Text that is HTML already and is not escaped again."""

    __slots__ = ()


def escape(text: object) -> Html:
    """Return text as escaped HTML; return HTML unchanged.

    Examples
    --------
    >>> escape("3 < 5"), escape(Html("<hr>"))
    ('3 &lt; 5', '<hr>')
    """
    return text if isinstance(text, Html) else Html(html.escape(_CONTROL.sub("", str(text))))


def join(parts: Iterable[object]) -> Html:
    """Concatenate texts and HTML."""
    return Html("".join(map(escape, parts)))


def element(name: str, *content: object, **attributes: object) -> Html:
    """Return one element of HTML or SVG.

    Parameters
    ----------
    name : str
        Tag name of the element.
    *content : object
        Content of the element, escaped unless it is :class:`Html`.
    **attributes : object
        Attributes, escaped too; ``class_`` means ``class``, ``stroke_width`` means ``stroke-width``; None is left out.

    Examples
    --------
    >>> element("td", "a < b", class_="number", title=None)
    '<td class="number">a &lt; b</td>'
    """
    given = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escape(value)}"'
        for key, value in attributes.items()
        if value is not None
    )
    return Html(f"<{name}{given}>" if name in _WITHOUT_END else f"<{name}{given}>{join(content)}</{name}>")


def table(headers: Sequence[str], rows: Iterable[Sequence[object]], **attributes: object) -> Html:
    """Return a table; a header that begins with ``>`` makes a column of numbers, aligned to the right.

    Examples
    --------
    >>> table(["class", ">count"], [["zero", 42]])
    '<table><thead><tr><th>class</th><th class="number">count</th></tr></thead>...'
    """
    kinds = ["number" if header.startswith(">") else None for header in headers]
    head = [element("th", header.removeprefix(">"), class_=kind) for header, kind in zip(headers, kinds, strict=True)]
    body = [
        element("tr", *(element("td", cell, class_=kind) for cell, kind in zip(row, kinds, strict=True)))
        for row in rows
    ]
    return element("table", element("thead", element("tr", *head)), element("tbody", *body), **attributes)


def facts(pairs: Iterable[tuple[object, object]], **attributes: object) -> Html:
    """Return a table of two columns, names and values."""
    rows = [element("tr", element("th", name, scope="row"), element("td", value)) for name, value in pairs]
    return element("table", element("tbody", *rows), **attributes)


def number(value: float) -> str:
    """Format a number with four significant digits and thousands separators.

    Examples
    --------
    >>> number(70000), number(0.5), number(1234.567), number(0.0000123)
    ('70,000', '0.5', '1,235', '1.23×10⁻⁵')
    """
    if not math.isfinite(value):
        return f"{value:g}"
    if value == round(value) and abs(value) < 1e7:
        return f"{value:,.0f}"
    if 1e-4 <= abs(value) < 1e7:
        decimals = max(0, _DIGITS - 1 - math.floor(math.log10(abs(value))))
        text = f"{value:,.{decimals}f}"
        return text.rstrip("0").rstrip(".") if decimals else text
    mantissa, exponent = f"{value:.2e}".split("e")
    power = f"10{str(int(exponent)).translate(_SUPERSCRIPT)}"
    mantissa = mantissa.rstrip("0").rstrip(".")
    return power if mantissa == "1" else f"{mantissa}×{power}"


def percent(share: float) -> str:
    """Format a fraction in percent, with two decimals.

    Examples
    --------
    >>> percent(0.92614)
    '92.61%'
    """
    return f"{share:.2%}"


def duration(seconds: float) -> str:
    """Format a duration in readable units.

    Examples
    --------
    >>> duration(0.042), duration(3.14), duration(75), duration(7380)
    ('42 ms', '3.1 s', '1 min 15 s', '2 h 3 min')
    """
    if seconds < 1:
        return f"{1000 * seconds:.0f} ms"
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, left = divmod(round(seconds), 60)
    return f"{minutes} min {left} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"
