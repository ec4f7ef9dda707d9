"""Parameters of the estimator: those of scikit-learn's, limited to values that mean the same objective."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from numbers import Integral, Real
from typing import Any

from sklearn.utils._param_validation import Interval, StrOptions, validate_parameter_constraints

__all__ = ["CONSTRAINTS", "check_parameters", "solver_label"]

# Names of scikit-learn's solvers for this objective. All of them select the only solver here.
SOLVERS = {"auto", "lbfgs", "newton-cg", "newton-cholesky", "sag", "saga"}
CONSTRAINTS: dict[str, Any] = {
    "penalty": [StrOptions({"l1", "l2", "elasticnet", "deprecated"}), None],
    "C": [Interval(Real, 0, None, closed="right")],
    "l1_ratio": [Interval(Real, 0, 1, closed="both"), None],
    "dual": ["boolean"],
    "tol": [Interval(Real, 0, None, closed="left")],
    "fit_intercept": ["boolean"],
    "intercept_scaling": [Interval(Real, 0, None, closed="neither")],
    "class_weight": [dict, StrOptions({"balanced"}), None],
    "random_state": ["random_state"],
    "solver": [StrOptions(SOLVERS | {"liblinear"})],
    "max_iter": [Interval(Integral, 0, None, closed="left")],
    "verbose": ["verbose"],
    "warm_start": ["boolean"],
    "n_jobs": [None, Integral],
    "multi_class": [StrOptions({"auto", "deprecated", "multinomial", "ovr"})],
    "pixel_scale": [Interval(Real, 0, None, closed="neither")],
    "memory_budget": [Interval(Real, 0, None, closed="neither"), None],
    "callback": [callable, None],
}
"""Valid values of each parameter, in scikit-learn's terms."""

# These may hold arbitrary objects, which the cache of valid parameters must not keep alive.
NOT_CACHED = {"random_state", "class_weight", "callback"}


def check_parameters(parameters: Mapping[str, Any]) -> None:
    """Refuse invalid values of an estimator's parameters, and values that mean another objective.

    Raise scikit-learn's InvalidParameterError, which is both a ValueError and a TypeError, for an invalid value; and
    ValueError for another objective, with the name of the class that fits it.
    """
    _validate({name: parameters[name] for name in NOT_CACHED if parameters[name] is not None})
    rest = tuple((name, type(value), value) for name, value in parameters.items() if name not in NOT_CACHED)
    try:
        hash(rest)
    except TypeError:
        _validate({name: value for name, _, value in rest})
    else:
        _validate_once(rest)
    _refuse_other_objectives(parameters)


def solver_label(solver: str) -> str:
    """Return a solver's name in messages: that of scikit-learn's for "auto", since users filter messages by it."""
    return "lbfgs" if solver == "auto" else solver


@lru_cache(maxsize=1024)
def _validate_once(parameters: tuple[tuple[str, type, Any], ...]) -> None:
    # Scikit-learn's checks take a tenth of a small fit.
    _validate({name: value for name, _, value in parameters})


def _validate(parameters: dict[str, Any]) -> None:
    constraints = {name: CONSTRAINTS[name] for name in parameters}
    validate_parameter_constraints(constraints, parameters, caller_name="LogisticRegression")


def _refuse_other_objectives(parameters: Mapping[str, Any]) -> None:
    penalty, l1_ratio, solver = parameters["penalty"], parameters["l1_ratio"], solver_label(parameters["solver"])
    if penalty not in ("l2", "deprecated", None) or l1_ratio not in (0, None):
        raise ValueError(
            f"Solver {solver} supports only 'l2' or None penalties, got penalty={penalty!r} with "
            f"l1_ratio={l1_ratio!r}. For L1 and elastic net, use sklearn.linear_model.LogisticRegression with "
            'solver="saga".'
        )
    if parameters["dual"] and solver != "liblinear":
        raise ValueError(
            f"Solver {solver} supports only dual=False, got dual=True. Use sklearn.linear_model.LogisticRegression "
            'with solver="liblinear" for it.'
        )
    if solver == "liblinear":
        raise ValueError(
            'solver="liblinear" is not supported: that solver penalizes the intercept too. Use '
            'sklearn.linear_model.LogisticRegression with solver="liblinear", or leave solver at its default.'
        )
    if parameters["multi_class"] == "ovr":
        raise ValueError(
            'multi_class="ovr" is not supported. Use sklearn.multiclass.OneVsRestClassifier(LogisticRegression()), '
            "which fits a model of two classes for each class."
        )
