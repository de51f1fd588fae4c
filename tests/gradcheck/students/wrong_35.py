import numpy as np


# expect: margin|outside
def crop_backward(dL_dF, margin):
    m = margin
    return np.pad(dL_dF, [(m, m), (m, m), (0, 0)], mode="edge")
