"""Counts the structures of models/descendants.py. Nothing is built or run."""

from ..errors import ShapeError, UserError
from ..layers.base import Shape
from ..models.descendants import DESCENDANTS, Structure
from .counting import Count, Row


def count_structure(net: Structure, shape: Shape) -> tuple[Row, ...]:
    """A Row for each layer of ``net`` with weights, for one image of ``shape`` (H, W, C).

        weights = KH·KW·C·F        depthwise: KH·KW·C        params = weights + 2 F with batch norm (γ and β)
        MACs    = weights · OH·OW

    Other operations (ReLU, pools, batch norm, additions) are not counted. Raises ShapeError if a window does not fit.
    """
    rows: list[Row] = []
    _walk(net, shape, rows)
    return tuple(rows)


def _walk(net, shape, rows):
    """The output shape; appends to ``rows``."""
    if isinstance(net, list):
        for part in net:
            shape = _walk(part, shape, rows)
        return shape
    (H, W, C), (kind, *values) = shape, net
    if kind in ("cat", "add"):
        shapes = [_walk(branch, shape, rows) for branch in values]
        return (*shapes[0][:2], sum(s[2] for s in shapes) if kind == "cat" else shapes[0][2])
    name = f"{len(rows) + 1}"
    if kind == "linear":
        F, = values
        rows.append(Row(name, "dense", (F,), C * F + F, C * F, 0, ("global average pool", f"dense {C} -> {F}")))
        return 1, 1, F
    F, kernel, S, pad, norm = values
    OH, OW = ((size + pad * (K // 2) * 2 - K) // S + 1 for size, K in zip((H, W), kernel, strict=True))
    if min(OH, OW) < 1:
        raise ShapeError(f"a window of {kernel[0]}x{kernel[1]} does not fit into {H}x{W}")
    if kind == "pool":
        return OH, OW, C
    F, reads = (F, C) if kind == "conv" else (C, 1)
    weights = kernel[0] * kernel[1] * reads * F
    rows.append(Row(name, "conv" if kind == "conv" else "grouped conv", (OH, OW, F), weights + 2 * F * norm,
                    weights * OH * OW, 0, (f"{kind} {kernel[0]}x{kernel[1]}/{S}", *["batch norm"] * norm, "ReLU"),
                    kernel, (S, S), C // reads))
    return OH, OW, F


def count_descendant(name: str, input_shape: Shape | None = None) -> Count:
    """The Count of one of DESCENDANTS; ``other`` is 0, see ``count_structure``. Raises UserError for small images."""
    found = DESCENDANTS[name]
    shape = tuple(input_shape or found.input_shape)
    try:
        rows = count_structure(found.structure, shape)
    except ShapeError as error:
        raise UserError(f"input: images of {'x'.join(map(str, shape))} are too small for {name} ({error}); choose "
                        "larger ones") from error
    return Count(name, shape, rows, rows, rows)
