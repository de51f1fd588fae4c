"""A narrow network out of a VGG-16 or VGG-19: one that sees nearly the same, with fewer filters.

    python -m weights.narrow run vgg16 FOLDER --pictures PICTURES --batches 2000

Its channels are channels of the large network, the teacher: those from which the others can best
be made. Its filters are fitted by least squares first, and then learned by gradients, so that its
maps come near to the teacher's.

    crops       what is learned from: squares of a folder's pictures and of drawn ones
    canvas, families, pictures    the drawn ones
    squares     which channels, and their filters by least squares
    network     the maps of a batch, the loss, and the gradient of every filter
    layers, winograd    the operations, forward and backward
    adam        the steps
    parallel    pieces of work on several threads
    train       all of it together, and checkpoints
    sheet       what was drawn, to look at
"""
