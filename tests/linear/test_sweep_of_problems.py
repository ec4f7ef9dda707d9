"""Guarantees of a fit on any data: rare classes, extreme weights and units, weak and strong penalties.

`python -m tests.linear.sweep` prints the cases that break one, and counts them.
"""

from __future__ import annotations

import pytest

from tests.linear.problems import LARGE, SMALL, SURE_ROWS, Case
from tests.linear.sweep import DISTANCE, ROUNDING, SCORE, excess_over_lbfgs, fit, measure

every_problem = pytest.mark.parametrize(
    "case", [*SMALL, *(pytest.param(case, marks=pytest.mark.slow) for case in LARGE)], ids=str
)
both_sets = pytest.mark.parametrize(
    "cases", [pytest.param(SMALL, id="small"), pytest.param(LARGE, id="large", marks=pytest.mark.slow)]
)


@every_problem
def test_a_converged_fit_has_the_objective_of_the_optimum(case: Case) -> None:
    outcome = measure(case)
    assert not outcome.fit.converged or outcome.distance <= DISTANCE, str(outcome)


@every_problem
def test_a_converged_fit_has_the_score_of_the_optimum(case: Case) -> None:
    outcome = measure(case)
    assert not outcome.fit.converged or abs(outcome.score - outcome.best_score) <= SCORE, str(outcome)


@pytest.mark.parametrize("case", SURE_ROWS, ids=str)
@pytest.mark.parametrize("max_iter", [2, 3, 5, 8, 11, 16, 32, 64])
def test_a_fit_that_is_cut_off_does_not_underestimate_its_distance(case: Case, max_iter: int) -> None:
    outcome = measure(case, max_iter)
    assert not outcome.fit.converged or outcome.distance <= DISTANCE, str(outcome)


@every_problem
def test_a_fit_that_does_not_converge_is_no_worse_than_lbfgs_after_as_many_iterations(case: Case) -> None:
    outcome = measure(case)
    if not outcome.fit.converged:
        excess = excess_over_lbfgs(case)
        assert excess <= ROUNDING, f"{outcome}, {excess:.1e} above lbfgs"


@every_problem
def test_the_reported_objective_is_that_of_the_coefficients(case: Case) -> None:
    outcome = measure(case)
    assert outcome.misreported <= 1e-6, f"{outcome}: {outcome.misreported:.1e} away from objective_"


@both_sets
def test_nineteen_in_twenty_fits_converge(cases: list[Case]) -> None:
    fits = {str(case): fit(case) for case in cases}
    fair = {name: found for name, found in fits.items() if found.rarest >= 2}
    missed = [f"{name}: {found.iterations} iterations" for name, found in fair.items() if not found.converged]
    assert len(missed) <= 0.05 * len(fair), "\n".join([f"{len(missed)} of {len(fair)} do not converge:", *missed])


def test_300_different_problems_have_two_rows_in_each_class() -> None:
    names = {str(case) for case in [*SMALL, *LARGE]}
    assert len(names) == len(SMALL) + len(LARGE)
    assert sum(case.make().rarest >= 2 for case in SMALL) >= 300
