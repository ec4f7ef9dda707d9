"""The solver as a scikit-learn estimator."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import scipy.sparse
import sklearn.linear_model
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model._base import SparseCoefMixin
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from mnistlib.linear.arithmetic import Floats
from mnistlib.linear.blas import thread_count
from mnistlib.linear.callbacks import FRAMES, CallbackSupportMixin, FitTask, with_callbacks
from mnistlib.linear.inputs import SINGLE, classes_of, row_weights, validated
from mnistlib.linear.parameters import CONSTRAINTS, check_parameters, solver_label
from mnistlib.linear.predictions import PredictionsMixin
from mnistlib.linear.progress import Callback, Solution
from mnistlib.linear.solve import Problem, solve, unsolved, usual_memory

__all__ = ["LogisticRegression"]


class LogisticRegression(CallbackSupportMixin, PredictionsMixin, SparseCoefMixin, ClassifierMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn is untyped
    """Multinomial and binary logistic regression with an L2 penalty, or none, for dense data.

    A drop-in for `sklearn.linear_model.LogisticRegression` with ``solver="lbfgs"``: the same parameters, the same
    objective, and coefficients that agree as closely as both have converged.

    The result does not depend on the order of rows, on weights in place of repeated rows, or on rows of weight zero. If
    `X` has up to 10 million numbers, all rows are read in every step, sums are computed in float64, and at the default
    `tol` such changes move no coefficient by more than 1e-6 of the largest one; 1e-4 if `X` is float16, float32 or
    bytes, or if scikit-learn's coefficients move by more. In larger data some steps use rows drawn by a hash of their
    content, and the limit is 1e-3, unless the weights are not whole numbers.

    Parameters
    ----------
    penalty : "l2", "deprecated" or None, default="l2"
        None is the same as an infinite `C`. Other penalties raise an error that names scikit-learn's solver for them.
    C : float, default=1.0
        Inverse strength of the penalty, above 0; infinite for none. Then the coefficients of separable classes grow
        until the objective is close to 0, and `tol` is a share of at least a millionth of the total weight.
    l1_ratio : 0 or None, default=0
        The share of the L1 penalty.
    dual : False
        As for all of scikit-learn's solvers but liblinear.
    tol : float, default=1e-4
        Convergence tolerance: the largest distance of the objective from its minimum, as a share of the objective. The
        distance is estimated by the Newton decrement, with the curvature at the current point (Boyd and Vandenberghe,
        *Convex Optimization*, 9.5.1), so the estimate also holds for rare classes, extreme weights and separable
        classes. If `X` has up to 10 million numbers, the fit continues until no coefficient would move by more than a
        hundredth of `tol` times the largest one, unless `max_iter` or rounding prevents it. 0 is the limit of float64.
    max_iter : int, default=100
        Maximum number of iterations. One is a step of L-BFGS or of Newton's method with a factorized Hessian, which is
        about one pass over the rows, or a step of Newton's method by conjugate gradients, which is several. With 0, the
        coefficients are zero, or those of the last fit with `warm_start`.
    fit_intercept : bool, default=True
        Whether to fit intercepts, which are not penalized.
    intercept_scaling : float, default=1
        No effect, as with all of scikit-learn's solvers but liblinear.
    class_weight : dict, "balanced" or None, default=None
        Weights of the classes, which multiply the sample weights.
    solver : str, default="auto"
        All values select the only solver: "auto", and scikit-learn's names for this objective, "lbfgs", "newton-cg",
        "newton-cholesky", "sag" and "saga".
    verbose : int, default=0
        No effect; use `callback` to follow the progress of a fit.
    warm_start : bool, default=False
        Whether to start at the last fit's coefficients, if they have the right shape.
    random_state : int, RandomState or None, default=None
        The seed of the draws of rows if `X` has more than 10 million numbers; it changes the steps, not the solution
        they converge to. None is always the same seed.
    n_jobs : int or None, default=None
        Threads, as joblib defines it; None is as many as BLAS may use. Results have the same bits for every number.
    multi_class : "auto", "deprecated" or "multinomial", default="auto"
        The loss of three classes or more is multinomial, and that of two is binary.
    pixel_scale : float, default=1.0
        Factor of every number in `X`, in `fit` and in every prediction, without a copy of `X`. The coefficients are
        those of ``X * pixel_scale``: with 1/255, of pixels between 0 and 1.
    memory_budget : int or None, default=None
        The bytes of working memory beside `X`; None is a quarter of the machine's memory. As far as they fit, a fit
        keeps the residuals of all rows (a number for each row and class), some of which it would otherwise compute
        again, and up to 20 past steps; and `regularization_path` trains many models at once. Not counted are a few
        times the size of the coefficients; for up to 10 million numbers in `X`, copies of it in other precisions, and
        for up to 20 million, a copy without rows of weight zero; for more, up to half a gigabyte each for a sample of
        the rows and for factors of parts of the Hessian.
    callback : callable or None, default=None
        Called with a `Progress` after each iteration and twice a second within long ones; the result True ends the fit
        within one pass, with the best coefficients so far. scikit-learn's callbacks, from 1.9 on, are called as well
        after each iteration; see ``set_callbacks``.

    Attributes
    ----------
    classes_ : array of shape (n_classes,)
        The classes, sorted.
    coef_ : array of shape (1, n_features) for two classes, otherwise (n_classes, n_features)
        The weights; float32 if `X` is float16 or float32, otherwise float64.
    intercept_ : array of shape (1,) or (n_classes,)
        The intercepts.
    n_iter_ : int32 array of shape (1,)
        Iterations.
    converged_ : bool
        Whether `gradient_norm_` is at most `tol`. If `X` has up to 10 million numbers, the estimate must be that of the
        Hessian: a fit that a callback ends before Newton's method begins has not converged, and one that `max_iter`
        ends there is checked by the Hessian.
    n_passes_ : float
        Passes over the rows; those over a sample count as their share.
    objective_ : float
        ``C * sum(sample_weight * log_loss) + sum(coef_ ** 2) / 2``; without a penalty, the first sum.
    gradient_norm_ : float
        The estimate that `tol` limits: half the squared Newton decrement, divided by the objective. If `max_iter` or a
        callback ends Newton's method before its last step, a hundred times that, and at most 1, since the quadratic
        model underestimates the remaining gain. If `X` has more than 10 million numbers, the curvature is that of drawn
        rows, and the estimate is three times that, and at least four times the relative fall of the objective that is
        extrapolated from the last steps.

    Examples
    --------
    >>> import numpy as np
    >>> from mnistlib.linear import LogisticRegression
    >>> X = np.array([[0, 9], [1, 8], [5, 5], [6, 4], [9, 1], [8, 0]], dtype=np.uint8)
    >>> model = LogisticRegression(pixel_scale=1 / 10).fit(X, ["low", "low", "mid", "mid", "high", "high"])
    >>> model.predict(np.array([[9, 0]], dtype=np.uint8))
    array(['high'], dtype='<U4')
    """

    def __init__(
        self,
        penalty: str | None = "l2",
        *,
        C: float = 1.0,
        l1_ratio: float | None = 0.0,
        dual: bool = False,
        tol: float = 1e-4,
        fit_intercept: bool = True,
        intercept_scaling: float = 1,
        class_weight: Mapping[Any, float] | str | None = None,
        random_state: Any = None,
        solver: str = "auto",
        max_iter: int = 100,
        verbose: int = 0,
        warm_start: bool = False,
        n_jobs: int | None = None,
        multi_class: str = "auto",
        pixel_scale: float = 1.0,
        memory_budget: int | None = None,
        callback: Callback | None = None,
    ) -> None:
        self.penalty = penalty
        self.C = C
        self.l1_ratio = l1_ratio
        self.dual = dual
        self.tol = tol
        self.fit_intercept = fit_intercept
        self.intercept_scaling = intercept_scaling
        self.class_weight = class_weight
        self.random_state = random_state
        self.solver = solver
        self.max_iter = max_iter
        self.verbose = verbose
        self.warm_start = warm_start
        self.n_jobs = n_jobs
        self.multi_class = multi_class
        self.pixel_scale = pixel_scale
        self.memory_budget = memory_budget
        self.callback = callback

    @with_callbacks
    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Fit the model, and return the estimator itself.

        Parameters
        ----------
        X : array of shape (n_samples, n_features)
            Floats of 16, 32 and 64 bits and unsigned bytes are read without a copy, also from a memory map; other
            types are converted to float64. For up to 10 million numbers, or more in few columns, the last steps are
            computed in float64; otherwise all are in float32, unless `X` is float64.
        y : array of shape (n_samples,)
            The class of each sample; at least two classes.
        sample_weight : array of shape (n_samples,), optional
            The weight of each sample, not negative.

        Raises
        ------
        ValueError
            A parameter is out of range, `y` has one class, or `X` has NaN or infinity.
        TypeError
            `X` is sparse.

        Warns
        -----
        ConvergenceWarning
            `max_iter` is too small, or rounding prevents `tol`; the message then names a `tol` that can be reached.
        """
        if self.penalty is None and self.C != 1:
            warnings.warn("Setting penalty=None will ignore the C and l1_ratio parameters", stacklevel=2 + FRAMES)
        problem, y = self._problem(X, y, sample_weight, [self.C])
        start = self._start(problem)
        data = {"X": problem.X, "y": y, "metadata": None if sample_weight is None else {"sample_weight": sample_weight}}
        task = FitTask(self, self._coefficients, data, start=np.zeros(problem.shape[1:]) if start is None else start[0])
        (solution,) = self._solve(problem, start, task.callback)
        self._adopt(solution)
        task.end(solution.parameters)
        self._warn_unless_converged(frames=FRAMES)
        return self

    def to_sklearn(self) -> sklearn.linear_model.LogisticRegression:
        """Return a plain, fitted scikit-learn estimator with these coefficients.

        It can be loaded and used without mnistlib. It has no `pixel_scale`: for ``X * pixel_scale`` its predictions are
        those of this estimator for `X`.
        """
        check_is_fitted(self)
        parameters = ("tol", "max_iter", "fit_intercept", "class_weight", "warm_start", "random_state")
        plain = sklearn.linear_model.LogisticRegression(
            C=math.inf if self.penalty is None else self.C, **{name: getattr(self, name) for name in parameters}
        )
        for name in ("classes_", "coef_", "intercept_", "n_iter_", "n_features_in_", "feature_names_in_"):
            if hasattr(self, name):
                setattr(plain, name, getattr(self, name))
        return plain

    def _problem(self, X: Any, y: Any, sample_weight: Any, C_values: list[float]) -> tuple[Problem, npt.NDArray[Any]]:
        """Return the problem of a model for each value of C, and y; set the attributes that all models share."""
        for C in C_values:
            check_parameters({name: getattr(self, name) for name in CONSTRAINTS} | {"C": C})
        X, y = validated(self, X, y)
        classes, labels = classes_of(y)
        weights = row_weights(X, sample_weight, self.class_weight, classes, labels)
        self.classes_ = classes
        self._dtype = np.dtype(np.float32 if X.dtype in SINGLE else np.float64)
        self._of_bytes = X.dtype == np.uint8
        problem = Problem(
            X,
            labels.astype(np.min_scalar_type(len(classes))),
            classes=len(classes),
            C=[math.inf] * len(C_values) if self.penalty is None else C_values,
            weights=weights,
            fit_intercept=self.fit_intercept,
            scale=self.pixel_scale,
            threads=thread_count(self.n_jobs),
            memory=usual_memory() if self.memory_budget is None else self.memory_budget,
        )
        return problem, y

    def _solve(self, problem: Problem, start: Floats | None, callback: Callback | None) -> list[Solution]:
        if self.max_iter == 0:
            return unsolved(problem, start=start)
        seed = 0 if self.random_state is None else int(check_random_state(self.random_state).randint(1 << 31))
        return solve(problem, start=start, tol=self.tol, max_iter=self.max_iter, callback=callback, random_state=seed)

    def _coefficients(self, parameters: Floats) -> dict[str, npt.NDArray[Any]]:
        """Return the attributes that predictions need, from parameters of shape (outputs, d + 1)."""
        return {"coef_": parameters[:, :-1].astype(self._dtype), "intercept_": parameters[:, -1].astype(self._dtype)}

    def _adopt(self, solution: Solution) -> None:
        for name, value in self._coefficients(solution.parameters).items():
            setattr(self, name, value)
        self.n_iter_: npt.NDArray[np.int32] = np.array(
            [min(self.max_iter, max(1, solution.iterations))], dtype=np.int32
        )
        self.converged_: bool = solution.converged
        self.n_passes_: float = solution.passes
        self.objective_: float = solution.objective
        self.gradient_norm_: float = solution.gradient_norm
        self._cancelled = solution.cancelled

    def _warn_unless_converged(self, *, frames: int = 0) -> None:
        """Warn about the line that called the caller, with so many stack frames between them."""
        if self.converged_ or self._cancelled:
            return
        advice = f"Rounding prevents further steps: use tol={2 * self.gradient_norm_:.0e} or more."
        if self.n_iter_[0] >= self.max_iter:
            advice = f"Increase the number of iterations (max_iter={self.max_iter})."
        if self._of_bytes and self.pixel_scale == 1:
            advice += " X holds bytes: use pixel_scale=1/255 to converge faster, with numbers between 0 and 1."
        warnings.warn(
            f"{solver_label(self.solver)} failed to converge after {self.n_iter_[0]} iterations with C={self.C:g}: "
            f"the objective is estimated to be {self.gradient_norm_:.3g} of its value above its minimum, but "
            f"tol={self.tol:g}. {advice}",
            ConvergenceWarning,
            stacklevel=3 + frames,
        )

    def _start(self, problem: Problem) -> Floats | None:
        """Return the start of each model, (models, outputs, d + 1), if that is at the last fit's coefficients."""
        models, outputs, columns = problem.shape
        if not self.warm_start or not hasattr(self, "coef_") or self.coef_.shape != (outputs, columns - 1):
            return None
        # Sparse after `sparsify`.
        coefficients: Any = self.coef_.toarray() if scipy.sparse.issparse(self.coef_) else self.coef_
        last = np.column_stack([coefficients, self.intercept_]).astype(np.float64)
        return np.repeat(last[None], models, axis=0) if np.isfinite(last).all() else None
