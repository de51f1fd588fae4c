"""Misbehaviour; the functions in between are right."""
import os
import sys

import numpy as np

calls = 0


# expect: endless|long|seconds|time
def content_backward(F, P):
    while True:
        pass


# expect: ended|exit|died|stopped|status
def gram_backward(dL_dG, F):
    os._exit(0)


# expect: division|ZeroDivision
def style_backward(F, A):
    return F / (1 // 0)


# expect: PASS
def tv_backward(x):
    g = np.zeros_like(x)
    for ax in (0, 1):
        d = 2 * np.swapaxes(np.diff(x, axis=ax), 0, ax)
        t = np.swapaxes(g, 0, ax)
        t[1:] += d
        t[:-1] -= d
    return g


# expect: argument|in place|changed|leave
def relu_backward(dL_dy, x):
    dL_dy[x <= 0] = 0
    return dL_dy


# expect: second|differ|same|state|twice|again
def avgpool_backward(dL_dy, x_shape):
    global calls
    calls += 1
    g = np.zeros(x_shape)
    h, w, _ = dL_dy.shape
    g[: 2 * h, : 2 * w] = dL_dy.repeat(2, 0).repeat(2, 1) / 4
    return g * calls


# expect: memory
def maxpool_backward(dL_dy, x):
    return np.ones((200_000, 200_000))[: x.shape[0], : x.shape[1], None] * x


# expect: recursion
def conv3x3_backward(dL_dy, w):
    return conv3x3_backward(dL_dy, w)


# expect: exit|ended|SystemExit
def conv3x3_backward_w(dL_dy, x):
    sys.exit("not done yet")


# expect: PASS
def conv3x3_backward_b(dL_dy):
    for _ in range(2000):
        print("debug " * 50)
    return dL_dy.sum((0, 1))


# expect: NotImplemented|not filled|fill|missing
def pixels_backward(dL_dz, scale, order):
    raise NotImplementedError("dL_dx")
