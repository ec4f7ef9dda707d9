"""Support of scikit-learn's callbacks during a fit, with scikit-learn 1.9 and later."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from mnistlib.linear.arithmetic import Floats
from mnistlib.linear.progress import Callback, Progress, ends_fit

__all__ = ["FRAMES", "CallbackSupportMixin", "FitTask", "with_callbacks"]

Method = TypeVar("Method", bound=Callable[..., Any])

try:
    from sklearn.callback import CallbackSupportMixin
    from sklearn.callback import with_callbacks as _with_callbacks

    FRAMES = 1
    """Stack frames that `with_callbacks` adds between a method and its caller, whose line warnings name."""
except ImportError:  # an older scikit-learn
    FRAMES = 0

    class CallbackSupportMixin:  # type: ignore[no-redef]
        """Replacement of scikit-learn's mixin, which gives an estimator `set_callbacks`."""

    _with_callbacks = None


def with_callbacks(method: Method) -> Method:
    """Decorate `fit` so that it calls scikit-learn's callbacks, if there are any; its type stays known."""
    decorated: Method = method if _with_callbacks is None else _with_callbacks(method)
    return decorated


class FitTask:
    """The task tree of one fit: the fit, and below it one task for each iteration.

    It is a `Callback`, which also calls the estimator's own one. As with scikit-learn's lbfgs, the task of an iteration
    begins as soon as the one before ends, so the last one is empty. `fitted` converts parameters of shape (outputs, d +
    1) to the attributes that predictions need, `data` are X, y and the metadata for the hooks, and `start` are the
    parameters before the first step.
    """

    def __init__(
        self, estimator: Any, fitted: Callable[[Floats], dict[str, Any]], data: Mapping[str, Any], *, start: Floats
    ) -> None:
        self._estimator, self._fitted, self._data = estimator, fitted, data
        self._own: Callback | None = estimator.callback
        self._iterations = 0
        self._context: Any = None
        self._of_iteration: Any = None
        if not hasattr(estimator, "_skl_callbacks"):  # set by `set_callbacks`
            return
        # As many tasks as scikit-learn has: one even without an iteration, and the empty one.
        self._context = estimator._init_callback_context(max_subtasks=max(estimator.max_iter, 1) + 1)
        self._context.call_on_fit_task_begin(estimator=estimator, **data)
        self._begin(lambda: fitted(start))

    @property
    def callback(self) -> Callback | None:
        """Callback for the solver; None if there is none to call."""
        return self._own if self._of_iteration is None else self

    def __call__(self, progress: Progress) -> bool:
        """Call all callbacks; return whether one of them ends the fit."""
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
