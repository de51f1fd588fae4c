"""The network's operations as forward/backward pairs, each with its derivation.

Conventions, said once for all files here:
- One picture, channels last: x is (H, W, C). A feature map F (H, W, N) is then, without
  copying, the matrix (M, N) with M = H·W: the transpose of the paper's N × M.
- dL_dy is the gradient of the loss with respect to y, of y's shape. Each backward takes it
  and the forward's cache, and returns dL_dx in a fresh array.
- The cache is the least that the backward needs, and its form is the backend's business.
- `backend` says who computes (manualnst.backends); the functions here check what they are
  given and hand it on.
"""

from .conv3x3 import conv3x3_backward, conv3x3_backward_params, conv3x3_forward
from .crop import crop_backward, crop_forward
from .fused import fused_backward, fused_forward
from .mirror import mirror_backward, mirror_forward
from .pixels import pixels_backward, pixels_forward
from .pooling import avgpool_backward, avgpool_forward, maxpool_backward, maxpool_forward
from .relu import relu_backward, relu_forward

__all__ = [
    "avgpool_backward",
    "avgpool_forward",
    "conv3x3_backward",
    "conv3x3_backward_params",
    "conv3x3_forward",
    "crop_backward",
    "crop_forward",
    "fused_backward",
    "fused_forward",
    "maxpool_backward",
    "maxpool_forward",
    "mirror_backward",
    "mirror_forward",
    "pixels_backward",
    "pixels_forward",
    "relu_backward",
    "relu_forward",
]
