import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from mnistlib import DataError
from mnistlib.training.options import NORMALIZATIONS
from mnistlib.training.preprocessing import fit_normalization

IMAGES = hnp.arrays(np.uint8, hnp.array_shapes(min_dims=3, max_dims=3, min_side=1, max_side=6))


@given(IMAGES)
def test_unit_is_the_tutorials_division_by_255(images: np.ndarray) -> None:
    features = fit_normalization("unit", images).apply(images)
    assert features.dtype == np.float32
    assert np.array_equal(features, images.reshape(len(images), -1) / np.float32(255))


@given(IMAGES)
def test_none_leaves_the_pixels_values(images: np.ndarray) -> None:
    assert np.array_equal(fit_normalization("none", images).apply(images), images.reshape(len(images), -1))


@given(IMAGES)
def test_standard_gives_each_pixel_mean_0_and_deviation_1_and_constant_ones_0(images: np.ndarray) -> None:
    features = fit_normalization("standard", images).apply(images, dtype=np.float64)
    constant = np.ptp(images.reshape(len(images), -1), axis=0) == 0
    assert np.allclose(features.mean(axis=0), 0, atol=1e-5)
    assert np.allclose(features.std(axis=0), np.where(constant, 0, 1), atol=1e-5)


@given(IMAGES, st.sampled_from(NORMALIZATIONS), st.integers(0, 2**32 - 1))
def test_folding_gives_the_same_scores_for_pixels_in_0_to_1(images: np.ndarray, name: str, seed: int) -> None:
    normalization = fit_normalization(name, images)
    generator = np.random.default_rng(seed)
    weights = generator.normal(size=(3, images[0].size))
    intercept = generator.normal(size=3)
    folded_weights, folded_intercept = normalization.fold(weights, intercept)
    direct = normalization.apply(images, dtype=np.float64) @ weights.T + intercept
    folded = (images.reshape(len(images), -1) / 255) @ folded_weights.T + folded_intercept
    assert np.allclose(direct, folded, atol=1e-8 * max(1, np.abs(folded_weights).max()))


@pytest.mark.parametrize("name", NORMALIZATIONS)
def test_peak_memory_is_the_result_and_a_block(name: str) -> None:
    images = np.random.default_rng(0).integers(0, 256, (20_000, 14, 14), dtype=np.uint8)
    tracemalloc.start()
    try:
        features = fit_normalization(name, images).apply(images)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < features.nbytes + 4096 * 14 * 14 * 8


def test_an_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(DataError, match="unknown normalization 'zscore': expected one of unit, standard, none"):
        fit_normalization("zscore", np.zeros((1, 1, 1), np.uint8))
