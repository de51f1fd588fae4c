import numpy as np


# expect: cut off|cropped
def mirror_backward(dL_dy, margin):
    return dL_dy[margin:-margin, margin:-margin]


# expect: corners|diagonal
def nine_point_tv_backward(x):
    g = np.zeros_like(x)
    down, right = np.diff(x, axis=0), np.diff(x, axis=1)
    g[1:] += down
    g[:-1] -= down
    g[:, 1:] += right
    g[:, :-1] -= right
    return 4 * g / (3 * x.size)
