"""What people ask for: a picture in the style of another, or to go on where a run was cut off."""

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Unpack

import numpy as np

from .backends import chosen
from .errors import InputError
from .network.network import available_layers
from .network.vgg import Weights
from .objective.objective import style_names
from .objective.terms import named_layers
from .optimizers import State
from .pictures.images import Picture, Source, is_path
from .pictures.masks import mask_names
from .runs.bar import finish
from .runs.given import Given
from .runs.inputs import load_source, open_content, open_masks, open_start, open_styles
from .runs.kept import Kept, Pictures, load_run
from .runs.planning import plan_run
from .runs.presets import over, with_preset
from .runs.progress import Callback
from .runs.reached import Reached
from .runs.recommended import listed, recommended_settings
from .runs.result import Result
from .runs.run import Run
from .runs.scales import Scale
from .runs.settings import Settings
from .runs.shared import Shared
from .system.notice import Notice
from .weights import default_weights, find_recommended


def stylize(
    content: Source | None = None,
    style: Source | Sequence[Source] | None = None,
    *,
    masks: Source | Sequence[Source] | None = None,
    preset: str | None = None,
    callback: Callback | None = None,
    checkpoint: str | os.PathLike | None = None,
    progress: bool | None = None,
    **settings: Unpack[Given],
) -> Result:
    """Paint `content` in the style of `style`.

    Each may be a path, "sample:NAME", an array (of uint8, or floats from 0 to 1), a Pillow image,
    the bytes of a picture file, or an open one.

    Several styles (a list of such) are blended; the setting `style_weights` has their shares.
    Without pictures the package's samples are taken. `masks`, of the shape of the content, say
    where it is painted, one for each style or one for all; where they are black, it stays.
    `settings` are the fields of `manualnst.Settings`, and go before those of a `preset`, or
    what the network recommends; `init` may be a picture of any of these kinds, too. The callback
    gets a `Progress` after each step; if it returns `manualnst.STOP` the run ends. Ctrl-C ends it
    too: either way the best picture so far is returned. With `checkpoint`, a file is kept from
    which `resume` goes on. With `progress` notices and steps are shown; None: in a notebook.
    """
    start, settings = _start_of(settings)
    made = settings_from({"preset": preset, **settings})
    run = prepare(content, style, made, masks, start=start)
    return finish(run, callback, progress, checkpoint=checkpoint)


def _start_of(given: Mapping[str, Any]) -> tuple[Picture | None, dict[str, Any]]:
    """A picture to start from that is no file, and the settings with its name in its place."""
    init = given.get("init")
    if init is None or is_path(init):
        return None, dict(given)
    start = load_source(init)
    return start, given | {"init": start.name}


def resume(
    checkpoint: str | os.PathLike,
    *,
    steps: int | None = None,
    callback: Callback | None = None,
    progress: bool | None = None,
) -> Result:
    """Go on with the run of a checkpoint, to `steps` in total if given."""
    run = restore(checkpoint, steps=steps)
    return finish(run, callback, progress, checkpoint=checkpoint)


def settings_from(
    given: Mapping[str, Any], recommended: Callable[[str], dict[str, Any]] = find_recommended
) -> Settings:
    """Settings of what callers give, which may be NumPy's numbers and the like.

    What is not given is as a "preset" among them has it; without one, as the network recommends,
    by its name.
    """
    plain = {name: _plain(value) for name, value in given.items()}
    preset = plain.pop("preset", None)
    if preset is not None:
        return Settings.from_json(with_preset(preset, plain))
    network = Settings(weights=plain.get("weights")).weights or default_weights()[0]
    own = recommended(network)
    recommended_settings(own, network)  # refuses what is wrong with them
    return Settings.from_json(over(own, plain))


def _plain(value: Any) -> Any:
    """NumPy's numbers, tuples and paths as the Python values that settings are made of."""
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, list | tuple | np.ndarray):
        return [_plain(each) for each in value]
    return os.fspath(value) if isinstance(value, os.PathLike) else value


def prepare(
    content: Source | None,
    style: Source | Sequence[Source] | None,
    settings: Settings,
    masks: Source | Sequence[Source] | None = None,
    *,
    start: Picture | None = None,
    shared: Shared | None = None,
    weights: Weights | None = None,
) -> Run:
    """The run, with everything checked that can be checked before it starts.

    `start` and `weights` are for who has them already; without, those of the settings are loaded.
    """
    shared = shared or Shared()
    weights_notices = [] if weights else [Notice("weights", f"{settings.weights}")]
    if settings.weights is None and weights is None:
        name, notice = default_weights()
        settings, weights_notices = replace(settings, weights=name), [notice]
    backend, backend_notices = chosen(settings.backend)
    settings = replace(settings, backend=backend)
    content_input = open_content(content, settings, shared.pictures)
    styles = open_styles(style, settings, content_input, shared.pictures)
    mask_inputs = [] if masks is None else open_masks(masks, content_input, len(styles))
    weights = shared.weights(settings.weights) if weights is None else weights
    settings = _with_layers_named(settings, weights)
    pictures = Pictures(content_input, styles, mask_inputs)
    planned = plan_run(settings, weights, pictures)
    first = planned.scales[0]
    size = first.height, first.width
    start_input = open_start(settings, content_input, styles[0], *size, start)
    named_styles = dict(zip(style_names(len(styles)), styles, strict=True))
    named_masks = dict(zip(mask_names(len(mask_inputs)), mask_inputs, strict=True))
    inputs = {"content": content_input, **named_styles, **named_masks, "start": start_input}
    notices = [notice for each in inputs.values() for notice in each.notices]
    weights_notices.append(_notice_of_settings(settings, weights))
    return Run(
        settings,
        weights,
        pictures,
        planned,
        Reached(State(start_input.pixels), best=start_input.pixels),
        facts={role: each.facts for role, each in inputs.items()},
        notices=[*notices, *weights_notices, *backend_notices],
        shared=shared,
    )


def _with_layers_named(settings: Settings, weights: Weights) -> Settings:
    layers = named_layers(settings.style_layers, available_layers(weights))
    return replace(settings, style_layers=layers)


def _notice_of_settings(settings: Settings, weights: Weights) -> Notice:
    """Whether they are those that the network recommends."""
    if not weights.recommended:
        return Notice("settings", "the network recommends none; the defaults are for a VGG")
    own = _with_layers_named(
        recommended_settings(weights.recommended, settings.weights or "the network"), weights
    )
    names = list(weights.recommended)
    as_recommended = [n for n in names if getattr(settings, n) == getattr(own, n)]
    if not as_recommended:
        return Notice("settings", "none is as recommended for the network")
    words = listed({name: getattr(own, name) for name in as_recommended})
    others = [name.replace("_", " ") for name in names if name not in as_recommended]
    but = f"; others for {', '.join(others)}" if others else ""
    return Notice("settings", f"those recommended for the network ({words}){but}")


# What tells that a picture, or a network, is the one of an earlier run.
_IDENTITY = {"weights": "fingerprint"}
_IDENTITY_OF_PICTURES = "sha256"  # of a start only if it is a file


def check_same(run: Run, record: dict[str, Any], roles: Iterable[str]) -> None:
    """Refuse to repeat or resume with pictures or weights other than those of the record."""
    for role in roles:
        key = _IDENTITY.get(role, _IDENTITY_OF_PICTURES)
        before, now = record[role].get(key), run.facts[role].get(key)
        if before != now:
            raise InputError(
                f"the {role} is not that of the earlier run ({key} {before} then, {now} now); "
                "give the same file"
            )


def restore(
    checkpoint: str | os.PathLike, *, steps: int | None = None, shared: Shared | None = None
) -> Run:
    """The run of a checkpoint, ready to go on."""
    try:
        return _restore(load_run(checkpoint), steps, shared or Shared())
    except InputError:
        raise
    except (LookupError, TypeError, AttributeError, ValueError, OverflowError) as error:
        raise InputError(f"checkpoint {checkpoint} is inconsistent: {error!r}") from error


def _restore(kept: Kept, steps: int | None, shared: Shared) -> Run:
    settings, weights = kept.settings, shared.weights(kept.settings.weights)
    planned = plan_run(settings, weights, kept.pictures)
    # The checkpoint's own steps: an earlier resumption may have changed them.
    scales = [scale._replace(steps=n) for scale, n in zip(planned.scales, kept.steps, strict=True)]
    reached = kept.reached(scales)
    if steps is not None:
        settings, scales = replace(settings, steps=steps), _prolonged(scales, steps)
    notices = [Notice("resume", f"{reached.steps} steps are done")]
    if not settings.make_optimizer().resumes_exactly:
        text = (
            "scipy's L-BFGS-B starts with an empty memory, so its steps differ from those of an "
            "uninterrupted run"
        )
        notices.append(Notice("resume", text))
    planned = planned._replace(scales=scales)
    run = Run(settings, weights, kept.pictures, planned, reached, kept.facts, notices, shared)
    check_same(run, kept.facts, ["weights"])
    return run


def _prolonged(scales: list[Scale], steps: int) -> list[Scale]:
    """To so many steps in total: it is the last size that gets or loses them."""
    *first, last = scales
    before = sum(scale.steps for scale in first)
    if steps <= before:
        raise InputError(
            f"steps is {steps}, but the sizes before the last take {before}; give a larger number"
        )
    return [*first, last._replace(steps=steps - before)]
