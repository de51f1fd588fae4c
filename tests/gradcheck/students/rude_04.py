"""Wrong kinds of results, one after the other; those in between are right."""
import numpy as np


# expect: None|returned nothing|return
def content_backward(F, P):
    D = F - P


# expect: shape
def gram_backward(dL_dG, F):
    f = F.reshape(-1, F.shape[2])
    return f @ (dL_dG + dL_dG.T)


# expect: nan|finite
def style_backward(F, A):
    return (F - F) / 0.0


# expect: int|type|array|number
def tv_backward(x):
    return "2 * laplacian(x)"


# expect: PASS
def relu_backward(dL_dy, x):
    return dL_dy * (x > 0)


# expect: int64|dtype|integer|whole
def avgpool_backward(dL_dy, x_shape):
    return np.zeros(x_shape, dtype=int)


# expect: complex
def maxpool_backward(dL_dy, x):
    return np.zeros(x.shape, dtype=complex) + 1j


# expect: takes|argument
def conv3x3_backward(dL_dy, w, x):
    return x


# expect: list|tuple|array|type|\(
def conv3x3_backward_w(dL_dy, x):
    return np.zeros((3, 3, x.shape[2], dL_dy.shape[2])), dL_dy.sum((0, 1))


# expect: PASS
def conv3x3_backward_b(dL_dy):
    return dL_dy.sum((0, 1))


# expect: nan|inf|finite
def pixels_backward(dL_dz, scale, order):
    g = dL_dz.copy()
    g[0, 0] = np.inf
    return g
