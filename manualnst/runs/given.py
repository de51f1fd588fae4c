"""The settings as keyword arguments, for editors and type checkers.

It has the names and types of `settings.Settings`, and a test holds it to them: no type checker
reads what a program makes while it runs. Only `init` may be more than a setting can be: a picture.
"""

from typing import TypedDict

from ..pictures.images import Source


class Given(TypedDict, total=False):
    size: int
    steps: int
    first_steps: int | None
    scales: int | None
    min_size: int
    style_strength: float
    content_weight: float
    style_weight: float
    tv_weight: float
    content_layers: dict[str, float]
    style_layers: dict[str, float]
    style_losses: dict[str, float]
    shift: float
    style_weights: float | list[float]
    style_scale: float | list[float]
    mask_form: str
    tv: str
    tv_power: float
    tv_smoothing: float
    colours: str
    normalisation: str
    pool: str
    margin: int
    tile: str | int
    memory: int | None
    init: Source
    seed: int
    optimizer: str
    rate: float | None
    beta1: float
    beta2: float
    average: float
    averages: str
    weights: str | None
    backend: str
    precision: str | None
