"""Settings that do not go together, or of which one would have no effect, are refused."""

from .. import backends
from ..errors import InputError
from ..network.tiles import UNIT
from ..objective.terms import ALL, GEOMETRIC, STYLE_LOSSES, are_chained, chain, losses_with
from .declared import check_choice

_OF_OPTIMIZERS = {"beta1": ("adam",), "beta2": ("adam",), "averages": ("adam", "momentum")}


def check_together(settings) -> None:
    """Of a `Settings` whose single values are checked already."""
    _check_steps_and_margin(settings)
    _check_strength(settings)
    _check_losses(settings)
    _check_optimizer(settings)
    _check_precision(settings)
    _check_that_all_count(settings)


def _check_steps_and_margin(settings):
    if settings.first_steps is not None and settings.first_steps >= settings.steps:
        raise InputError(
            f"first_steps is {settings.first_steps}, of {settings.steps} steps at all sizes; give "
            "less"
        )
    if settings.margin % UNIT:
        raise InputError(
            f"margin is {settings.margin}; poolings halve it, so give 0 or a multiple of {UNIT}"
        )


def _check_strength(settings):
    if settings.style_strength > 1:
        raise InputError(f"style_strength is {settings.style_strength:g}; it must be from 0 to 1")
    for strength, alone in ((0, "content_weight"), (1, "style_weight")):
        if settings.style_strength == strength and not getattr(settings, alone):
            raise InputError(
                f"style_strength {strength} leaves {alone} alone, which is 0; change one of them"
            )


def _check_losses(settings):
    for name in settings.style_losses:
        check_choice("style loss", name, STYLE_LOSSES)
    for name, weight in settings.style_losses.items():
        if weight and are_chained(name) and not {ALL, GEOMETRIC} & set(settings.style_layers):
            chain(name, settings.style_layers)  # refuses what makes none
    if {ALL, GEOMETRIC} <= set(settings.style_layers):
        raise InputError(
            f"style_layers: {ALL} and {GEOMETRIC} both stand for all layers; give one of them"
        )
    if not 1 <= settings.tv_power <= 8:
        raise InputError(f"tv_power is {settings.tv_power:g}; give a number from 1 to 8")
    if settings.tv_smoothing == 0:
        raise InputError("tv_smoothing is 0, which leaves a kink; give a small number")


def _check_optimizer(settings):
    if settings.rate is not None and settings.optimizer.startswith("lbfgs"):
        raise InputError("rate is for adam and momentum; lbfgs finds its own step length")
    if settings.rate == 0:
        raise InputError("rate is 0: nothing would move; give a positive number")
    if settings.average and settings.optimizer.startswith("lbfgs"):
        raise InputError("average is for adam and momentum; lbfgs has no need of it")


def _check_precision(settings):
    if settings.backend in backends.NAMES and settings.precision not in (None, "float32"):
        raise InputError(
            f"precision {settings.precision} is for the cuda backend; {settings.backend} computes "
            "in float32"
        )


def _check_that_all_count(settings):
    """Refuse what would have no effect: who gives it expects one."""
    losses = {name for name, w in settings.style_losses.items() if w} | {settings.tv}
    for name in ("shift", "tv_power", "tv_smoothing"):
        kind = "style losses" if name == "shift" else "tv"
        what_for = f"{kind} {' and '.join(losses_with(name))}"
        _check_that_it_counts(settings, name, bool(losses & set(losses_with(name))), what_for)
    for name, optimizers in _OF_OPTIMIZERS.items():
        what_for = f"optimizer {' and '.join(optimizers)}"
        _check_that_it_counts(settings, name, settings.optimizer in optimizers, what_for)


def _check_that_it_counts(settings, name: str, counts: bool, what_for: str):
    if not counts and getattr(settings, name) != getattr(type(settings), name):
        raise InputError(f"{name} is for {what_for}, and has no effect here; leave it out")
