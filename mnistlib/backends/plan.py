"""What submitting a job would do, said before it is done."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What submitting a job would do.

    Attributes
    ----------
    backend : str
        Where.
    steps : sequence of str
        What would be created, sent and run, in order, in words.
    shipped : mapping of str to int
        Files that would be sent as source, with their bytes.
    data : mapping of str to int
        Files of the data set that would be sent unless they are there, with their bytes.
    command : str
        What the node would run; empty where that is this process.
    environment : str
        The specification of the node's Python environment, as a conda file; empty where that is this process's.
    """

    backend: str
    steps: Sequence[str]
    shipped: Mapping[str, int] = field(default_factory=dict)
    data: Mapping[str, int] = field(default_factory=dict)
    command: str = ""
    environment: str = ""

    def __str__(self) -> str:
        return "\n".join([f"on {self.backend}:", *(f"  {number}. {step}" for number, step in enumerate(self.steps, 1))])
