"""Reading forwards through a MATLAB file of version 5 (-v6 or -v7), inflating as little as needed.

A file is a header of 128 bytes and a row of elements. An element is a tag (its type, its size)
and data, filled up to 8 bytes; one of up to 4 bytes is packed into its tag. A matrix is an
element made of elements: flags, dimensions, name, and then, by its class, numbers, the
matrices of a cell array, or field names and the fields' matrices. An element at top level may
be compressed as a whole. Sizes are checked before anything is read, because a few bytes can
declare or inflate to gigabytes.
"""

import math
import struct
import zlib
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

import numpy as np

from ..errors import InputError
from .reading import MAX_NUMBERS, as_float32

HEADER_BYTES = 128
_MATRIX, _COMPRESSED = 14, 15  # types of elements
_CELL, _STRUCT, _CHAR, _DOUBLE, _SINGLE = 1, 2, 4, 6, 7  # classes of matrices
# Types of numbers; MATLAB stores whole numbers in the smallest type that holds them.
_DTYPES = {
    1: "<i1",
    2: "<u1",
    3: "<i2",
    4: "<u2",
    5: "<i4",
    6: "<u4",
    7: "<f4",
    9: "<f8",
    12: "<i8",
    13: "<u8",
}
_ENCODINGS = {4: "utf-16-le", 16: "utf-8", 17: "utf-16-le"}
_PIECE = 1 << 16
_MAX_TEXT = 1 << 12


class _Inflated:
    """What a compressed element inflates to, never more of it at once than is asked for."""

    def __init__(self, file: BinaryIO, size: int):
        self._file, self._left, self._inflater = file, size, zlib.decompressobj()

    def read(self, count: int) -> bytes:
        parts = []
        while count > 0 and not self._inflater.eof:
            packed = self._inflater.unconsumed_tail
            if not packed:
                packed = self._file.read(min(self._left, _PIECE))
                self._left -= len(packed)
            part = self._inflater.decompress(packed, count)
            if not part and not packed:
                break
            parts.append(part)
            count -= len(part)
        return b"".join(parts)


class Matrix(NamedTuple):
    """The head of a matrix, and where in the stream it ends."""

    kind: int
    shape: tuple[int, ...]
    name: str
    end: int


class Elements:
    """A stream of elements, read forwards."""

    def __init__(self, source: BinaryIO | _Inflated):
        self._source, self._position = source, 0

    def matrix(self) -> Matrix:
        """Enter a matrix: read its head."""
        kind, size = struct.unpack("<II", self._take(8))
        if kind != _MATRIX:
            raise InputError(f"an element has the type {kind}, expected a matrix")
        end = self._position + size
        if size == 0:  # how MATLAB writes an empty field
            return Matrix(_DOUBLE, (0, 0), "", end)
        flags = self._numbers(2)
        shape = tuple(int(n) for n in self._numbers(32))
        return Matrix(int(flags[0]) & 0xFF, shape, self._text(), end)

    def leave(self, matrix: Matrix) -> None:
        """Go to the end of a matrix, past whatever was not read of it."""
        if self._position > matrix.end:
            raise InputError("an element is larger than what it lies in")
        while self._position < matrix.end:
            self._take(min(_PIECE, matrix.end - self._position))

    def cells(self, matrix: Matrix, most: int) -> range:
        """The numbers of the cells; each has to be read, or passed, before the next."""
        count = math.prod(matrix.shape)
        if count and (matrix.kind != _CELL or count > most):
            raise InputError(f"a matrix is not a cell array of up to {most} cells as it should be")
        return range(count)

    def fields(self, matrix: Matrix) -> Iterator[str]:
        """The names of a struct's fields; each has to be read, or passed, before the next."""
        if matrix.kind != _STRUCT or math.prod(matrix.shape) != 1:
            raise InputError("a matrix is not one struct as it should be")
        (length,) = self._numbers(1)
        names = self._text()
        for start in range(0, len(names), max(int(length), 1)):
            yield names[start : start + int(length)].split("\0")[0]

    def skip(self) -> None:
        self.leave(self.matrix())

    def text(self) -> str:
        """A matrix of characters; of anything else, the empty text."""
        matrix = self.matrix()
        text = self._text() if matrix.kind == _CHAR and math.prod(matrix.shape) else ""
        self.leave(matrix)
        return text

    def array(self) -> np.ndarray | None:
        """A matrix of floating-point numbers as float32; None if it is something else or large."""
        matrix = self.matrix()
        count = math.prod(matrix.shape)
        array = None
        if matrix.kind in (_SINGLE, _DOUBLE) and 0 < count <= MAX_NUMBERS:
            numbers = self._numbers(count)
            if len(numbers) != count:
                raise InputError(f"{len(numbers)} numbers where {matrix.shape} are declared")
            array = as_float32(numbers.reshape(matrix.shape, order="F"))  # MATLAB's order
        self.leave(matrix)
        return array

    def _numbers(self, most: int) -> np.ndarray:
        kind, data = self._data(8 * most)
        return np.frombuffer(data, _DTYPES[kind])

    def _text(self) -> str:
        kind, data = self._data(_MAX_TEXT)
        return data.decode(_ENCODINGS.get(kind, "latin-1"))

    def _data(self, most: int) -> tuple[int, bytes]:
        """One element that is not made of others: its type and its bytes."""
        tag = self._take(8)
        kind, size = struct.unpack("<II", tag)
        if kind >> 16:  # packed: the size in the upper half, the data in the second half
            return kind & 0xFFFF, tag[4:][: kind >> 16]
        if size > most:
            raise InputError(f"an element declares {size} bytes where {most} is the most")
        return kind, self._take(size + -size % 8)[:size]

    def _take(self, count: int) -> bytes:
        data = self._source.read(count)
        if len(data) != count:
            raise InputError("the file ends too early")
        self._position += count
        return data


def find_variable(file: BinaryIO, name: str) -> tuple[Elements, Matrix]:
    """The variable of that name in a MATLAB file, its head read."""
    header = file.read(HEADER_BYTES)
    if header[124:] != b"\x00\x01IM":
        raise InputError("not a little-endian MATLAB file of version 5")
    start = HEADER_BYTES
    while len(tag := file.read(8)) == 8:
        kind, size = struct.unpack("<II", tag)
        if kind == _COMPRESSED:
            elements = Elements(_Inflated(file, size))
        else:
            file.seek(start)
            elements = Elements(file)
        if kind in (_COMPRESSED, _MATRIX):
            matrix = elements.matrix()
            if matrix.name == name:
                return elements, matrix
        start += 8 + size
        file.seek(start)
    raise InputError(f"the variable {name!r} is missing")
