"""The objective a third time, from its equations, in JAX, compiled by XLA.

Only what the benchmark compares: average pooling, the paper's losses, no total variation. Maps are
(1, H, W, N), the layout in which XLA's convolutions are fastest on a processor.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax

LAYOUTS = ("NHWC", "HWIO", "NHWC")  # of a convolution's map, filters and result


def jax_evaluation(weights, content: np.ndarray, style: np.ndarray, settings) -> Callable:
    """Targets measured once; then x (H, W, 3) → loss, gradient (H, W, 3)."""
    use_doubles(content.dtype == np.float64)
    # An argument of what is compiled, not a constant in it, which XLA would try to compute with.
    filters = {name: tuple(map(jnp.asarray, arrays)) for name, arrays in weights.layers.items()}
    how = weights.preprocessing

    @jax.jit
    def measure(filters, content, style):
        P = maps(filters, how, content)
        F = maps(filters, how, style)
        return (
            {layer: P[layer] for layer in settings.content_layers},
            {layer: gram_per_position(F[layer]) for layer in settings.style_layers},
        )

    def loss(x, filters, targets):
        F = maps(filters, how, x)
        P, A = targets
        content = [w * content_loss(F[l], P[l]) for l, w in settings.content_layers.items()]
        style = [w * style_loss(F[l], A[l]) for l, w in settings.style_layers.items()]
        return settings.content_weight * sum(content) / sum(
            settings.content_layers.values()
        ) + settings.style_weight * sum(style) / sum(settings.style_layers.values())

    targets = measure(filters, content[None], style[None])
    loss_and_gradient = jax.jit(jax.value_and_grad(loss))

    def evaluate(x: np.ndarray) -> tuple[float, np.ndarray]:
        value, gradient = loss_and_gradient(x[None], filters, targets)
        return float(value), np.asarray(gradient[0])

    return evaluate


def use_doubles(wanted: bool) -> None:
    """Otherwise JAX makes single precision of double, and says so only on standard error."""
    jax.config.update("jax_enable_x64", bool(wanted))


def maps(filters: dict[str, tuple[Array, Array]], how, x: Array) -> dict[str, Array]:
    """x (1, H, W, 3) in [0, 1] → {name: map after the ReLU (1, H_l, W_l, N_l)}."""
    ordered = x[..., ::-1] if how.channels == "BGR" else x
    y = (how.range * ordered - jnp.array(how.mean, x.dtype)) / jnp.array(how.std, x.dtype)
    found, block = {}, "1"
    for name, (w, b) in sorted(filters.items()):  # conv1_1, conv1_2, conv2_1, …
        if name[4] != block:
            y, block = average_pool(y), name[4]
        y = jax.nn.relu(convolve(y, w) + b)
        found[name.replace("conv", "relu")] = y
    return found


def convolve(x: Array, w: Array) -> Array:
    return lax.conv_general_dilated(x, w, (1, 1), "SAME", dimension_numbers=LAYOUTS)


def average_pool(x: Array) -> Array:
    window = (1, 2, 2, 1)
    return lax.reduce_window(x, np.zeros((), x.dtype), lax.add, window, window, "VALID") / 4


def gram(F: Array) -> Array:
    """F (1, H, W, N) → G (N, N)."""
    F = F.reshape(-1, F.shape[-1])  # (M, N)
    return F.T @ F


def gram_per_position(F: Array) -> Array:
    return gram(F) / (F.shape[1] * F.shape[2])


def content_loss(F: Array, P: Array) -> Array:
    return jnp.sum((F - P) ** 2) / 2


def style_loss(F: Array, A: Array) -> Array:
    """A (N, N) per position, so that pictures of two sizes compare."""
    return jnp.sum((gram_per_position(F) - A) ** 2) / (4 * F.shape[-1] ** 2)
