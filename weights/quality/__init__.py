"""How good is a network for painting? Measured without asking any network, or judged by one.

    python -m weights.quality draw pictures
    python -m weights.quality measure pictures --networks builtin random:1 narrow.h5
    python -m weights.quality sign narrow.h5 quality/quality.json
    python -m weights.quality judge --contents photos --styles art --networks builtin narrow.h5

A network's own loss says nothing of its quality: a network that sees little is easily satisfied.
So for each network and each style picture a texture is synthesised by the style loss alone, and
then compared with the picture by statistics that know of no network: the distributions of small
patches at four scales, and of colours (distances.py). Content likewise: pictures are rebuilt from
each depth, and compared with the original by their structural similarity.

What such statistics do not know a network knows that has learned from photographs, whose look is
the field's: paintings by any network and settings are judged by how near a VGG-16 finds them to
their style and their content.

    drawings    pictures to measure on that no recipe has learned from
    networks    the networks by name: built-in, random, or a file
    synthesis   textures and reconstructions, by the package
    distances   sliced Wasserstein distances and structural similarity
    cells       what was synthesised once is kept, so that a run can be interrupted
    grain       specks of a pixel or two
    paintings   every content in every style, by each network with each variant of settings
    judging     the command `judge`
    report      the tables and the JSON
"""
