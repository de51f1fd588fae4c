"""Which channels are kept, and their filters by least squares."""

import numpy as np
import pytest
from proofs import assert_close, random_array, small_weights

from weights.narrow import layers, network, squares

WIDTHS = {"conv1_1": 4, "conv1_2": 3, "conv2_1": 4, "conv2_2": 3}


def moments_of(columns):
    return columns.T @ columns / len(columns)


def greedy(columns, count):
    """The same choice, as it is told: take the longest, take its part away from all others."""
    left, chosen = columns.copy(), []
    for _ in range(count):
        chosen.append(int(np.argmax(np.sum(left**2, axis=0))))
        q = left[:, chosen[-1]] / np.linalg.norm(left[:, chosen[-1]])
        left -= np.outer(q, q @ left)
        left[:, chosen] = 0
    return sorted(chosen)


@pytest.mark.parametrize("count", [1, 3, 8])
def test_pivots_are_those_of_the_greedy_loop(count):
    columns = random_array(1, (50, 8)) @ random_array(2, (8, 8)) * np.arange(1, 9)
    order = squares.pivots(moments_of(columns), count)
    assert list(order) == greedy(columns, count)


def test_copies_and_sums_of_channels_are_left_out():
    own = random_array(1, (60, 4)) * [1.0, 2.0, 3.0, 4.0]
    copies = np.stack([0.5 * own[:, 2], own[:, 0] * 0.9, 0.3 * own[:, 1] - 0.4 * own[:, 3]], axis=1)
    columns = np.concatenate([copies[:, :2], own, copies[:, 2:]], axis=1)
    assert list(squares.pivots(moments_of(columns), 4)) == [2, 3, 4, 5]


def lesson(n=40, C=2, K=3):
    return random_array(1, (n, 9 * C)), random_array(2, (n, K))


def test_filters_are_those_of_numpys_least_squares():
    """With the ridge as further rows √ρ · 1, for which nothing is wanted."""
    patches, wanted = lesson()
    w, b = squares.fit([patches[:7], patches[7:]], [wanted[:7], wanted[7:]])
    P = np.concatenate([patches, np.ones((40, 1))], axis=1)
    rho = squares.RIDGE * np.sum(P**2) / 19
    rows = np.concatenate([P, np.sqrt(rho) * np.eye(19)])
    u = np.linalg.lstsq(rows, np.concatenate([wanted, np.zeros((19, 3))]), rcond=None)[0]
    assert w.shape == (3, 3, 2, 3) and w.dtype == b.dtype == np.float32
    assert_close(w, u[:-1].reshape(3, 3, 2, 3), 1e-6)
    assert_close(b, u[-1], 1e-6)


def test_no_filters_near_by_are_better():
    """The gradient that the docstring sets to zero, by differences of the sum of squares."""
    patches, wanted = lesson()
    P = np.concatenate([patches, np.ones((40, 1))], axis=1)
    rho = squares.RIDGE * np.sum(P**2) / 19
    w, b = squares.fit([patches], [wanted])
    u = np.concatenate([w.reshape(-1, 3), b[None]]).astype(float)

    def total(u):
        return np.sum((P @ u - wanted) ** 2) + rho * np.sum(u**2)

    for seed in range(5):
        d = 1e-3 * random_array(seed, u.shape)
        assert min(total(u + d), total(u - d)) > total(u)


def test_filters_that_made_the_maps_are_found_again():
    """Patches are taken as the convolution takes them: u, v, channel."""
    x, w, b = random_array(3, (2, 6, 5, 2)), random_array(4, (3, 3, 2, 3)), random_array(5, (3,))
    z = layers.conv3x3_forward(x, w)
    own = np.array([0, 2])
    found_w, found_b = squares._fitted([x[:1], x[1:]], [z[:1], z[1:]], b, own, fixed_random())
    assert_close(found_w, w[..., own], 0.01)  # the ridge
    assert_close(found_b, b[own], 0.01)


def fixed_random():
    return np.random.RandomState(1)


def tiny_teacher():
    weights = small_weights(2, (4, 5, 6, 7, 8), "conv2_2", "vgg16")
    return {
        name: value.astype(np.float32) for name, value in network.parameters_of(weights).items()
    }


def narrowed(widths, seed=1, told=None):
    x = random_array(3, (6, 12, 8, 3), np.float32)
    tell = [].append if told is None else told.append
    return squares.narrowed(tiny_teacher(), widths, x, seed, tell), x


def test_of_full_width_it_is_the_teacher(monkeypatch):
    monkeypatch.setattr(squares, "RIDGE", 1e-12)
    full = {"conv1_1": 4, "conv1_2": 4, "conv2_1": 5, "conv2_2": 5}
    (parameters, kept), x = narrowed(full)
    assert all(list(own) == list(range(full[name])) for name, own in kept.items())
    _, expected = network.forward(tiny_teacher(), full, x)
    _, maps = network.forward(parameters, full, x)
    for name in full:
        assert_close(maps[name], expected[name], 1e-4)  # of float32, layer upon layer


def test_kept_channels_are_sorted_and_each_once():
    told = []
    (parameters, kept), x = narrowed(WIDTHS, told=told)
    below = 3
    for name, width in WIDTHS.items():
        assert len(kept[name]) == width
        assert np.all(np.diff(kept[name]) > 0)
        assert parameters[f"{name}.w"].shape == (3, 3, below, width)
        assert parameters[f"{name}.b"].shape == (width,)
        below = width
    assert told == [f"fitting: {name}" for name in WIDTHS]


def test_the_first_filters_are_the_teachers_own():
    (parameters, kept), _ = narrowed(WIDTHS | {"conv1_1": 3})
    teacher, own = tiny_teacher(), kept["conv1_1"]
    np.testing.assert_array_equal(parameters["conv1_1.w"], teacher["conv1_1.w"][..., own])
    np.testing.assert_array_equal(parameters["conv1_1.b"], teacher["conv1_1.b"][own])


def test_the_narrow_network_sees_nearly_the_same():
    """Better than the teacher's own filters of the kept channels do, the others left out."""
    (parameters, kept), x = narrowed(WIDTHS)
    teacher = tiny_teacher()
    cut, below = {}, np.arange(3)
    for name, own in kept.items():
        cut[f"{name}.w"] = teacher[f"{name}.w"][:, :, below][..., own]
        cut[f"{name}.b"] = teacher[f"{name}.b"][own]
        below = own
    _, full = network.forward(teacher, WIDTHS, x)
    targets = {name: full[name][..., own] for name, own in kept.items()}
    energies = {name: float(np.mean(t**2)) for name, t in targets.items()}
    fitted, plain = (
        network.errors(network.forward(p, WIDTHS, x)[1], targets, energies)[0]
        for p in (parameters, cut)
    )
    assert fitted["conv1_1"] < 1e-12 and plain["conv1_1"] < 1e-12
    for name in ("conv2_1", "conv2_2"):
        assert fitted[name] < 0.7 * plain[name]


def test_places_are_drawn_by_the_seed(monkeypatch):
    monkeypatch.setattr(squares, "PLACES", 20)
    first, again, other = (narrowed(WIDTHS, seed)[0][0]["conv2_2.w"] for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)
