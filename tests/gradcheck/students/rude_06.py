import numpy as np

# left over from the notebook
content_backward = None
gram_backward = np.zeros((3, 3))


class tv_backward:
    pass


# expect: PASS
def relu_backward(dL_dy, x):
    return np.where(x > 0, dL_dy, 0.0)


# expect: input|EOF|keyboard|read
def conv3x3_backward_b(dL_dy):
    k = input("which channel? ")
    return dL_dy[..., int(k)]


# expect: sum|index|IndexError|axis
def pixels_backward(dL_dz, scale, order):
    raise IndexError("index 3 is out of bounds\nfor axis 2\nwith size 3")


# expect: argument|in place|changed|leave
def style_backward(F, A):
    n = F.shape[-1]
    f = F.reshape(-1, n)
    A -= f.T @ f
    return -(f @ A).reshape(F.shape) / f.size**2


if __name__ == "__main__":
    raise SystemExit("never seen")
