"""From what was learned to a file of weights: normalisation folded away, filters to one scale."""

import datetime
from collections.abc import Iterator

import numpy as np

from manualnst import samples
from manualnst.images import load_picture, resize
from manualnst.machine import format_duration
from manualnst.network import normalise_filters
from manualnst.vgg import Weights

from . import data, network, train
from .canvas import Random
from .layers import EPSILON
from .network import ARCHITECTURE, PREPROCESSING, Parameters

PARTS = 24  # of batches, over which the statistics are averaged
LARGEST = 20.0  # activation, where the mean is 1
PIXELS, RECIPES = 256, 40  # sample pictures and recipes on which mean activations become 1


def to_weights(
    plan: train.Plan, state: train.State, pictures: np.ndarray, remarks: dict[str, str]
) -> Weights:
    """The network as the package has them, in the paper's normalised form."""
    averages = mean_statistics(plan, state.parameters, _crops(plan, pictures))
    provenance = {
        "name": "learned",
        "recipe": f"{state.batches * plan.batch} crops of {plan.recipes} recipes of procedural "
        "pictures, told apart (python -m weights.learn); no photograph and no painting was used",
        "seed": str(plan.seed),
        "batches": str(state.batches),
        "time": format_duration(state.seconds),
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "commit": ", then ".join(state.commits),
    }
    provenance |= remarks
    weights = folded(plan, state.parameters, averages, provenance)
    return normalise_filters(weights, _usual_pictures(pictures), largest=LARGEST)


def _crops(plan: train.Plan, pictures: np.ndarray) -> Iterator[np.ndarray]:
    """Parts of batches as in learning, but drawn by lot from a stream of their own."""
    total = plan.recipes * plan.pictures
    for number in range(PARTS):
        random = Random([plan.seed, 5, number])
        indices = random.choice(total, plan.batch // plan.parts, replace=False)
        yield train.network_input(data.augmented(pictures, indices, plan.side, random))


def mean_statistics(
    plan: train.Plan, parameters: Parameters, crops
) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """{convolution: mean and deviation (C,) of its channels}, over all the parts given."""
    sums: dict[str, np.ndarray] = dict.fromkeys(plan.shape.convolutions, 0.0)
    count = 0
    for x in crops:
        for name, mean, sigma in network.statistics(plan.shape, parameters, x):
            sums[name] = sums[name] + np.stack([mean, sigma**2 - EPSILON + mean**2])
        count += 1
    averages = {}
    for name, (first, second) in sums.items():
        mean = first / count
        averages[name] = mean, np.sqrt(second / count - mean**2 + EPSILON)
    return averages


def folded(plan: train.Plan, parameters: Parameters, averages, provenance) -> Weights:
    """γ (z − μ) / σ + β of z = Σ x w is a convolution with bias: w γ/σ and β − μ γ/σ."""
    layers = {}
    for name in plan.shape.convolutions:
        mean, sigma = averages[name]
        factor = parameters[f"{name}.gamma"] / sigma
        w = parameters[f"{name}.w"] * factor
        b = parameters[f"{name}.beta"] - mean * factor
        layers[name] = w.astype(np.float32), b.astype(np.float32)
    return Weights(ARCHITECTURE, layers, PREPROCESSING, provenance)


def _usual_pictures(pictures: np.ndarray) -> Iterator[np.ndarray]:
    """What is nearest to natural pictures, the samples; and some recipes, lest a filter for what
    the samples have little of come out far too loud."""
    for name in (samples.CONTENT, *samples.STYLES):
        yield resize(load_picture(samples.sample_path(name)).pixels, PIXELS, PIXELS)
    for recipe in pictures[:RECIPES]:
        yield recipe[0].astype(np.float32) / 255
