"""A few numbers side by side: a vector register as a numba type.

LLVM doesn't make vector operations of short loops over arrays that might
overlap, so the kernel asks for them by name. An array of lanes is a float64
array of shape (n, LANES), C-contiguous; indices are not checked.
"""

from __future__ import annotations

from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic, models, register_model

# numba's intrinsics have no types of their own
# mypy: disable-error-code="no-untyped-def, no-untyped-call, misc, name-defined, attr-defined"


LANES = 8  # doubles in a 512-bit register; a machine without them takes two or four registers
_DOUBLE = ir.DoubleType()
_VECTOR = ir.VectorType(_DOUBLE, LANES)
_FLAGS = ("contract",)
_HALVES = tuple(LANES >> i for i in range(1, LANES.bit_length()))


class _Lanes(types.Type):
    def __init__(self):
        super().__init__(name=f"Lanes{LANES}")


@register_model(_Lanes)
class _LanesModel(models.PrimitiveModel):
    def __init__(self, manager, lanes):
        super().__init__(manager, lanes, _VECTOR)


_LANES = _Lanes()


def _pointer(context, builder, array_type, array, row, column=None):
    """Address of a row, or of a vector in it, as that of a vector."""
    parts = context.make_array(array_type)(context, builder, array)
    width = ir.Constant(ir.IntType(64), LANES) if column is None else cgutils.unpack_tuple(builder, parts.shape)[1]
    offset = builder.mul(row, width)
    if column is not None:
        offset = builder.add(offset, column)
    return _place(context, builder, array_type, array, offset)


def _place(context, builder, array_type, array, offset):
    """Address of a number of an array, as that of a vector."""
    numbers = context.make_array(array_type)(context, builder, array).data
    return builder.bitcast(builder.gep(numbers, [offset]), _VECTOR.as_pointer())


def _at(builder, pointer, value=None):
    """Load a vector, or store one; an array's rows are aligned like its numbers only."""
    instruction = builder.load(pointer) if value is None else builder.store(value, pointer)
    instruction.align = 8
    return instruction


@intrinsic
def load(typing, array, row):
    """Load the lanes of one row."""

    def build(context, builder, signature, args):
        return _at(builder, _pointer(context, builder, signature.args[0], *args))

    return _LANES(array, types.int64), build


@intrinsic
def store(typing, array, row, lanes):
    """Store lanes as one row."""

    def build(context, builder, signature, args):
        _at(builder, _pointer(context, builder, signature.args[0], *args[:2]), args[2])
        return context.get_dummy_value()

    return types.none(array, types.int64, _LANES), build


@intrinsic
def read(typing, numbers, place):
    """Load so many numbers, one beside the other, of an array of any shape."""

    def build(context, builder, signature, args):
        return _at(builder, _place(context, builder, signature.args[0], *args))

    return _LANES(numbers, types.int64), build


@intrinsic
def write(typing, numbers, place, lanes):
    """Store lanes as so many numbers, one beside the other."""

    def build(context, builder, signature, args):
        _at(builder, _place(context, builder, signature.args[0], *args[:2]), args[2])
        return context.get_dummy_value()

    return types.none(numbers, types.int64, _LANES), build


@intrinsic
def gather(typing, table, start, stride, places):
    """Load ``table[start + stride * place]`` into each lane.

    Stores one by one and a load of all would do the same, but stall: a processor
    does not forward several stores to one load.
    """

    def build(context, builder, signature, args):
        numbers = context.make_array(signature.args[0])(context, builder, args[0]).data
        indices = context.make_array(signature.args[3])(context, builder, args[3]).data
        lanes = ir.Constant(_VECTOR, ir.Undefined)
        for lane in range(LANES):
            place = builder.load(builder.gep(indices, [ir.Constant(ir.IntType(64), lane)]))
            offset = builder.add(args[1], builder.mul(args[2], place))
            number = builder.load(builder.gep(numbers, [offset]))
            lanes = builder.insert_element(lanes, number, ir.Constant(ir.IntType(32), lane))
        return lanes

    return _LANES(table, types.int64, types.int64, places), build


@intrinsic
def splat(typing, number):
    """Put one number into every lane."""

    def build(context, builder, signature, args):
        first = builder.insert_element(ir.Constant(_VECTOR, ir.Undefined), args[0], ir.Constant(ir.IntType(32), 0))
        mask = ir.Constant(ir.VectorType(ir.IntType(32), LANES), [0] * LANES)
        return builder.shuffle_vector(first, first, mask)

    return _LANES(types.float64), build


@intrinsic
def multiply(typing, a, b):
    """Multiply lane by lane."""

    def build(context, builder, signature, args):
        return builder.fmul(*args, flags=_FLAGS)

    return _LANES(_LANES, _LANES), build


@intrinsic
def add(typing, a, b):
    """Add lane by lane; a product added becomes one fused operation."""

    def build(context, builder, signature, args):
        return builder.fadd(*args, flags=_FLAGS)

    return _LANES(_LANES, _LANES), build


@intrinsic
def interleave(typing, rows, chosen, column, cells, cell):
    """Copy a block of some rows, from a column on, to as many cells: a row becomes a lane."""

    def build(context, builder, signature, args):
        numbers = context.make_array(signature.args[1])(context, builder, args[1]).data
        row_of = [builder.load(builder.gep(numbers, [_whole(i)])) for i in range(LANES)]
        source = [_pointer(context, builder, signature.args[0], args[0], row, args[2]) for row in row_of]
        target = [
            _pointer(context, builder, signature.args[3], args[3], _next(builder, args[4], i)) for i in range(LANES)
        ]
        _transpose(builder, source, target)
        return context.get_dummy_value()

    return types.none(rows, chosen, types.int64, cells, types.int64), build


@intrinsic
def separate(typing, cells, cell, rows, column):
    """Copy as many cells as there are lanes to the first rows, from a column on: a lane becomes a row."""

    def build(context, builder, signature, args):
        source = [
            _pointer(context, builder, signature.args[0], args[0], _next(builder, args[1], i)) for i in range(LANES)
        ]
        target = [_pointer(context, builder, signature.args[2], args[2], _whole(i), args[3]) for i in range(LANES)]
        _transpose(builder, source, target)
        return context.get_dummy_value()

    return types.none(cells, types.int64, rows, types.int64), build


def _transpose(builder, source, target):
    """Load a square block, swap the off-diagonal quarters of ever smaller blocks, and store it."""
    vectors = [_at(builder, pointer) for pointer in source]
    for half in _HALVES:
        for i in range(LANES):
            if not i & half:
                a, b = vectors[i], vectors[i + half]
                low = [lane + (LANES - half if lane & half else 0) for lane in range(LANES)]
                high = [place + half for place in low]
                vectors[i], vectors[i + half] = (
                    builder.shuffle_vector(a, b, ir.Constant(ir.VectorType(ir.IntType(32), LANES), mask))
                    for mask in (low, high)
                )
    for pointer, vector in zip(target, vectors, strict=True):
        _at(builder, pointer, vector)


def _whole(number):
    return ir.Constant(ir.IntType(64), number)


def _next(builder, number, step):
    return builder.add(number, _whole(step))
