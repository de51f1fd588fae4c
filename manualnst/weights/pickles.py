"""Reading the pickles of PyTorch's weights without running anything.

A pickle is a program for a small stack machine, and Python's own machine will call any
function that it names. This one knows the few instructions that a dictionary of tensors needs,
and builds nothing but dictionaries, lists, tuples, texts, numbers, and descriptions of where in
the file a tensor's numbers lie. Its instructions are taken apart by pickletools, which executes
none of them.
"""

import pickletools
from typing import BinaryIO, NamedTuple

from ..errors import InputError
from .reading import quote

_DTYPES = {
    "torch FloatStorage": "<f4",
    "torch DoubleStorage": "<f8",
    "torch HalfStorage": "<f2",
    "torch BFloat16Storage": "bfloat16",
}
_DICTIONARY = "collections OrderedDict"
_REBUILDERS = ("torch._utils _rebuild_tensor", "torch._utils _rebuild_tensor_v2")
_KNOWN = (*_DTYPES, _DICTIONARY, *_REBUILDERS)


class Global(NamedTuple):
    """A name that a pickle mentions; never the thing itself."""

    name: str


class Storage(NamedTuple):
    """A run of numbers somewhere in the file."""

    key: str
    dtype: str
    count: int


class Tensor(NamedTuple):
    """A view of a storage: offset and strides are counted in numbers, and not checked yet."""

    storage: Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


class Machine:
    """Reads one pickle after another from a file, and remembers the storages that they name."""

    def __init__(self, file: BinaryIO):
        self._file = file
        self.storages: dict[str, Storage] = {}

    def load(self) -> object:
        self._stack: list = []
        self._marks: list[list] = []
        self._memo: dict[int, object] = {}
        for opcode, argument, _ in pickletools.genops(self._file):
            if opcode.name == "STOP":
                return self._stack.pop()
            self._execute(opcode.name, argument)
        raise InputError("the pickle has no end")

    def _execute(self, opcode: str, argument) -> None:
        stack = self._stack
        match opcode:
            case "PROTO":
                pass
            case "NONE":
                stack.append(None)
            case "NEWTRUE" | "NEWFALSE":
                stack.append(opcode == "NEWTRUE")
            case "BININT" | "BININT1" | "BININT2" | "LONG1" | "BINFLOAT":
                stack.append(argument)
            case "BINUNICODE" | "BINSTRING" | "SHORT_BINSTRING":
                stack.append(argument)
            case "GLOBAL":
                stack.append(_global(argument))
            case "BINPUT" | "LONG_BINPUT":
                self._memo[argument] = stack[-1]
            case "BINGET" | "LONG_BINGET":
                stack.append(self._memo[argument])
            case "MARK":
                self._marks.append(stack)
                self._stack = []
            case "EMPTY_TUPLE" | "TUPLE1" | "TUPLE2" | "TUPLE3":
                size = ("EMPTY_TUPLE", "TUPLE1", "TUPLE2", "TUPLE3").index(opcode)
                self._push_tuple(size)
            case "TUPLE":
                items = self._pop_mark()
                self._stack.append(tuple(items))
            case "EMPTY_LIST":
                stack.append([])
            case "APPEND":
                item = stack.pop()
                _expect(list, stack[-1]).append(item)
            case "APPENDS":
                items = self._pop_mark()
                _expect(list, self._stack[-1]).extend(items)
            case "EMPTY_DICT":
                stack.append({})
            case "SETITEM":
                value, key = stack.pop(), stack.pop()
                _set_items(stack[-1], [key, value])
            case "SETITEMS":
                items = self._pop_mark()
                _set_items(self._stack[-1], items)
            case "BINPERSID":
                stack.append(self._storage(stack.pop()))
            case "REDUCE":
                arguments, function = stack.pop(), stack.pop()
                stack.append(_call(_expect(Global, function).name, _expect(tuple, arguments)))
            case "BUILD":
                stack.pop()  # attributes of an OrderedDict (PyTorch's _metadata): of no use here
            case _:
                raise InputError(
                    f"its pickle has the instruction {opcode}, which no file of weights needs; "
                    "nothing was run"
                )

    def _pop_mark(self) -> list:
        items = self._stack
        self._stack = self._marks.pop()
        return items

    def _push_tuple(self, size: int) -> None:
        start = len(self._stack) - size
        if start < 0:
            raise InputError("its pickle is broken: a tuple of more than there is")
        self._stack[start:] = [tuple(self._stack[start:])]

    def _storage(self, identifier: object) -> Storage:
        """What ('storage', type, key, device, count) names, or (…, view) with the view None."""
        match identifier:
            case ("storage", Global(name), str(key), _, count, *view) if (
                name in _DTYPES and type(count) is int and count >= 0 and view in ([], [None])
            ):
                storage = Storage(key, _DTYPES[name], count)
            case _:
                raise InputError("its pickle names a storage in a way that is not known")
        if self.storages.setdefault(key, storage) != storage:
            raise InputError(f"its pickle names the storage {quote(key)} in two ways")
        return storage


def _global(name: str) -> Global:
    if name not in _KNOWN:
        raise InputError(
            f"its pickle names {quote(name)}, which no file of weights needs; nothing was run "
            "(of PyTorch's files only plain state dictionaries of floating-point tensors are read)"
        )
    return Global(name)


def _call(name: str, arguments: tuple) -> object:
    match arguments:
        case () if name == _DICTIONARY:
            return {}
        case (list(pairs),) if name == _DICTIONARY:  # as Python 2 wrote it
            dictionary: dict = {}
            for pair in pairs:
                key, value = _expect(list, pair)
                _set_items(dictionary, [key, value])
            return dictionary
        case (Storage() as storage, int(offset), tuple(shape), tuple(strides), *_) if (
            name in _REBUILDERS and all(type(n) is int for n in (offset, *shape, *strides))
        ):
            return Tensor(storage, offset, shape, strides)
    raise InputError(f"its pickle calls {quote(name)} in a way that is not known; nothing was run")


def _set_items(dictionary: object, items: list) -> None:
    """Add keys and values, which alternate. Keys are texts: deep tuples would overrun the stack."""
    for key, value in zip(items[::2], items[1::2], strict=True):
        _expect(dict, dictionary)[_expect(str, key)] = value


def _expect(kind: type, thing: object):
    if type(thing) is not kind:
        raise InputError(
            f"its pickle has a {type(thing).__name__} where it should have a {kind.__name__}"
        )
    return thing
