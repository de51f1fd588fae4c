"""The oracle of the losses: loops, as the equations are written.

Backward functions follow the chain rule literally, as those of ops.py do.
"""

import numpy as np


def squared_error_forward(F, P):
    loss = 0.0
    for index in np.ndindex(F.shape):
        loss += 0.5 * (F[index].item() - P[index].item()) ** 2
    return loss, F - P


def squared_error_backward(dL_dloss, cache):
    D = cache
    dL_dF = np.zeros_like(D)
    for index in np.ndindex(D.shape):
        dL_dF[index] = dL_dloss * D[index]
    return dL_dF


def gram_forward(F):
    H, W, N = F.shape
    G = np.zeros((N, N), F.dtype)
    for p, q, i, j in np.ndindex(H, W, N, N):
        G[i, j] += F[p, q, i] * F[p, q, j]
    return G, F


def gram_backward(dL_dG, cache, onto=None):
    F = cache
    H, W, N = F.shape
    dL_dF = np.zeros_like(F) if onto is None else onto
    for p, q, i, j in np.ndindex(H, W, N, N):
        dL_dF[p, q, i] += dL_dG[i, j] * F[p, q, j]
        dL_dF[p, q, j] += dL_dG[i, j] * F[p, q, i]
    return dL_dF


def mean_and_covariance_forward(F):
    H, W, N = F.shape
    mean = np.zeros(N, F.dtype)
    for p, q, i in np.ndindex(H, W, N):
        mean[i] += F[p, q, i] / (H * W)
    covariance = np.zeros((N, N), F.dtype)
    for p, q, i, j in np.ndindex(H, W, N, N):
        covariance[i, j] += (F[p, q, i] - mean[i]) * (F[p, q, j] - mean[j]) / (H * W)
    return mean, covariance, (F, mean)


def mean_and_covariance_backward(dL_dmean, dL_dcovariance, cache):
    F, mean = cache
    H, W, N = F.shape
    dL_dF = np.zeros_like(F)
    dL_dmean = dL_dmean.copy()  # the mean acts through the covariance, too
    for p, q, i, j in np.ndindex(H, W, N, N):
        share_i = dL_dcovariance[i, j] * (F[p, q, j] - mean[j]) / (H * W)
        share_j = dL_dcovariance[i, j] * (F[p, q, i] - mean[i]) / (H * W)
        dL_dF[p, q, i] += share_i
        dL_dmean[i] -= share_i
        dL_dF[p, q, j] += share_j
        dL_dmean[j] -= share_j
    for p, q, i in np.ndindex(H, W, N):
        dL_dF[p, q, i] += dL_dmean[i] / (H * W)
    return dL_dF


def total_variation_forward(x):
    loss = 0.0
    for near, far in _neighbour_pairs(x.shape):
        loss += (x[far].item() - x[near].item()) ** 2
    return loss, x


def total_variation_backward(dL_dloss, cache):
    x = cache
    dL_dx = np.zeros_like(x)
    for near, far in _neighbour_pairs(x.shape):
        dL_dx[far] += dL_dloss * 2 * (x[far] - x[near])
        dL_dx[near] -= dL_dloss * 2 * (x[far] - x[near])
    return dL_dx


def _neighbour_pairs(shape):
    """Every pair of entries that lie below or beside each other, each pair once."""
    H, W, C = shape
    for i, j, c in np.ndindex(H, W, C):
        if i + 1 < H:
            yield (i, j, c), (i + 1, j, c)
        if j + 1 < W:
            yield (i, j, c), (i, j + 1, c)


def power_variation_forward(x, beta):
    loss = 0.0
    for near in np.ndindex(x.shape):
        pairs = list(_pairs_of(near, x.shape))
        loss += sum((x[far].item() - x[near].item()) ** 2 for far in pairs) ** (beta / 2)
    return loss, (x, beta)


def power_variation_backward(dL_dloss, cache):
    x, beta = cache
    dL_dx = np.zeros_like(x)
    for near in np.ndindex(x.shape):
        pairs = list(_pairs_of(near, x.shape))
        squares = sum((x[far] - x[near]) ** 2 for far in pairs)
        if squares == 0:
            continue  # for β < 2 the power below would be infinite, where the product is 0
        for far in pairs:
            share = dL_dloss * beta * squares ** (beta / 2 - 1) * (x[far] - x[near])
            dL_dx[far] += share
            dL_dx[near] -= share
    return dL_dx


def smoothed_variation_forward(x, epsilon):
    loss = 0.0
    for near in np.ndindex(x.shape):
        for far in _pairs_of(near, x.shape):
            d = x[far].item() - x[near].item()
            loss += d**2 / ((d**2 + epsilon**2) ** 0.5 + epsilon)  # √(d² + ε²) − ε
    return loss, (x, epsilon)


def smoothed_variation_backward(dL_dloss, cache):
    x, epsilon = cache
    dL_dx = np.zeros_like(x)
    for near in np.ndindex(x.shape):
        for far in _pairs_of(near, x.shape):
            d = x[far] - x[near]
            dL_dx[far] += dL_dloss * d / (d**2 + epsilon**2) ** 0.5
            dL_dx[near] -= dL_dloss * d / (d**2 + epsilon**2) ** 0.5
    return dL_dx


def nine_point_variation_forward(x):
    loss = 0.0
    for near, far, factor in _nine_point_pairs(x.shape):
        loss += factor * (x[far].item() - x[near].item()) ** 2
    return loss, x


def nine_point_variation_backward(dL_dloss, cache):
    x = cache
    dL_dx = np.zeros_like(x)
    for near, far, factor in _nine_point_pairs(x.shape):
        d = x[far] - x[near]
        dL_dx[far] += dL_dloss * factor * 2 * d
        dL_dx[near] -= dL_dloss * factor * 2 * d
    return dL_dx


def _nine_point_pairs(shape):
    """Every pair of neighbours with the factor of its square; where one of the two lies beyond the
    border, its copy within."""
    H, W, C = shape

    def within(i, j, c):
        return min(max(i, 0), H - 1), min(max(j, 0), W - 1), c

    for near in np.ndindex(shape):
        for far in _pairs_of(near, shape):
            yield near, far, 2 / (3 * H * W * C)
    for i, j, c in np.ndindex(H + 1, W + 1, C):  # windows, of which i, j is the lower right pixel
        yield within(i - 1, j - 1, c), within(i, j, c), 1 / (6 * (H + 1) * (W + 1) * C)
        yield within(i - 1, j, c), within(i, j - 1, c), 1 / (6 * (H + 1) * (W + 1) * C)


def _pairs_of(near, shape):
    """The entries below and to the right of this one, as far as they exist."""
    i, j, c = near
    if i + 1 < shape[0]:
        yield i + 1, j, c
    if j + 1 < shape[1]:
        yield i, j + 1, c


def matrix_root(A, noise):
    return _root_and_inverse(_wide(A) + noise * np.eye(len(A)))[0]


def bures_forward(covariance, root, noise):
    noisy = _wide(covariance) + noise * np.eye(len(covariance))
    X, inverse = _root_and_inverse(_product(_product(root, noisy), root))
    distance = 0.0
    for i in range(len(root)):
        distance += noisy[i, i] - 2 * X[i, i]
        for j in range(len(root)):
            distance += root[i, j] * root[j, i]
    return distance.item(), (root, inverse, covariance.dtype)


def bures_backward(dL_ddistance, cache):
    root, inverse, dtype = cache
    T = _product(_product(root, inverse), root)
    return (dL_ddistance * (np.eye(len(T)) - T)).astype(dtype)


def _wide(A):
    return A.astype(np.result_type(A.dtype, np.float64))


def _root_and_inverse(A):
    """√A and its inverse by Denman's and Beavers' iteration, Newton's for X² = A in a stable form:
    Y, Z ← ½ (Y + Z⁻¹), ½ (Z + Y⁻¹). It takes complex matrices, as the complex step needs."""
    Y, Z = A, np.eye(len(A), dtype=A.dtype)
    for _ in range(100):
        before = Y
        Y, Z = (Y + _inverse(Z)) / 2, (Z + _inverse(Y)) / 2
        if _settled(Y.real, before.real) and _settled(Y.imag, before.imag):
            break
    return Y, Z


def _settled(new, old):
    return np.max(np.abs(new - old)) <= 1e-14 * np.max(np.abs(new))


def _product(A, B):
    C = np.zeros((len(A), B.shape[1]), np.result_type(A, B))
    for i, j, k in np.ndindex(*C.shape, len(B)):
        C[i, j] += A[i, k] * B[k, j]
    return C


def _inverse(A):
    """By elimination, with the largest entry left in a column as its pivot."""
    N = len(A)
    rows = [[*row, *unit] for row, unit in zip(A.tolist(), np.eye(N).tolist(), strict=True)]
    for n in range(N):
        largest = max(range(n, N), key=lambda i: abs(rows[i][n]))
        rows[n], rows[largest] = rows[largest], rows[n]
        rows[n] = [value / rows[n][n] for value in rows[n]]
        for i in range(N):
            if i != n:
                rows[i] = [a - rows[i][n] * b for a, b in zip(rows[i], rows[n], strict=True)]
    return np.array([row[N:] for row in rows], A.dtype)


def weighted_gram_forward(F, weights):
    H, W, N = F.shape
    G = np.zeros((N, N), F.dtype)
    for p, q, i, j in np.ndindex(H, W, N, N):
        G[i, j] += weights[p, q] * F[p, q, i] * F[p, q, j]
    return G, (F, weights)


def weighted_gram_backward(dL_dG, cache):
    F, weights = cache
    H, W, N = F.shape
    dL_dF = np.zeros_like(F)
    for p, q, i, j in np.ndindex(H, W, N, N):
        dL_dF[p, q, i] += dL_dG[i, j] * weights[p, q] * F[p, q, j]
        dL_dF[p, q, j] += dL_dG[i, j] * weights[p, q] * F[p, q, i]
    return dL_dF


def cross_gram_forward(F, R):
    H, W, N = F.shape
    C = np.zeros((N, R.shape[2]), F.dtype)
    for p, q, i, j in np.ndindex(H, W, *C.shape):
        C[i, j] += F[p, q, i] * R[p, q, j]
    return C, (F, R)


def cross_gram_backward(dL_dC, cache):
    F, R = cache
    dL_dF, dL_dR = np.zeros_like(F), np.zeros_like(R)
    for p, q, i, j in np.ndindex(*F.shape, R.shape[2]):
        dL_dF[p, q, i] += dL_dC[i, j] * R[p, q, j]
        dL_dR[p, q, j] += dL_dC[i, j] * F[p, q, i]
    return dL_dF, dL_dR


def channel_order(F):
    H, W, N = F.shape
    order = np.zeros((N, H * W), np.uint32)
    for i in range(N):
        values = [F[p, q, i].real for p, q in np.ndindex(H, W)]
        order[i] = sorted(range(H * W), key=values.__getitem__)  # equal values stay in order
    return order


def sorted_channels(F):
    N = F.shape[2]
    return np.array([sorted(F[:, :, i].ravel().tolist()) for i in range(N)], F.dtype)


def matched_channels(order, values):
    (N, M), count = order.shape, values.shape[1]
    R = np.zeros((M, N), values.dtype)
    for i, p in np.ndindex(N, M):
        place = min(max((p + 0.5) / M * count - 0.5, 0), count - 1)  # among the style's values
        below = min(int(place), count - 2) if count > 1 else 0
        above = min(below + 1, count - 1)
        share = place - below
        R[order[i, p], i] = (1 - share) * values[i, below] + share * values[i, above]
    return R


def nearest_patches(F, S):
    F, S = F.real, S.real
    nearest = np.zeros((F.shape[0] - 2, F.shape[1] - 2), np.uint32)
    style = list(np.ndindex(S.shape[0] - 2, S.shape[1] - 2))
    for p in np.ndindex(nearest.shape):
        best = -np.inf
        for n, q in enumerate(style):
            product = square = 0.0
            for u, v, c in np.ndindex(3, 3, F.shape[2]):
                s = S[q[0] + u, q[1] + v, c].item()
                product += F[p[0] + u, p[1] + v, c].item() * s
                square += s**2
            likeness = product / square**0.5 if square else 0.0
            if likeness > best:  # of equals, the first
                best, nearest[p] = likeness, n
    return nearest


def patch_distance_forward(F, S, nearest):
    distance = 0.0
    for at, like in _matched_entries(F, S, nearest):
        distance += (F[at].item() - S[like].item()) ** 2
    return distance, (F, S, nearest)


def patch_distance_backward(dL_ddistance, cache):
    F, S, nearest = cache
    dL_dF = np.zeros_like(F)
    for at, like in _matched_entries(F, S, nearest):
        dL_dF[at] += dL_ddistance * 2 * (F[at] - S[like])
    return dL_dF


def _matched_entries(F, S, nearest):
    """Every entry of every patch of F, with the one of S that it is compared with."""
    for i, j in np.ndindex(nearest.shape):
        a, b = divmod(int(nearest[i, j]), S.shape[1] - 2)
        for u, v, c in np.ndindex(3, 3, F.shape[2]):
            yield (i + u, j + v, c), (a + u, b + v, c)
