import numpy as np


# expect: border|symmetric
def mirror_backward(dL_dy, margin):
    g = dL_dy[margin:-margin].copy()
    g[:margin] += dL_dy[:margin][::-1]
    g[len(g) - margin :] += dL_dy[-margin:][::-1]
    h = g[:, margin:-margin].copy()
    h[:, :margin] += g[:, :margin][:, ::-1]
    h[:, h.shape[1] - margin :] += g[:, -margin:][:, ::-1]
    return h
