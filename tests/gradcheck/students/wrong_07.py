"""Assignment 3. Object oriented: every layer is a class with forward and backward."""

import numpy as np


class Pixels:
    def __init__(self, scale, shift, order):
        self.scale, self.shift, self.order = scale, shift, list(order)

    def forward(self, x):
        return self.scale * x[..., self.order] + self.shift

    def backward(self, grad):
        out = np.zeros_like(grad)
        out[..., self.order] = grad * self.scale
        return out


class Conv:
    def __init__(self, w, b):
        self.w, self.b = w, b

    def forward(self, x):
        self.x = np.pad(x, ((1, 1), (1, 1), (0, 0)))
        H, W, _ = x.shape
        y = np.zeros((H, W, len(self.b))) + self.b
        for u in range(3):
            for v in range(3):
                y += np.dot(self.x[u : u + H, v : v + W], self.w[u, v])
        return y

    def backward(self, grad):
        H, W, _ = grad.shape
        dx = np.zeros_like(self.x)
        for u in range(3):
            for v in range(3):
                dx[u : u + H, v : v + W] += np.dot(grad, self.w[u, v].T)
        return dx[1:-1, 1:-1]


class ReLU:
    def forward(self, x):
        self.mask = x > 0
        return x * self.mask

    def backward(self, grad):
        return grad * self.mask


class AvgPool:
    def forward(self, x):
        self.shape = x.shape
        h, w = x.shape[0] // 2, x.shape[1] // 2
        return x[: h * 2, : w * 2].reshape(h, 2, w, 2, -1).mean(axis=(1, 3))

    def backward(self, grad):
        dx = np.zeros(self.shape)
        h, w, _ = grad.shape
        for u in range(2):
            for v in range(2):
                dx[u : 2 * h : 2, v : 2 * w : 2] = grad / 4
        return dx


def make(name, params):
    if name.startswith("conv"):
        return Conv(*params)
    return ReLU() if name.startswith("relu") else AvgPool()


# expect: content
def objective_backward(x, pixels, layers, content, style, tv_weight):
    net = [("pixels", Pixels(*pixels))] + [(n, make(n, p)) for n, p in layers]
    feats = {}
    y = x
    for name, layer in net:
        y = layer.forward(y)
        feats[name] = y
    grad = np.zeros_like(y)
    last = list(content)[-1]
    for name, layer in reversed(net):
        if name == last:
            weight, P = content[name]
            grad = grad + weight * (feats[name] - P)
        if name in style:
            weight, A = style[name]
            F = feats[name].reshape(-1, feats[name].shape[-1])
            M, N = F.shape
            grad = grad + (weight / (N**2 * M**2) * F @ (F.T @ F - A)).reshape(feats[name].shape)
        grad = layer.backward(grad)
    d0, d1 = np.diff(x, axis=0), np.diff(x, axis=1)
    tv = np.zeros_like(x)
    tv[1:] += d0
    tv[:-1] -= d0
    tv[:, 1:] += d1
    tv[:, :-1] -= d1
    return grad + 2 * tv_weight * tv


# expect: horizontal|direction|vertical|j ?\+ ?1|left and right|beside
def tv_backward(x):
    d0 = np.diff(x, axis=0)
    tv = np.zeros_like(x)
    tv[1:] += d0
    tv[:-1] -= d0
    return 2 * tv


# expect: average|every|all four|¼|quarter|spread
def maxpool_backward(dL_dy, x):
    layer = AvgPool()
    layer.forward(x)
    return layer.backward(dL_dy)


# expect: leak|slope|0\.01|negative
def relu_backward(dL_dy, x, alpha=0.01):
    return dL_dy * np.where(x > 0, 1, alpha)


# expect: pad|border|outside|edge|inner|interior
def conv3x3_backward_w(dL_dy, x):
    H, W, C = x.shape
    K = dL_dy.shape[2]
    dw = np.zeros((3, 3, C, K))
    for i in range(1, H - 1):
        for j in range(1, W - 1):
            for k in range(K):
                dw[:, :, :, k] += x[i - 1 : i + 2, j - 1 : j + 2, :] * dL_dy[i, j, k]
    return dw


# expect: sign|A − G|negat|minus
def style_backward(F, A):
    F2 = F.reshape(-1, F.shape[-1])
    M, N = F2.shape
    G = np.dot(F2.T, F2)
    return (F2 @ (A - G) / (N**2 * M**2)).reshape(F.shape)
