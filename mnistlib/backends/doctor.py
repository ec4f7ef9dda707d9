"""Whether a backend is ready for its first job: looked at, and never changed."""

from collections.abc import Callable
from concurrent.futures import Future
from threading import Thread
from typing import Any

from mnistlib.backends.checks import Check, Step, Wrong
from mnistlib.backends.spec import chosen_name, spec_of
from mnistlib.lazy import imported

#: Seconds that one look may take; whatever it waits for is then told to be missing.
PATIENCE = 60.0

__all__ = ["PATIENCE", "Check", "diagnose"]


def diagnose(name: str | None = None, *, patience: float = PATIENCE, **options: Any) -> list[Check]:
    """Look at all that a first job needs; make, change and send nothing.

    Parameters
    ----------
    name : str, optional
        Name of a backend. Default: as for :func:`~mnistlib.get_backend`.
    patience : float, default 60
        Seconds that one look may take.
    **options
        For the backend's steps: ``runs_folder``, and ``config`` and ``credential`` where there is a workspace.

    Returns
    -------
    list of Check
        In the order of looking. What follows from something that failed is not looked at.

    Raises
    ------
    BackendError
        If there is no backend of that name.

    Examples
    --------
    >>> from mnistlib.backends.doctor import diagnose
    >>> [check.name for check in diagnose("local")]
    ['packages', 'data sets', 'runs folder']
    """
    checks: dict[str, Check] = {}
    for step in imported(spec_of(chosen_name(name)).doctor)(**options):
        missing = [needed for needed in step.needs if not checks[needed].ok]
        if missing:
            checks[step.name] = Check(name=step.name, ok=None, found=f"not checked without {missing[0]}")
        else:
            checks[step.name] = _checked(step, patience)
    return list(checks.values())


def _checked(step: Step, patience: float) -> Check:
    try:
        return Check(name=step.name, ok=True, found=_within(patience, step.look))
    except Wrong as wrong:
        return Check(name=step.name, ok=False, found=wrong.found, advice=wrong.advice)
    except TimeoutError:
        advice = "Check the network, and the proxy that HTTPS_PROXY names, then try again."
        return Check(name=step.name, ok=False, found=f"no answer within {patience:g} seconds", advice=advice)


def _within(seconds: float, look: Callable[[], str]) -> str:
    """Return what a look returns or raises; TimeoutError after `seconds`, when the look is left to itself."""
    answer: Future[str] = Future()

    def work() -> None:
        try:
            answer.set_result(look())
        except Exception as error:  # raised again by whoever waits
            answer.set_exception(error)

    # A daemon: a look that never ends must not keep the process from ending.
    Thread(target=work, name="doctor", daemon=True).start()
    return answer.result(seconds)
