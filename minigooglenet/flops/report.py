"""What ``make flops`` prints: the counts of GoogLeNet, all computed from its structure."""

from collections.abc import Sequence

from ..layers import Conv, Dense
from ..layers.base import Shape
from ..layers.containers import Concat
from ..models.catalog import network
from ..models.googlenet import TABLE_1
from ..models.inception import Style, inception
from ..models.rows import Inception
from .audit import EXPLANATIONS, PRINTED, K, M, audit, conventions
from .counting import Count, convolution, count, inputs
from .tables import UNITS, Table, shape_text

MODULES = tuple(row for row in TABLE_1 if isinstance(row, Inception))


def report() -> str:
    """The report as text."""
    net = network("googlenet")
    sections = (
        _one_convolution(net), _network(), _naive_against_reduced(net), _classifiers(net), _table_1(net))
    return "\n\n\n".join(f"{title}\n{'=' * len(title)}\n\n{text}" for title, text in sections)


def millions(number: int) -> str:
    """``112896000 -> "112.9M"``"""
    return f"{number / M:.1f}M"


def naive(row: Inception, C: int) -> Concat:
    """The module of a row of Table 1 in the form of figure 2(a), with C input channels."""
    return inception(Style(reduced=False), C, *row[1:])


def _product(layer: Conv, shape: Shape) -> str:
    """A convolution's MACs as a product: OH·OW·F·KH·KW·C, without factors of 1."""
    OH, OW, F = layer.output_shape(shape)
    factors = [n for n in (OH, OW, F, *layer.kernel, layer.C) if n != 1]
    return f"{'·'.join(map(str, factors))} = {layer.macs(shape):,}"


def _one_convolution(net):
    module, shape = net.children["4a"], inputs(net)["4a"]
    direct = convolution(naive(next(row for row in MODULES if row.name == "4a"), shape[-1]).children["5x5"])
    reduce, conv = (convolution(module.children[name]) for name in ("5x5_reduce", "5x5"))
    between = reduce.output_shape(shape)
    alone, first, second = direct.macs(shape), reduce.macs(shape), conv.macs(between)
    return "One 5x5 convolution, with and without a 1x1 before it (module 4a)", (
        f"{shape_text(shape)} -> {shape_text(direct.output_shape(shape))}, in multiply-adds\n\n"
        f"  5x5 alone          {_product(direct, shape)}   ({millions(alone)})\n"
        f"  1x1 to {reduce.F} maps     {_product(reduce, shape)}\n"
        f"  5x5 on {reduce.F} maps     {_product(conv, between)}\n"
        f"  1x1 and 5x5        {first:,} + {second:,} = {first + second:,}   "
        f"({millions(first)} + {millions(second)} = {millions(first + second)})\n\n"
        f"  {alone / (first + second):.1f}× fewer")


def _network():
    counted = count("googlenet")
    heads = count("googlenet", heads=True)
    convolutions = sum(row.is_conv for row in counted.layers)
    return "The whole network", (
        f"Input {shape_text(counted.input)}, {counted.layers[-1].output[0]} classes, {convolutions} convolutions.\n"
        f"{UNITS}\n\n"
        f"Layer by layer\n\n{counted.table('block').text()}\n\n"
        f"By module\n\n{counted.table('module').text()}\n\n"
        f"With the auxiliary heads, used in training only: {heads.params:,} parameters, {heads.macs:,} MACs.")


def _naive_against_reduced(net):
    entering, chain = inputs(net), count("googlenet-naive")
    branches, modules, sums = [], [], [0, 0, 0]
    for row in MODULES:
        name, shape = row.name, entering[row.name]
        plain, reduced = naive(row, shape[-1]), net.children[row.name]
        cells = [name]
        for window in ("5x5", "3x3"):
            alone = plain.children[window].macs(shape)
            reduce, conv = reduced.children[f"{window}_reduce"], reduced.children[window]
            first, second = reduce.macs(shape), conv.macs(reduce.output_shape(shape))
            cells += [alone, f"{first:,} + {second:,}", first + second, f"{alone / (first + second):.2f}×"]
        branches.append(cells)
        costs = plain.macs(shape), reduced.macs(shape), chain[name].macs
        sums = [total + cost for total, cost in zip(sums, costs, strict=True)]
        modules.append([name, costs[0], costs[1], f"{costs[0] / costs[1]:.2f}×", plain.output_shape(shape)[-1],
                        reduced.output_shape(shape)[-1], costs[2], chain[name].output[-1]])
    one_branch = [Table(("", f"{window} naive", "1x1 before + after", "reduced", "fewer"),
                        [[cells[0], *cells[at:at + 4]] for cells in branches]).text()
                  for window, at in (("5x5", 1), ("3x3", 5))]
    total = ["sum", sums[0], sums[1], f"{sums[0] / sums[1]:.2f}×", None, None, sums[2], None]
    whole = Table(("module", "naive", "reduced", "fewer", "maps naive", "maps reduced", "naive chain", "its maps"),
                  modules, [total]).text()
    return "Naive against reduced, figure 2(a) against 2(b), all nine modules", (
        f"The 5x5 branch, in MACs\n\n{one_branch[0]}\n\nThe 3x3 branch\n\n{one_branch[1]}\n\n"
        f"Whole modules. A naive module outputs all its pooled input channels, so the number of maps grows. In the\n"
        f"columns naive and reduced each module has the input of the paper. In the last two columns, the naive chain,\n"
        f"each reads the naive output of the one before: {sums[2] / sums[1]:.2f}× the reduced modules in all."
        f"\n\n{whole}")


def _classifiers(net):
    maps = inputs(net)["pool5"]
    D, C, classes = maps[0] * maps[1] * maps[2], maps[-1], net.children["linear"].output_shape(maps[-1:])[0]
    shape = shape_text(maps)

    def weights(D: int, F: int) -> int:
        return Dense(D, F).macs((D,))

    return "Global average pooling against a fully connected layer", (Table(("", "weights"), [
        [f"fully connected {shape} -> {C}", weights(D, C)],
        [f"global average pool {shape} -> {C}", 0],
        [f"fully connected {shape} -> {classes} classes", weights(D, classes)],
        [f"global average pool, then linear {C} -> {classes}", weights(C, classes)]]).text())


def _table_1(net):
    rows = audit(net)
    cells, notes = [], []
    for row in rows:
        if row.printed.ops is None:
            continue
        marks = [word for word, agrees in (("params", row.params_agree), ("ops", row.ops_agree)) if not agrees]
        verdict = f"≠ {', '.join(marks)}" if marks else "= as printed"
        cells.append([row.printed.type, row.params, f"{row.weights / K:,.1f}", f"{row.params / K:,.1f}",
                      f"{row.printed.params:g}K", row.macs, f"{row.macs / M:.1f}", f"{row.printed.ops}M",
                      verdict])
        if marks:
            first, *more = EXPLANATIONS[row.printed.layers[0]](row)
            notes.append("\n".join([f"  ≠ {row.printed.layers[0]:<6} {first}", *(" " * 11 + line for line in more)]))
    sums = [sum(row.params for row in rows), sum(row.weights for row in rows), sum(row.macs for row in rows)]
    printed = sum(row.printed.params or 0 for row in rows), sum(row.printed.ops or 0 for row in rows)
    total = ["total", sums[0], f"{sums[1] / K:,.1f}", f"{sums[0] / K:,.1f}", f"{printed[0]:.1f}K", sums[2],
             f"{sums[2] / M:.1f}", f"{printed[1]}M", ""]
    table = Table(("row of Table 1", "params", "K, no bias", "K", "printed", "MACs", "M", "printed", "verdict"),
                  cells, [total]).text()
    outputs = sum(row.output == row.printed.output for row in rows)
    depths = sum(row.depth == row.printed.depth for row in rows)
    krizhevsky = count("alexnet").params
    return "Table 1 audited, cell by cell", (
        f"Our counts and the printed params and ops. Outputs that agree: {outputs} of {len(PRINTED)}; depths: "
        f"{depths} of {len(PRINTED)}, {sum(row.depth for row in rows)} in all.\n\n{table}\n\n"
        + "\n".join(notes) + "\n\n" + "\n".join(f"  {line}" for line in conventions(rows))
        + f"\n  \"12× fewer parameters\" than Krizhevsky et al. (section 1): {krizhevsky:,} / {sums[0]:,} = "
        f"{krizhevsky / sums[0]:.2f}×.")


def compare_table(counts: Sequence[Count]) -> Table:
    """A row of totals for each network; the ratios are to GoogLeNet."""
    base = next(count for count in counts if count.model == "googlenet")
    return Table(("model", "input", "params", "params ratio", "MACs", "MACs ratio", "FLOPs"), [
        [c.model, shape_text(c.input), c.params, f"{c.params / base.params:.2f}×", c.macs, f"{c.macs / base.macs:.2f}×",
         c.flops] for c in counts])
