import numpy as np


class Net:
    """tiny autograd-free net"""

    def __init__(self, pixels, layers):
        self.scale, self.shift, order = pixels
        self.order = list(order)
        self.layers = layers

    def forward(self, x):
        self.F = {}
        self.inp = {}
        h = x[:, :, self.order] * self.scale + self.shift
        for name, par in self.layers:
            self.inp[name] = h
            if name.startswith("conv"):
                h = self.conv(h, *par)
            elif name.startswith("relu"):
                np.maximum(h, 0, out=h)
            else:
                h = self.pool(h)
            self.F[name] = h
        return self.F

    @staticmethod
    def conv(h, w, b):
        H, W, _ = h.shape
        p = np.pad(h, ((1, 1), (1, 1), (0, 0)))
        return b + sum(p[i : i + H, j : j + W] @ w[i, j] for i in range(3) for j in range(3))

    @staticmethod
    def pool(h):
        a, b = h.shape[0] // 2 * 2, h.shape[1] // 2 * 2
        h = h[:a, :b]
        return (h[::2, ::2] + h[1::2, ::2] + h[::2, 1::2] + h[1::2, 1::2]) / 4

    def back(self, name, par, g):
        if name.startswith("conv"):
            H, W, _ = g.shape
            p = np.zeros((H + 2, W + 2, par[0].shape[2]))
            for i in range(3):
                for j in range(3):
                    p[i : i + H, j : j + W] += g @ par[0][i, j].T
            return p[1:-1, 1:-1]
        if name.startswith("relu"):
            return g * (self.F[name] > 0)
        r = np.zeros(self.inp[name].shape)
        for i in range(2):
            for j in range(2):
                r[i : 2 * g.shape[0] : 2, j : 2 * g.shape[1] : 2] = g / 4
        return r


# expect: in.?place|conv1_2|relu|overwr
def objective_backward(x, pixels, layers, content, style, tv_weight):
    net = Net(pixels, layers)
    net.forward(x)
    g = np.zeros_like(net.F[layers[-1][0]])
    for name, par in reversed(layers):
        F = net.F[name]
        if name in content:
            g = g + content[name][0] * (F - content[name][1])
        if name in style:
            f = F.reshape(-1, F.shape[2])
            M, N = f.shape
            g = g + (style[name][0] / (N * M) ** 2 * f @ (f.T @ f - style[name][1])).reshape(F.shape)
        g = net.back(name, par, g)
    dx = np.zeros_like(x)
    dx[:, :, net.order] = net.scale * g
    for ax in (0, 1):
        d = np.diff(x, axis=ax)
        idx = np.arange(x.shape[ax] - 1)
        if ax == 0:
            dx[idx + 1] += 2 * tv_weight * d
            dx[idx] -= 2 * tv_weight * d
        else:
            dx[:, idx + 1] += 2 * tv_weight * d
            dx[:, idx] -= 2 * tv_weight * d
    return dx


# expect-located: row|\[
def gram_backward(dL_dG, F):
    H, W, N = F.shape
    out = np.zeros(F.shape)
    S = dL_dG + dL_dG.T
    for i in range(H):
        for j in range(W - 1):
            out[i, j] = S @ F[i, j]
    return out


# expect: interior|border|edge
def tv_backward(x):
    g = np.zeros_like(x)
    g[1:-1, 1:-1] = 2 * (
        4 * x[1:-1, 1:-1] - x[:-2, 1:-1] - x[2:, 1:-1] - x[1:-1, :-2] - x[1:-1, 2:]
    )
    return g


# expect: \bmax|winner|largest|average|one of|one entry|one in
def avgpool_backward(dL_dy, x_shape):
    g = np.zeros(x_shape)
    rng = np.random.default_rng(0)
    # we do not know x, so pick one entry of each window
    for i in range(dL_dy.shape[0]):
        for j in range(dL_dy.shape[1]):
            u, v = rng.integers(0, 2, 2)
            g[2 * i + u, 2 * j + v] = dL_dy[i, j]
    return g


# expect: turned|flip|180|rotat|mirror
def conv3x3_backward_w(dL_dy, x):
    H, W, _ = x.shape
    p = np.pad(dL_dy, ((1, 1), (1, 1), (0, 0)))
    return np.array(
        [
            [np.tensordot(x, p[u : u + H, v : v + W], ([0, 1], [0, 1])) for v in range(3)]
            for u in range(3)
        ]
    )
