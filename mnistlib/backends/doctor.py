"""Read-only checks of whether a backend is ready for its first job."""

from collections.abc import Callable
from concurrent.futures import Future
from threading import Thread
from typing import Any

from mnistlib._distribution import DISTRIBUTION, REMEDY, conflict
from mnistlib._version import __version__
from mnistlib.backends.checks import Check, Step, Wrong
from mnistlib.backends.spec import chosen_name, spec_of
from mnistlib.lazy import imported

#: Seconds that one check may take before it fails.
PATIENCE = 60.0

__all__ = ["PATIENCE", "Check", "diagnose"]


def diagnose(name: str | None = None, *, patience: float = PATIENCE, **options: Any) -> list[Check]:
    """Check all requirements of a first job, without changing or sending anything.

    Parameters
    ----------
    name : str, optional
        Name of a backend. Default: as for :func:`~mnistlib.get_backend`.
    patience : float, default 60
        Seconds that one check may take.
    **options
        Arguments of the backend's checks: ``runs_folder``, and for a workspace ``config`` and ``credential``.

    Returns
    -------
    list of Check
        The results, in order. A check that needs a failed one is skipped.

    Raises
    ------
    BackendError
        If no backend has that name.

    Examples
    --------
    >>> from mnistlib.backends.doctor import diagnose
    >>> [check.name for check in diagnose("local")]
    ['mnistlib', 'packages', 'data sets', 'runs folder']
    """
    checks: dict[str, Check] = {}
    own = imported(spec_of(chosen_name(name)).doctor)(**options)
    for step in [Step(name="mnistlib", look=_look_at_installation), *own]:
        missing = [needed for needed in step.needs if not checks[needed].ok]
        if missing:
            checks[step.name] = Check(name=step.name, ok=None, found=f"not checked without {missing[0]}")
        else:
            checks[step.name] = _checked(step, patience)
    return list(checks.values())


def _look_at_installation() -> str:
    if found := conflict():
        raise Wrong(found, REMEDY)
    return f"{DISTRIBUTION} {__version__}"


def _checked(step: Step, patience: float) -> Check:
    try:
        return Check(name=step.name, ok=True, found=_within(patience, step.look))
    except Wrong as wrong:
        return Check(name=step.name, ok=False, found=wrong.found, advice=wrong.advice)
    except TimeoutError:
        advice = "Check the network and the proxy set in HTTPS_PROXY, then try again."
        return Check(name=step.name, ok=False, found=f"no answer within {patience:g} seconds", advice=advice)


def _within(seconds: float, look: Callable[[], str]) -> str:
    """Return the result of a check or raise its error; TimeoutError after `seconds`, while its thread goes on."""
    answer: Future[str] = Future()

    def work() -> None:
        try:
            answer.set_result(look())
        except Exception as error:  # raised again in the waiting thread
            answer.set_exception(error)

    # A daemon: a check that never returns must not keep the process alive.
    Thread(target=work, name="doctor", daemon=True).start()
    return answer.result(seconds)
