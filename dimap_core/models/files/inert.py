"""The pickle in a file of torch.save, read without running anything: numbers, text, lists, dicts and tensors are made;
every other object (training checkpoints hold settings, optimizers, numpy's numbers, whole models) becomes a `Foreign`,
which is never called, whatever the pickle asks for.

No unpickler is behind this: `pickletools` of the standard library cuts the pickle into operations, and what each means
is written out below. `torch.load(weights_only=True)` refuses most of those files, and what it takes may still ask for
`bytearray(10**10)`, or for the hash of a tuple that takes for ever. What is held in memory here follows from the
pickle's own length, which `torch_file` limits.
Next door: `torch_file` gives the tensors their values.
"""

from __future__ import annotations

import mmap
import pickletools
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, BinaryIO

import torch

from ...types import Shape

_DTYPES = {
    "torch DoubleStorage": torch.float64, "torch FloatStorage": torch.float32, "torch HalfStorage": torch.float16,
    "torch BFloat16Storage": torch.bfloat16, "torch LongStorage": torch.int64, "torch IntStorage": torch.int32,
    "torch ShortStorage": torch.int16, "torch CharStorage": torch.int8, "torch ByteStorage": torch.uint8,
    "torch BoolStorage": torch.bool,
}  # fmt: skip
_DICTS = ("collections OrderedDict", "collections defaultdict", "builtins dict", "__builtin__ dict")
_AS_GIVEN = ("torch Size", "torch._utils _rebuild_parameter", "torch._utils _rebuild_parameter_with_state")
_MOST_DIMENSIONS, _MOST_DEPTH, _MOST_MODULES = 8, 40, 20_000
_KEYS = str | int | float | bool | bytes | None  # of a dict; a tuple's hash may take for ever
_NUMBERS = {
    "INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "STRING", "BINSTRING", "SHORT_BINSTRING",
    "BINBYTES", "SHORT_BINBYTES", "BINBYTES8", "BYTEARRAY8", "UNICODE", "SHORT_BINUNICODE", "BINUNICODE",
    "BINUNICODE8", "FLOAT", "BINFLOAT",
}  # fmt: skip
_ENDS = ("PROTO", "FRAME", "STOP")


@dataclass(frozen=True)
class Storage:
    """Values that tensors share: the file's `key` for them, how many there are and of which type."""

    key: str
    dtype: torch.dtype
    count: int


@dataclass
class Foreign:
    """In the place of an object, a class or a function of other code; `state`: what its attributes would have been."""

    name: str
    state: Any = field(default=None, repr=False)


Rebuild = Callable[[Storage, int, Shape, Shape], torch.Tensor]
"""Makes a tensor of values, its offset among them, its shape and its strides."""


def content(code: bytes | BinaryIO, rebuild: Rebuild) -> Any:
    """What a pickle holds, modules as dicts of their tensors; of a file, what the pickle at its place holds.

    Raises ValueError, or what `rebuild` raises, for one that is damaged; IndexError or KeyError where it takes what it
    has not made.
    """
    machine = _Machine(rebuild)
    for operation, argument, _ in pickletools.genops(code):
        machine.do(operation.name, argument)
    found = machine.stack.pop()
    if isinstance(found, dict):
        return {key: _tensors(value) for key, value in found.items()}
    return _tensors(found)


def meta(storage: Storage, offset: int, shape: Shape, strides: Shape) -> torch.Tensor:
    """A tensor without values."""
    return torch.empty_strided(shape, strides, dtype=storage.dtype, device="meta")


def mapped(values: mmap.mmap, start: int, storage: Storage, offset: int, shape: Shape, strides: Shape) -> torch.Tensor:
    """A tensor of a storage whose values begin at byte `start` of a mapped file."""
    if not storage.count:
        return torch.empty(shape, dtype=storage.dtype)
    whole = torch.frombuffer(values, dtype=storage.dtype, count=storage.count, offset=start)
    return whole.as_strided(shape, strides, offset)


class _Machine:
    """The stack that a pickle's operations work on, what they have put aside, and the marks in between."""

    def __init__(self, rebuild: Rebuild) -> None:
        self.stack: list[Any] = []
        self._marks: list[list[Any]] = []
        self._kept: dict[int, Any] = {}
        self._rebuild = rebuild

    def do(self, name: str, argument: Any) -> None:
        """One operation."""
        act = getattr(self, f"_{name.lower()}", None)
        if act is not None:
            act()
        elif name in _NUMBERS:
            self.stack.append(argument)
        elif name in ("GET", "BINGET", "LONG_BINGET"):
            self.stack.append(self._kept[argument])
        elif name in ("PUT", "BINPUT", "LONG_BINPUT"):
            self._kept[argument] = self.stack[-1]
        elif name in ("GLOBAL", "EXT1", "EXT2", "EXT4"):
            self.stack.append(Foreign(str(argument)))
        elif name == "INST":
            self._above_mark()
            self.stack.append(Foreign(str(argument)))
        elif name == "PERSID":
            self.stack.append(Foreign("a name of its own"))
        elif name not in _ENDS:
            raise ValueError(f"unknown operation {name}")

    def _above_mark(self) -> list[Any]:
        """What lies above the last mark."""
        found, self.stack = self.stack, self._marks.pop()
        return found

    def _mark(self) -> None:
        self._marks.append(self.stack)
        self.stack = []

    def _memoize(self) -> None:
        self._kept[len(self._kept)] = self.stack[-1]

    def _pop(self) -> None:
        self.stack.pop() if self.stack else self._above_mark()

    def _pop_mark(self) -> None:
        self._above_mark()

    def _dup(self) -> None:
        self.stack.append(self.stack[-1])

    def _none(self) -> None:
        self.stack.append(None)

    def _newtrue(self) -> None:
        self.stack.append(True)

    def _newfalse(self) -> None:
        self.stack.append(False)

    def _empty_list(self) -> None:
        self.stack.append([])

    def _empty_dict(self) -> None:
        self.stack.append({})

    def _empty_tuple(self) -> None:
        self.stack.append(())

    def _empty_set(self) -> None:
        self.stack.append(Foreign("set"))

    def _list(self) -> None:
        found = self._above_mark()
        self.stack.append(found)

    def _tuple(self) -> None:
        found = self._above_mark()
        self.stack.append(tuple(found))

    def _tuple1(self) -> None:
        self._take_last(1)

    def _tuple2(self) -> None:
        self._take_last(2)

    def _tuple3(self) -> None:
        self._take_last(3)

    def _take_last(self, count: int) -> None:
        found = [self.stack.pop() for _ in range(count)]
        self.stack.append(tuple(reversed(found)))

    def _dict(self) -> None:
        found = self._above_mark()
        self.stack.append({})
        self._into_dict(found)

    def _append(self) -> None:
        self._into_list([self.stack.pop()])

    def _appends(self) -> None:
        self._into_list(self._above_mark())

    def _into_list(self, found: list[Any]) -> None:
        if isinstance(self.stack[-1], list):
            self.stack[-1].extend(found)

    def _setitem(self) -> None:
        value, key = self.stack.pop(), self.stack.pop()
        self._into_dict([key, value])

    def _setitems(self) -> None:
        self._into_dict(self._above_mark())

    def _into_dict(self, found: list[Any]) -> None:
        """Keys and values, by turns, into the dict on top."""
        if isinstance(self.stack[-1], dict):
            pairs = zip(found[::2], found[1::2], strict=True)
            self.stack[-1].update({key: value for key, value in pairs if isinstance(key, _KEYS)})

    def _additems(self) -> None:
        self._above_mark()

    def _frozenset(self) -> None:
        self._above_mark()
        self.stack.append(Foreign("frozenset"))

    def _stack_global(self) -> None:
        name, module = self.stack.pop(), self.stack.pop()
        self.stack.append(Foreign(f"{module} {name}" if isinstance(module, str) and isinstance(name, str) else ""))

    def _obj(self) -> None:
        found = self._above_mark()
        self.stack.append(_of(found[0]))

    def _newobj(self) -> None:
        _, kind = self.stack.pop(), self.stack.pop()
        self.stack.append({} if isinstance(kind, Foreign) and kind.name in _DICTS else _of(kind))

    def _newobj_ex(self) -> None:
        self.stack.pop()
        self._newobj()

    def _build(self) -> None:
        state = self.stack.pop()
        if isinstance(self.stack[-1], Foreign):
            self.stack[-1].state = state

    def _reduce(self) -> None:
        """What would be a call: made where it gives a container or a tensor, else left a Foreign."""
        arguments, called = self.stack.pop(), self.stack.pop()
        name = called.name if isinstance(called, Foreign) else ""
        if name in _DICTS:
            self.stack.append({})
        elif name in _AS_GIVEN and isinstance(arguments, tuple):
            self.stack.append(arguments[0])
        elif name == "torch._utils _rebuild_tensor_v2" and isinstance(arguments, tuple) and not any(arguments[6:]):
            self.stack.append(self._made_tensor(*arguments[:4]))
        else:
            self.stack.append(_of(called))

    def _binpersid(self) -> None:
        """A storage: ("storage", its class, key, where it lay, how many values); before PyTorch 1.6 also which part of
        another one it shows, which is not followed."""
        match self.stack.pop():
            case ("storage", Foreign(name=name), str(key), _, int(count), *view) if (
                name in _DTYPES and count >= 0 and view in ([], [None])
            ):
                self.stack.append(Storage(key, _DTYPES[name], count))
            case _:
                self.stack.append(Foreign("a storage"))

    def _made_tensor(self, storage: Any, offset: Any, shape: Any, strides: Any) -> Any:
        """A tensor that stays within its storage; raises ValueError for another."""
        if isinstance(storage, Foreign):  # of a type that is not read here
            return storage
        numbers = (offset, *shape, *strides)
        whole = all(type(number) is int and 0 <= number < 2**62 for number in numbers)
        if not isinstance(storage, Storage) or not whole or not len(shape) == len(strides) <= _MOST_DIMENSIONS:
            raise ValueError("no tensor")
        last = offset + sum((side - 1) * stride for side, stride in zip(shape, strides, strict=True))
        if 0 not in shape and last >= storage.count:
            raise ValueError("a tensor beyond its storage")
        return self._rebuild(storage, offset, tuple(shape), tuple(strides))


def _of(kind: Any) -> Foreign:
    return Foreign(kind.name if isinstance(kind, Foreign) else "")


def _tensors(value: Any) -> Any:
    """A module of torch's, a Foreign with parts of known names, as a dict of its tensors and quantised layers."""
    if not isinstance(value, Foreign) or not isinstance(value.state, dict) or "_modules" not in value.state:
        return value
    found, left = dict[str, Any](), [("", value, 0)]
    while left:
        prefix, module, depth = left.pop()
        state = module.state if isinstance(module, Foreign) and isinstance(module.state, dict) else {}
        found |= {f"{prefix}weight": module} if ".quantized." in getattr(module, "name", "") else {}
        for part in ("_parameters", "_buffers"):
            held = state.get(part)
            named = held.items() if isinstance(held, dict) else ()
            found.update({f"{prefix}{name}": one for name, one in named if isinstance(one, torch.Tensor)})
        inner = state.get("_modules")
        left += [(f"{prefix}{name}.", one, depth + 1) for name, one in (inner or {}).items()]
        if depth > _MOST_DEPTH or len(left) + len(found) > _MOST_MODULES:
            raise ValueError("a module of too many parts")
    return found
