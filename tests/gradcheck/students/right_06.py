import numpy as np


def content_backward(*args):
    F, P = args
    return F - P


def gram_backward(dL_dG, F, /):
    n = F.shape[2]
    return (F.reshape(-1, n) @ (dL_dG + dL_dG.T)).reshape(F.shape)


def relu_backward(x, dL_dy):  # by their names, whatever their order
    return dL_dy * (x >= 0)


def tv_backward(image, *, factor=2):
    g = np.zeros_like(image)
    for (a, b), far in zip(((1, 0), (0, 1)), (image[1:], image[:, 1:])):
        d = factor * (far - image[: far.shape[0], : far.shape[1]])
        g[a:, b:] += d
        g[: d.shape[0], : d.shape[1]] -= d
    return g


def conv3x3_backward_b(dL_dy):
    return [float(v) for v in dL_dy.reshape(-1, dL_dy.shape[2]).T.sum(axis=1)]


class Pool:
    @staticmethod
    def backward(dL_dy, x_shape):
        g = np.zeros(x_shape)
        for k in range(4):
            u, v = divmod(k, 2)
            g[u : 2 * len(dL_dy) : 2, v : 2 * dL_dy.shape[1] : 2] = dL_dy
        return g * 0.25


avgpool_backward = Pool().backward
