"""scikit-learn's callbacks for a fit, where scikit-learn has them: from version 1.9 on."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from mnistlib.linear.arithmetic import Floats
from mnistlib.linear.progress import Callback, Progress, ends_fit

__all__ = ["FRAMES", "CallbackSupportMixin", "FitTask", "with_callbacks"]

Method = TypeVar("Method", bound=Callable[..., Any])

try:
    from sklearn.callback import CallbackSupportMixin, with_callbacks

    FRAMES = 1
    """Calls that `with_callbacks` puts between a method and who calls it: warnings are about the caller's line."""
except ImportError:  # an older scikit-learn
    FRAMES = 0

    class CallbackSupportMixin:  # type: ignore[no-redef]
        """Stands in for the mixin of scikit-learn that gives an estimator `set_callbacks`."""

    def with_callbacks(method: Method) -> Method:
        """Return the method itself: there are no callbacks to end with it."""
        return method


class FitTask:
    """The task tree of one fit: the fit, and below it one task for each iteration.

    It is called with the progress of the fit as a `Callback`, and passes it on to the estimator's own one. As with
    scikit-learn's lbfgs, the task of an iteration begins as soon as the one before has ended, so that the last one is
    empty.

    Parameters
    ----------
    estimator : LogisticRegression
        The estimator that is fitted.
    fitted : callable
        From parameters of shape (outputs, d + 1) to the attributes of the estimator that predictions need.
    data : mapping
        X, y and the metadata as the hooks are given them.
    start : array of shape (outputs, d + 1)
        The parameters before the first step.
    """

    def __init__(
        self, estimator: Any, fitted: Callable[[Floats], dict[str, Any]], data: Mapping[str, Any], *, start: Floats
    ) -> None:
        self._estimator, self._fitted, self._data = estimator, fitted, data
        self._own: Callback | None = estimator.callback
        self._iterations = 0
        self._context: Any = None
        self._of_iteration: Any = None
        if not hasattr(estimator, "_skl_callbacks"):  # where `set_callbacks` keeps them
            return
        # As many tasks as scikit-learn has: one even without an iteration, and the empty one.
        self._context = estimator._init_callback_context(max_subtasks=max(estimator.max_iter, 1) + 1)
        self._context.call_on_fit_task_begin(estimator=estimator, **data)
        self._begin(lambda: fitted(start))

    @property
    def callback(self) -> Callback | None:
        """What the solver is to call; None if nobody listens."""
        return self._own if self._of_iteration is None else self

    def __call__(self, progress: Progress) -> bool:
        """Tell all callbacks; return whether one of them wants the fit to end."""
        stop = self._own is not None and ends_fit(self._own(progress))
        if progress.iteration > self._iterations:
            self._iterations = progress.iteration
            stop |= self._turn(progress.parameters)
        return stop

    def end(self, parameters: Floats) -> None:
        """End all tasks."""
        if self._context is None:
            return
        if not self._iterations:
            self._turn(lambda: parameters)
        self._of_iteration.call_on_fit_task_end(estimator=self._estimator)
        self._context.call_on_fit_task_end(estimator=self._estimator, **self._data, reconstruction_attributes={})

    def _begin(self, fitted: Callable[[], dict[str, Any]]) -> None:
        self._of_iteration = self._context.subcontext(task_name="iteration")
        self._of_iteration.call_on_fit_task_begin(
            estimator=self._estimator, **self._data, reconstruction_attributes=fitted
        )

    def _turn(self, parameters: Callable[[], Floats]) -> bool:
        """End the task of an iteration, and begin the next."""

        def fitted() -> dict[str, Any]:
            return self._fitted(parameters())

        stop = self._of_iteration.call_on_fit_task_end(
            estimator=self._estimator, **self._data, reconstruction_attributes=fitted
        )
        self._begin(fitted)
        return bool(stop)
