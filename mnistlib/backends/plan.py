"""Plan of a submission."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True, kw_only=True)
class Plan:
    """The steps that submitting a job would take.

    Attributes
    ----------
    backend : str
        The backend, as text.
    steps : sequence of str
        Descriptions of the steps, in order.
    shipped : mapping of str to int
        Source files to send, with their sizes in bytes.
    data : mapping of str to int
        Files of the data set to send unless they are already there, with their sizes in bytes.
    command : str
        Command of the node; empty if the job runs on this machine.
    environment : str
        Conda file of the node's Python environment; empty if the job runs on this machine.
    """

    backend: str
    steps: Sequence[str]
    shipped: Mapping[str, int] = field(default_factory=dict)
    data: Mapping[str, int] = field(default_factory=dict)
    command: str = ""
    environment: str = ""

    def __str__(self) -> str:
        return "\n".join([f"on {self.backend}:", *(f"  {number}. {step}" for number, step in enumerate(self.steps, 1))])
