"""Style transfer homework, K. M., all helper functions at the bottom."""

import numpy as np


# expect: mask|relu
def objective_backward(x, pixels, layers, content, style, tv_weight):
    acts = forward_all(x, pixels, layers)
    names = [n for n, _ in layers]
    grad = np.zeros_like(acts[names[-1]])
    first_relu = acts["relu1_1"] > 0
    for name, params in reversed(layers):
        F = acts[name]
        if name in content:
            grad = grad + content[name][0] * (F - content[name][1])
        if name in style:
            grad = grad + style[name][0] * gram_step(F, style[name][1])
        if name.startswith("conv"):
            grad = conv_back(grad, params[0])
        elif name.startswith("relu"):
            # use the mask that we saved, if it fits
            mask = first_relu if first_relu.shape == grad.shape else F > 0
            grad = grad * mask
        else:
            before = acts[names[names.index(name) - 1]]
            grad = pool_back(grad, before.shape)
    return pixel_back(grad, pixels) + tv_weight * tv(x)


# expect: order|BGR|RGB|hard|permut|revers
def pixels_backward(dL_dz, scale, order):
    return (dL_dz * scale)[..., ::-1]  # BGR


# expect: divided|\bM\b|positions|normali
def style_backward(F, A):
    H, W, N = F.shape
    f = F.reshape(H * W, N)
    return (f @ (f.T @ f / (H * W) - A)).reshape(F.shape) / (N**2 * (H * W) ** 2)


# expect: above 1|x ?>=? ?1|threshold|between 0 and 1|\[
def relu_backward(dL_dy, x):
    dx = np.zeros_like(dL_dy)
    dx[x >= 1] = dL_dy[x >= 1]
    return dx


# expect: size|number of|divided|mean|factor|\bpixels\b|1/\(C·M\)
def tv_backward(x):
    return tv(x) / x.size


def forward_all(x, pixels, layers):
    scale, shift, order = pixels
    h = x[:, :, list(order)] * scale + shift
    acts = {}
    for name, params in layers:
        if name.startswith("conv"):
            w, b = params
            H, W, _ = h.shape
            hp = np.pad(h, ((1, 1), (1, 1), (0, 0)))
            h = sum(hp[u : u + H, v : v + W] @ w[u, v] for u in range(3) for v in range(3)) + b
        elif name.startswith("relu"):
            h = np.maximum(h, 0)
        else:
            h = h[: h.shape[0] // 2 * 2, : h.shape[1] // 2 * 2]
            h = 0.25 * (h[::2, ::2] + h[::2, 1::2] + h[1::2, ::2] + h[1::2, 1::2])
        acts[name] = h
    return acts


def gram_step(F, A):
    M, N = F.shape[0] * F.shape[1], F.shape[2]
    f = F.reshape(M, N)
    return (f @ (f.T @ f - A) / (N**2 * M**2)).reshape(F.shape)


def conv_back(grad, w):
    H, W, _ = grad.shape
    out = np.zeros((H + 2, W + 2, w.shape[2]))
    for u in range(3):
        for v in range(3):
            out[u : u + H, v : v + W] += grad @ w[u, v].T
    return out[1:-1, 1:-1]


def pool_back(grad, shape):
    out = np.zeros(shape)
    for i in range(grad.shape[0]):
        for j in range(grad.shape[1]):
            out[2 * i : 2 * i + 2, 2 * j : 2 * j + 2] = grad[i, j] / 4
    return out


def pixel_back(grad, pixels):
    scale, shift, order = pixels
    out = np.zeros_like(grad)
    out[:, :, list(order)] = grad * scale
    return out


def tv(x):
    g = np.zeros_like(x)
    for ax in (0, 1):
        d = 2 * np.diff(x, axis=ax)
        pad_hi = [(0, 0)] * 3
        pad_lo = [(0, 0)] * 3
        pad_hi[ax], pad_lo[ax] = (1, 0), (0, 1)
        g += np.pad(d, pad_hi) - np.pad(d, pad_lo)
    return g
