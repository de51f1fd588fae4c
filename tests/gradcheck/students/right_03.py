# scipy: correlate2d, ndimage, sparse matrices, FFT. Everything channels first inside.
import numpy as np


def cf(a):
    return np.moveaxis(a, -1, 0)


def cl(a):
    return np.moveaxis(a, 0, -1)  # a view with strange strides


def content_backward(features, photo):
    return cl(cf(features) - cf(photo))


def gram_backward(upstream, maps):
    f = cf(maps).reshape(maps.shape[-1], -1)
    return cl(((upstream + upstream.T) @ f).reshape(cf(maps).shape))


def style_backward(maps, target):
    f = cf(maps).reshape(maps.shape[-1], -1)
    n, m = f.shape
    return cl(((f @ f.T - target) @ f).reshape(cf(maps).shape)) / n**2 / m**2


def tv_backward(picture):
    from scipy import sparse

    def laplacian(n):
        d = sparse.diags([-np.ones(n - 1), np.ones(n - 1)], [0, 1], shape=(n - 1, n))
        return (d.T @ d).toarray()

    H, W, _ = picture.shape
    c = cf(picture)
    return cl(2 * (laplacian(H) @ c + c @ laplacian(W)))


def relu_backward(upstream, before):
    out = upstream.copy(order="F")
    np.copyto(out, 0, where=before <= 0)
    return out


def avgpool_backward(upstream, shape):
    from scipy import sparse

    H, W, _ = shape

    def spread(n):
        m = sparse.lil_matrix((n, n // 2))
        for i in range(n // 2):
            m[2 * i, i] = m[2 * i + 1, i] = 0.5
        return m.toarray()

    return cl(spread(H) @ cf(upstream) @ spread(W).T)


def maxpool_backward(upstream, before):
    h, w, C = upstream.shape
    blocks = cf(before)[:, : 2 * h, : 2 * w].reshape(C, h, 2, w, 2).swapaxes(2, 3)
    flat = blocks.reshape(C, h, w, 4)
    g = np.zeros_like(flat)
    np.put_along_axis(g, flat.argmax(-1)[..., None], cf(upstream)[..., None], -1)
    out = np.zeros((C,) + before.shape[:2])
    out[:, : 2 * h, : 2 * w] = g.reshape(C, h, w, 2, 2).swapaxes(2, 3).reshape(C, 2 * h, 2 * w)
    return cl(out)


def conv3x3_backward(upstream, filters):
    from scipy import signal

    g, C, K = cf(upstream), filters.shape[2], filters.shape[3]
    return cl(
        np.stack(
            [
                sum(signal.convolve2d(g[k], filters[:, :, c, k], mode="same") for k in range(K))
                for c in range(C)
            ]
        )
    )


def conv3x3_backward_w(upstream, before):
    from scipy import signal

    g, a = cf(upstream), np.pad(cf(before), ((0, 0), (1, 1), (1, 1)))
    dw = np.array([[signal.correlate2d(ac, gk, mode="valid") for gk in g] for ac in a])
    return dw.transpose(2, 3, 0, 1)


def conv3x3_backward_b(upstream):
    from scipy import ndimage

    return ndimage.sum_labels(
        upstream, np.broadcast_to(np.arange(upstream.shape[2]), upstream.shape),
        np.arange(upstream.shape[2]),
    )


def pixels_backward(upstream, scale, order):
    inverse = np.argsort(order)
    return (upstream * scale)[:, :, inverse]


def _out(name, par, a):
    from scipy import ndimage

    if name.startswith("conv"):
        w, b = par
        return np.stack(
            [
                sum(
                    ndimage.correlate(a[..., c], w[..., c, k], mode="constant")
                    for c in range(a.shape[-1])
                )
                + b[k]
                for k in range(len(b))
            ],
            -1,
        )
    if name.startswith("relu"):
        return a.clip(0)
    h, w = a.shape[0] // 2, a.shape[1] // 2
    return ndimage.uniform_filter(a, (2, 2, 1), origin=(-1, -1, 0))[: 2 * h : 2, : 2 * w : 2]


def objective_backward(picture, pixels, layers, content, style, tv_weight):
    scale, shift, order = pixels

    def descend(k, a):
        """gradient of the loss of layers k, k+1, … with respect to a"""
        if k == len(layers):
            return np.zeros_like(a)
        name, par = layers[k]
        F = _out(name, par, a)
        g = descend(k + 1, F)
        if name in content:
            g = g + content[name][0] * content_backward(F, content[name][1])
        if name in style:
            g = g + style[name][0] * style_backward(F, style[name][1])
        if name.startswith("conv"):
            return conv3x3_backward(g, par[0])
        if name.startswith("relu"):
            return relu_backward(g, a)
        return avgpool_backward(g, a.shape)

    g = descend(0, picture[:, :, list(order)] * scale + shift)
    return pixels_backward(g, scale, order) + tv_weight * tv_backward(picture)
