"""Likeness place by place, against its formula."""

import numpy as np
import pytest

from manualnst.errors import InputError
from manualnst.pictures.similarity import signal_to_noise, structural_similarity


def noise(seed, shape=(96, 88, 3)):
    return np.random.default_rng(seed).random(shape)


def similarity_by_loops(a, b):
    weights = np.array([0.299, 0.587, 0.114])
    a, b = a @ weights, b @ weights
    at = np.arange(-5, 6)
    window = np.exp(-(at[:, None] ** 2 + at**2) / 4.5)
    window /= window.sum()
    values = []
    for i, j in np.ndindex(a.shape[0] - 10, a.shape[1] - 10):
        p, q = a[i : i + 11, j : j + 11], b[i : i + 11, j : j + 11]
        mean_p, mean_q = np.sum(window * p), np.sum(window * q)
        var_p, var_q = np.sum(window * (p - mean_p) ** 2), np.sum(window * (q - mean_q) ** 2)
        cov = np.sum(window * (p - mean_p) * (q - mean_q))
        luminance = (2 * mean_p * mean_q + 1e-4) / (mean_p**2 + mean_q**2 + 1e-4)
        values.append(luminance * (2 * cov + 9e-4) / (var_p + var_q + 9e-4))
    return np.mean(values)


def test_similarity_is_its_formula():
    a, b = noise(1, (13, 17, 3)), noise(2, (13, 17, 3))
    b = 0.6 * a + 0.4 * b
    assert structural_similarity(a, b) == pytest.approx(similarity_by_loops(a, b))


def test_similarity_is_one_of_the_same_and_falls():
    a = 0.5 + 0.3 * np.sin(np.arange(88) / 1.3)[:, None] + 0.05 * noise(5)
    found = [
        structural_similarity(a, np.clip(a + much * (noise(3) - 0.5), 0, 1))
        for much in (0, 0.2, 0.4, 0.8)
    ]
    assert found[0] == pytest.approx(1)
    assert all(np.diff(found) < 0)
    assert structural_similarity(a, 1 - a) < 0
    b = noise(4)
    assert structural_similarity(a, b) == pytest.approx(structural_similarity(b, a))


def test_a_picture_smaller_than_a_window_is_refused():
    with pytest.raises(InputError, match="at least 11"):
        structural_similarity(noise(1, (10, 40, 3)), noise(2, (10, 40, 3)))


def test_decibels_are_of_the_mean_square():
    a = 0.9 * noise(1).astype(np.float32)
    assert signal_to_noise(a, a + np.float32(0.1)) == pytest.approx(20, abs=1e-4)
    assert signal_to_noise(a, a) == 100
