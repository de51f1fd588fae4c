"""The kernels of the cuda backend: their sources, and what brings them onto a card.

Every file with a kernel tells what it does differently from the one before, as a ladder to climb:

    convolution   naive → tiled → registers (float32) → matrix_unit (TF32, 16 bits)
                  few (for the step back to the pixels)
    gram          naive → tiled → registers, tf32
    patches       naive → fast, by the convolutions' kernels
    relu, pooling, squared_error, total_variation, variations, mean
                  naive → (tiled →) fast, where there is anything to gain
    pixels, mirror, crop, filters, weighted, shifted, histogram, sums, lbfgs
                  one rung

`ops.py` and `losses.py` choose among them, and `launches.py` starts them. The tests compile all of
them for several generations of cards, and run them on a processor.
"""
