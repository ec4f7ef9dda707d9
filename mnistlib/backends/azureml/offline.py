"""Metrics of a script that uses azureml-core outside of a workspace, where the SDK only prints them."""

import re
from collections.abc import Iterator

# A number, or a list of numbers, on the line after the name.
_PRINTED = re.compile(r"^Attempted to log (?:scalar|list) metric (.+):\n(.+)$", re.MULTILINE)


def printed_metrics(output: str) -> Iterator[tuple[str, str]]:
    r"""Yield the metrics in the output of a script; see `mnistlib.runs.context.MetricReader`.

    Examples
    --------
    >>> list(printed_metrics("Attempted to log list metric loss:\n[3, 2]\n"))
    [('loss', '3'), ('loss', ' 2')]
    """
    for name, printed in _PRINTED.findall(output):
        for value in printed.strip("[]").split(","):
            yield name, value
