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
from mnistlib.linear.parameters import CONSTRAINTS, LABEL, check_parameters
from mnistlib.linear.predictions import PredictionsMixin
from mnistlib.linear.progress import Callback, Solution
from mnistlib.linear.solve import Problem, solve, unsolved, usual_memory

__all__ = ["LogisticRegression"]


class LogisticRegression(CallbackSupportMixin, PredictionsMixin, SparseCoefMixin, ClassifierMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn is untyped
    """Multinomial and binary logistic regression with an L2 penalty, or none, for dense data.

    A drop-in for `sklearn.linear_model.LogisticRegression` with ``solver="lbfgs"``: the same parameters, the same
    objective, and coefficients that agree as closely as both have converged.

    The order of the rows does not change the result, nor do weights in place of repeated rows, nor rows of weight zero.
    Up to 10 million numbers in `X` all rows are read in every step, sums are carried in float64, and at the default
    `tol` such changes move no coefficient by more than 1e-6 of the largest one; 1e-4 where `X` is float16, float32 or
    bytes, or where scikit-learn's coefficients move by more. In larger data some steps use rows drawn by a hash of
    their content, and it is at most 1e-3, unless the weights are not whole numbers.

    Parameters
    ----------
    penalty : "l2", "deprecated" or None, default="l2"
        The penalty; None is the same as an infinite `C`. Anything else is refused with the scikit-learn solver that
        does it.
    C : float, default=1.0
        Inverse strength of the penalty, above 0; infinite for none. Then the coefficients of classes that can be told
        apart grow until the objective has fallen to next to nothing: `tol` is a share of at least a millionth of the
        sum of the weights.
    l1_ratio : 0 or None, default=0
        The share of the L1 penalty.
    dual : False
        As scikit-learn has it for all solvers but liblinear.
    tol : float, default=1e-4
        Convergence tolerance: the fit has converged when the objective is within this share of its minimum. The
        distance is estimated by the Newton decrement, with the curvature at the current point (Boyd and Vandenberghe,
        *Convex Optimization*, 9.5.1), so the estimate holds for rare classes, extreme weights and separable classes
        too. Up to 10 million numbers in `X` the fit goes on until no coefficient would move by more than a hundredth
        of `tol` times the largest one, if `max_iter` and rounding allow. 0 is as close as double precision comes.
    max_iter : int, default=100
        The most iterations. One is a step of L-BFGS or of Newton's method with a factorized Hessian, which is about one
        pass over the rows, or a step of Newton's method by conjugate gradients, which is several. With 0, the
        coefficients are zero, or those of the last fit with `warm_start`.
    fit_intercept : bool, default=True
        Whether to fit intercepts, which are not penalized.
    intercept_scaling : float, default=1
        No effect, as with all of scikit-learn's solvers but liblinear.
    class_weight : dict, "balanced" or None, default=None
        Weights of the classes, which multiply the sample weights.
    solver : str, default="auto"
        There is one solver. It also goes by the names of scikit-learn's for this objective: "lbfgs", "newton-cg",
        "newton-cholesky", "sag" and "saga".
    verbose : int, default=0
        No effect; `callback` tells how a fit goes on.
    warm_start : bool, default=False
        Whether to start at the last fit's coefficients where they have the right shape.
    random_state : int, RandomState or None, default=None
        The seed of the draws of rows where `X` has more than 10 million numbers, which change the way to the solution
        only. None is always the same seed.
    n_jobs : int or None, default=None
        Threads, as joblib understands it; None is as many as BLAS may use. Results have the same bits for every number.
    multi_class : "auto", "deprecated" or "multinomial", default="auto"
        The loss of three classes or more is multinomial, and that of two is binary.
    pixel_scale : float, default=1.0
        Factor of every number in `X`, in `fit` and in every prediction, without a copy of `X`. `coef_`
        belongs to ``X * pixel_scale``: with 1/255, to pixels between 0 and 1.
    memory_budget : int or None, default=None
        The bytes of working memory beside `X`; None is a quarter of the machine's memory. Within it, a fit keeps the
        residuals of all rows (a number for each row and class), of which it would otherwise compute some anew, and
        remembers up to 20 steps; and `regularization_path` trains many models at once. In any case a fit takes a few
        times the size of the coefficients; up to 10 million numbers in `X`, copies of it in other precisions, and up to
        20 million a copy without rows of weight zero; beyond, up to half a gigabyte each for a sample of the rows and
        for factors of parts of the Hessian.
    callback : callable or None, default=None
        Is called with a `Progress` after each iteration and twice a second within long ones; returning True ends the
        fit within one pass, with the best coefficients so far. scikit-learn's callbacks, from 1.9 on, are called beside
        it after each iteration; see `set_callbacks`.

    Attributes
    ----------
    classes_ : array of shape (n_classes,)
        The classes, sorted.
    coef_ : array of shape (1, n_features) for two classes, otherwise (n_classes, n_features)
        The weights; float32 where `X` is float16 or float32, otherwise float64.
    intercept_ : array of shape (1,) or (n_classes,)
        The intercepts.
    n_iter_ : int32 array of shape (1,)
        Iterations.
    converged_ : bool
        Whether the objective is, by the estimate, within `tol` of its minimum, as a share. Up to 10 million numbers in
        `X` this is the Hessian's estimate: a fit that a callback ends before Newton's method begins has not converged,
        and one that `max_iter` ends there is judged by the Hessian.
    n_passes_ : float
        Passes over the rows, those over a sample of them counted as their share.
    objective_ : float
        ``C * sum(sample_weight * log_loss) + sum(coef_ ** 2) / 2``; without a penalty, the first sum.
    gradient_norm_ : float
        The estimate that `tol` limits: half the squared Newton decrement, divided by the objective. Where `max_iter` or
        a callback ends Newton's method before its last step, a hundred times that, and at most 1: the quadratic model
        sees too little of what is left. Where `X` has more than 10 million numbers, the curvature is that of rows
        drawn, and the estimate is three times that, and at least four times the relative fall of the objective that the
        last steps let expect.

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

    @with_callbacks  # type: ignore[untyped-decorator]  # scikit-learn is untyped
    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Fit the model.

        Parameters
        ----------
        X : array of shape (n_samples, n_features)
            Floats of 16, 32 and 64 bits and unsigned bytes are read as they are, also from a memory map; anything else
            is made float64. Up to 10 million numbers, and more where the columns are few, are computed with in float64
            in the last steps; others in float32, or float64 where they are. Sparse matrices are refused.
        y : array of shape (n_samples,)
            The class of each sample; at least two classes.
        sample_weight : array of shape (n_samples,), optional
            The weight of each sample, not negative.

        Returns
        -------
        LogisticRegression
            The estimator itself.

        Raises
        ------
        ValueError
            A parameter is out of range, `y` has one class, or `X` has NaN or infinity.
        TypeError
            `X` is sparse.

        Warns
        -----
        ConvergenceWarning
            `max_iter` was too small, or the precision cannot reach `tol`; the message names a `tol` within reach.
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

        It needs nothing of mnistlib to be loaded and used. It knows no `pixel_scale`: for ``X * pixel_scale`` it
        predicts what this estimator predicts for `X`.
        """
        check_is_fitted(self)
        parameters = ("tol", "max_iter", "fit_intercept", "class_weight", "warm_start", "random_state")
        plain = sklearn.linear_model.LogisticRegression(
            C=math.inf if self.penalty is None else self.C, **{name: getattr(self, name) for name in parameters}
        )
        fitted = ("classes_", "coef_", "intercept_", "n_iter_", "n_features_in_", "feature_names_in_")
        for name in fitted:
            if hasattr(self, name):
                setattr(plain, name, getattr(self, name))
        return plain

    def _problem(self, X: Any, y: Any, sample_weight: Any, C_values: list[float]) -> tuple[Problem, npt.NDArray[Any]]:
        """Return the problem of fitting a model for each value of C, and y; set what they have in common."""
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
        self.n_iter_ = np.array([min(self.max_iter, max(1, solution.iterations))], dtype=np.int32)
        self.converged_ = solution.converged
        self.n_passes_ = solution.passes
        self.objective_ = solution.objective
        self.gradient_norm_ = solution.gradient_norm
        self._cancelled = solution.cancelled

    def _warn_unless_converged(self, *, frames: int = 0) -> None:
        """Warn about the line that has called the caller, so many frames of others between them."""
        if self.converged_ or self._cancelled:
            return
        advice = f"Rounding allows no further step: a tol of {2 * self.gradient_norm_:.0e} is within reach."
        if self.n_iter_[0] >= self.max_iter:
            advice = f"Increase the number of iterations (max_iter={self.max_iter})."
        if self._of_bytes and self.pixel_scale == 1:
            advice += " X holds bytes: with pixel_scale=1/255 they are numbers between 0 and 1, which converge faster."
        solver = LABEL if self.solver == "auto" else self.solver
        warnings.warn(
            f"{solver} failed to converge after {self.n_iter_[0]} iterations with C={self.C:g}: the objective is "
            f"estimated to be {self.gradient_norm_:.3g} above its minimum, relative to itself, and tol={self.tol:g}. "
            f"{advice}",
            ConvergenceWarning,
            stacklevel=3 + frames,
        )

    def _start(self, problem: Problem) -> Floats | None:
        """Return where each model starts, if that is at the last fit's coefficients."""
        models, outputs, columns = problem.shape
        if not self.warm_start or not hasattr(self, "coef_") or self.coef_.shape != (outputs, columns - 1):
            return None
        coefficients: Any = self.coef_
        if scipy.sparse.issparse(coefficients):  # after `sparsify`
            coefficients = coefficients.toarray()
        last = np.column_stack([coefficients, self.intercept_]).astype(np.float64)
        if not np.isfinite(last).all():
            return None
        return np.repeat(last[None], models, axis=0)
