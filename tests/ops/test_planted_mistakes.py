"""The tests are tested: every backward is broken on purpose, and the oracles must notice."""

import numpy as np
import pytest
from proofs import check_pair, random_array

from manualnst.backends import get_backend

numpy_backend = get_backend("numpy")
W = random_array(1, (3, 3, 3, 4))
B = random_array(2, (4,))


def conv(x):
    return numpy_backend.conv3x3_forward(x, W.astype(x.dtype), B.astype(x.dtype))


def conv_with(kernel):
    no_bias = np.zeros(3)
    return lambda dL_dy, w: numpy_backend.conv3x3_forward(dL_dy, kernel(w).copy(), no_bias)[0]


def shifted(backward):
    return lambda dL_dy, cache: np.roll(backward(dL_dy, cache), 1, axis=0)


def relu_mask_of_output(dL_dy, cache):
    return dL_dy * (dL_dy > 0)


def relu_mask_turned(dL_dy, cache):
    return dL_dy - numpy_backend.relu_backward(dL_dy, cache)


def maxpool_to_all(dL_dy, cache):
    return numpy_backend.avgpool_backward(dL_dy, cache[1])


def pixels(x):
    return numpy_backend.pixels_forward(
        x, np.array([1.0, 2.0, 3.0]), np.array([0.5, 0.6, 0.7]), [2, 1, 0]
    )


MISTAKES = {
    "conv: kernel not turned": (conv, conv_with(lambda w: w.swapaxes(2, 3))),
    "conv: turned in one direction only": (conv, conv_with(lambda w: w[::-1].swapaxes(2, 3))),
    "conv: height and width swapped": (
        conv,
        conv_with(lambda w: w[::-1, ::-1].transpose(1, 0, 3, 2)),
    ),
    "conv: channels out of order": (
        conv,
        conv_with(lambda w: w[::-1, ::-1, ::-1].swapaxes(2, 3)),
    ),
    "conv: shifted by a row": (conv, shifted(numpy_backend.conv3x3_backward)),
    "conv: doubled": (conv, lambda dy, w: 2 * numpy_backend.conv3x3_backward(dy, w)),
    "relu: mask from the gradient": (numpy_backend.relu_forward, relu_mask_of_output),
    "relu: mask turned round": (numpy_backend.relu_forward, relu_mask_turned),
    "relu: no mask": (numpy_backend.relu_forward, lambda dy, cache: dy),
    "avgpool: without ¼": (
        numpy_backend.avgpool_forward,
        lambda dy, cache: 4 * numpy_backend.avgpool_backward(dy, cache),
    ),
    "avgpool: shifted": (numpy_backend.avgpool_forward, shifted(numpy_backend.avgpool_backward)),
    "maxpool: spread over the window": (numpy_backend.maxpool_forward, maxpool_to_all),
    "pixels: channels not turned back": (pixels, lambda dz, cache: dz * cache[0]),
    "pixels: scale forgotten": (
        pixels,
        lambda dz, cache: numpy_backend.pixels_backward(dz / cache[0], cache),
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_is_caught(mistake):
    forward, backward = MISTAKES[mistake]
    with pytest.raises(AssertionError, match="relative error"):
        check_pair(forward, backward, random_array(5, (4, 6, 3)))
