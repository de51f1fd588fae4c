"""The judge of paintings: its distances against plain formulas."""

import numpy as np
import pytest
from proofs import small_weights

from manualnst.backends import get_backend
from manualnst.errors import InputError
from manualnst.network.network import Network
from manualnst.pictures.resizing import resize
from manualnst.studies.judge import VARIABLE, Judge, chosen_judge

SHAPE = (48, 40, 3)


def noise(seed, shape=SHAPE):
    return np.random.default_rng(seed).random(shape, np.float32)


@pytest.fixture(scope="module")
def weights():
    return small_weights(architecture="vgg16")


def slow_style_distance(picture, style, weights):
    """The formula, sum by sum, in double precision."""
    network = Network(weights, backend=get_backend("numpy"), dtype=np.float64)
    distances = []
    for block in range(1, 6):
        layer = f"relu{block}_1"
        statistics = []
        for each in (picture, style):
            F = network.forward(each.astype(np.float64), [layer])[0][layer]
            F = F.reshape(-1, F.shape[2])
            mean = [sum(column) / len(F) for column in F.T]
            covariance = [
                [sum((a - m) * (b - n)) / len(F) for b, n in zip(F.T, mean, strict=True)]
                for a, m in zip(F.T, mean, strict=True)
            ]
            statistics.append((np.array(mean), np.array(covariance)))
        (m, S), (m_style, S_style) = statistics
        of_mean = np.sum((m - m_style) ** 2) / np.sum(m_style**2)
        of_covariance = np.sum((S - S_style) ** 2) / np.sum(S_style**2)
        distances.append(np.sqrt(of_mean + of_covariance))
    return distances


def test_the_style_s_distance_is_that_of_the_formula(weights):
    picture, style = noise(0, (36, 33, 3)), noise(1, (32, 36, 3))
    verdict = Judge(weights).verdict(picture, picture, style)
    slow = slow_style_distance(picture, style, weights)
    assert list(verdict.style_by_layer) == [f"relu{block}_1" for block in range(1, 6)]
    assert list(verdict.style_by_layer.values()) == pytest.approx(slow, rel=1e-4)
    assert verdict.style == pytest.approx(np.mean(slow), rel=1e-4)
    assert verdict.style_of_content == verdict.style
    assert verdict.content == 0


def test_the_content_s_distance_is_relative_to_the_content(weights):
    picture, content = noise(0), noise(1)
    network = Network(weights, backend=get_backend("numpy"))
    F, P = (network.forward(each, ["relu4_2"])[0]["relu4_2"] for each in (picture, content))
    expected = np.sqrt(np.sum((F - P) ** 2) / np.sum(P**2))
    found = Judge(weights).verdict(picture, content, content)
    assert found.content == pytest.approx(expected, rel=1e-5)


def test_a_picture_is_at_no_distance_from_itself(weights):
    picture = noise(0)
    verdict = Judge(weights).verdict(picture, picture, picture)
    assert verdict.style == verdict.content == 0
    assert set(verdict.style_by_layer.values()) == {0}


def test_pictures_are_brought_to_the_size_of_the_painting(weights):
    painting, content, style = noise(0), noise(1, (90, 77, 3)), noise(2, (30, 40, 3))
    found = Judge(weights).verdict(painting, content, style)
    content, style = resize(content, 48, 40), resize(style, 36, 48)  # one is made larger
    assert found == Judge(weights).verdict(painting, content, style)


def test_the_judge_is_the_one_given_or_that_of_the_environment(monkeypatch):
    monkeypatch.setenv(VARIABLE, "vgg16.h5")
    assert chosen_judge("other.h5") == "other.h5" and chosen_judge(None) == "vgg16.h5"
    monkeypatch.delenv(VARIABLE)
    with pytest.raises(InputError, match=f"--judge WEIGHTS, or set {VARIABLE}"):
        chosen_judge(None)
