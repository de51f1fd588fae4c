import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from manualnst import samples
from manualnst.errors import InputError
from manualnst.samples import CONTENT, STYLES, sample_path


@pytest.mark.parametrize("name", [CONTENT, *STYLES])
def test_every_sample_is_an_rgb_picture_of_a_sensible_size(name):
    with Image.open(sample_path(name)) as picture:
        assert (picture.format, picture.mode) == ("PNG", "RGB")
        assert 400 <= min(picture.size) and max(picture.size) <= 700


def test_samples_stay_small():
    sizes = [sample_path(name).stat().st_size for name in (CONTENT, *STYLES)]
    assert sum(sizes) < 2_500_000


def test_unknown_sample_is_refused():
    with pytest.raises(InputError, match="unknown sample 'x'.*harbour, strokes, mosaic, waves"):
        sample_path("x")
