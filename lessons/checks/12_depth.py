"""Checks of lesson 12: standard deviations by the formula, losses against weighted_loss, gradients against Trunk."""

import numpy as np

from lessons.check import Case, Exercise, Mistake
from minigooglenet.layers import Dense
from minigooglenet.layers.containers import Sequential, Trunk
from minigooglenet.layers.init import he
from minigooglenet.training.losses import weighted_loss

# -- initialization --------------------------------------------------------------------------------------------------


class _Ones:
    """Replaces a generator: all values are 1, so that the result shows the factor."""

    def standard_normal(self, shape):
        return np.ones(shape)


def deviation_cases():
    for shape, what in (((8, 5), "a dense layer, 8 inputs, 5 outputs"), ((1, 1, 50, 8), "a 1×1 convolution"),
                        ((3, 3, 64, 192), "3×3 on 64 channels, 192 filters"), ((7, 7, 3, 64), "GoogLeNet's conv1"),
                        ((1, 5, 6, 2), "a window of 1×5")):
        yield Case(f"{what}: {shape}", (shape,), float(he(_Ones(), shape, int(np.prod(shape[:-1]))).flat[0]))


def channels_only(shape):
    return np.sqrt(2 / shape[-2])


def fan_out(shape):
    return np.sqrt(2 / (np.prod(shape[:-2]) * shape[-1]))


def xavier(shape):
    return np.sqrt(1 / np.prod(shape[:-1]))


def glorot(shape):
    return np.sqrt(2 / (np.prod(shape[:-2]) * (shape[-2] + shape[-1])))


def uniform_bound(shape):
    return np.sqrt(6 / np.prod(shape[:-1]))


def no_root(shape):
    return 2 / np.prod(shape[:-1])


def all_axes(shape):
    return np.sqrt(2 / np.prod(shape))


def all_outputs(shape):
    return np.sqrt(2 / shape[-1])


def mean_of_both(shape):
    return np.sqrt(2 / (np.prod(shape[:-1]) + shape[-1]))


# -- three losses ----------------------------------------------------------------------------------------------------

def loss_cases():
    rng = np.random.default_rng(9)
    labels = np.array([1, 0, 3, 3, 2])
    zeros = [np.zeros((2, 10))] * 3
    yield Case("three untrained classifiers: 1.6 · ln 10", (zeros, np.array([4, 7]), (1.0, 0.3, 0.3)),
               _combined(zeros, np.array([4, 7]), (1.0, 0.3, 0.3)))
    for weights in ((1.0,), (1.0, 0.3, 0.3), (1.0, 0.5), (0.7, 0.0, 0.2, 0.4)):
        logits = [2 * rng.standard_normal((5, 4)) for _ in weights]
        yield Case(f"{len(weights)} arrays of 5 images and 4 classes, weights {weights}", (logits, labels, weights),
                   _combined(logits, labels, weights))
    large = [np.array([[1000.0, 0.0, -1000.0], [3.0, 1.0, 2.0]])]
    yield Case("logits of 1000: exp must not overflow", (large, np.array([0, 2]), (0.3,)),
               _combined(large, np.array([0, 2]), (0.3,)))
    logits = [z.astype(np.float32) for z in logits]
    total, gradients = _combined(logits, labels, weights)
    yield Case("float32 in, float32 out", (logits, labels, weights), (np.float32(total), gradients))


def _combined(logits, labels, weights):
    total, _, gradients = weighted_loss(logits, labels, weights)
    return total, gradients


def gradients_not_weighted(logits, labels, weights):
    return _combined(logits, labels, weights)[0], _combined(logits, labels, [1.0] * len(weights))[1]


def not_weighted(logits, labels, weights):
    return _combined(logits, labels, [1.0] * len(weights))


def divided_by_weights(logits, labels, weights):
    return _combined(logits, labels, np.array(weights) / sum(weights))


def own_loss_only(logits, labels, weights):
    total, gradients = _combined(logits, labels, weights)
    return weights[0] * weighted_loss(logits[:1], labels, [1.0])[0], gradients


def summed_over_batch(logits, labels, weights):
    N = len(labels)
    total, gradients = _combined(logits, labels, weights)
    return N * total, [N * g for g in gradients]


def gradient_summed_over_batch(logits, labels, weights):
    total, gradients = _combined(logits, labels, weights)
    return total, [len(labels) * g for g in gradients]


def base_2(logits, labels, weights):
    total, gradients = _combined(logits, labels, weights)
    return total / np.log(2), gradients


def label_not_subtracted(logits, labels, weights):
    total, gradients = _combined(logits, labels, weights)
    right = np.arange(len(labels)), labels
    for gradient, weight in zip(gradients, weights, strict=True):
        gradient[right] += gradient.dtype.type(weight / len(labels))
    return total, gradients


# -- backward with a head --------------------------------------------------------------------------------------------

def head_cases():
    rng = np.random.default_rng(109)
    one = np.array([[1.0]])
    yield Case("the chain of the lesson: four weights of 1/2, a head of weight 0.3 after the second",
               (one, [one / 2] * 4, one, 2, one, 0.3 * one), _trunk(one, [one / 2] * 4, one, 2, one, 0.3 * one))
    for N, widths, tap in ((2, (3, 4, 5, 2), 1), (3, (4, 2, 3), 2), (2, (5, 3, 3, 3, 4), 3), (4, (2, 6), 1)):
        arguments = _random(rng, N, widths, tap)
        yield Case(f"widths {' → '.join(map(str, widths))}, batch {N}, head after layer {tap}", arguments,
                   _trunk(*arguments))
    x, ws, head, tap, dy, dy_head = _random(rng, 3, (4, 2, 3, 3), 2)
    arguments = (x.astype(np.float32), [w.astype(np.float32) for w in ws], head.astype(np.float32), tap,
                 dy.astype(np.float32), dy_head.astype(np.float32))
    yield Case("float32 in, float32 out", arguments, _trunk(*arguments))


def _random(rng, N, widths, tap):
    ws = [rng.standard_normal(pair) for pair in zip(widths, widths[1:], strict=False)]
    return (rng.standard_normal((N, widths[0])), ws, rng.standard_normal((widths[tap], 3)), tap,
            rng.standard_normal((N, widths[-1])), rng.standard_normal((N, 3)))


def _dense(w):
    layer = Dense(*w.shape, dtype=w.dtype)
    layer.params["w"][...] = w
    return layer


def _trunk(x, ws, head, tap, dy, dy_head):
    trunk = Sequential({f"layer{i}": _dense(w) for i, w in enumerate(ws, 1)})
    net = Trunk(trunk, {"head": (f"layer{tap}", _dense(head))})
    _, cache = net.forward(x, train=True)
    dx = net.backward([dy, dy_head], cache)
    grads = net.gradients()
    return dx, [grads[f"layer{i}/w"] for i in range(1, len(ws) + 1)], grads["head/w"]


def head_forgotten(x, ws, head, tap, dy, dy_head):
    dx, dws, _ = _trunk(x, ws, head, tap, dy, 0 * dy_head)
    return dx, dws, _trunk(x, ws, head, tap, dy, dy_head)[2]


def head_overwrites(x, ws, head, tap, dy, dy_head):
    only_head = _trunk(x, ws, head, tap, 0 * dy, dy_head)
    dws = _trunk(x, ws, head, tap, dy, dy_head)[1]
    return only_head[0], [*only_head[1][:tap], *dws[tap:]], only_head[2]


def weighted_again(x, ws, head, tap, dy, dy_head):
    return _trunk(x, ws, head, tap, dy, dy.dtype.type(0.3) * dy_head)


def averaged(x, ws, head, tap, dy, dy_head):
    dx, dws, dhead = _trunk(x, ws, head, tap, dy, dy_head)
    below = _trunk(x, ws, head, tap, dy / 2, dy_head / 2)
    return below[0], [*below[1][:tap], *dws[tap:]], dhead


def below_its_layer(x, ws, head, tap, dy, dy_head):
    """The layer that is read gets nothing from the head; those below do."""
    dx, dws, dhead = _trunk(x, ws, head, tap, dy, dy_head)
    dws[tap - 1] = _trunk(x, ws, head, tap, dy, 0 * dy_head)[1][tap - 1]
    return dx, dws, dhead


def head_reads_too_early(x, ws, head, tap, dy, dy_head):
    dx, dws, _ = _trunk(x, ws, head, tap, dy, dy_head)
    h = x
    for w in ws[:tap - 1]:
        h = h @ w
    return dx, dws, h.T @ dy_head  # reads one layer too early


def loss_averaged_over_heads(logits, labels, weights):
    total, gradients = _combined(logits, labels, weights)
    return total / len(logits), gradients


EXERCISES = [
    Exercise(
        "deviation",
        hints=("fan_in is the number of products that one output sums. The number of outputs does not matter.",
               "For (D, F) it is D, for (KH, KW, C, F) it is KH · KW · C: all axes but the last.",
               "np.sqrt(2 / np.prod(shape[:-1]))"),
        cases=deviation_cases,
        mistakes=[
            Mistake(channels_only, "an output sums over the whole window, too: fan_in is KH · KW · C"),
            Mistake(fan_out, "that is fan-out, how many outputs an input reaches; count what one output sums"),
            Mistake(all_outputs, "that is the number of outputs; fan_in is the product of all other axes"),
            Mistake(mean_of_both, "fan_in only: the inputs that one output sums, not inputs and outputs"),
            Mistake(xavier, "that is Xavier's: ReLU removes half, so He has 2 where Xavier has 1"),
            Mistake(glorot, "that is Glorot's mean of fan-in and fan-out; He takes 2 / fan_in"),
            Mistake(uniform_bound, "√(6 / fan_in) is the bound of a uniform distribution, not its standard deviation"),
            Mistake(no_root, "that is the variance; the standard deviation is its square root"),
            Mistake(all_axes, "the last axis counts filters; it is not summed over"),
        ]),
    Exercise(
        "combined_loss",
        hints=("Each array of logits has a loss of its own, as in lesson 05. Handle one at a time, in a loop.",
               "dL/dlogits[k] is weights[k] · (p_k - t) / N, with t 1 at the label and 0 elsewhere.",
               "Take z - z.max(axis=1, keepdims=True) before exp; add weight · loss to the total, append weight · dz."),
        cases=loss_cases,
        returns=("loss", "gradients"),
        mistakes=[
            Mistake(gradients_not_weighted, "the loss is weighted, but its gradients are not: both need the weight"),
            Mistake(not_weighted, "the weights are ignored: a head counts 0.3"),
            Mistake(divided_by_weights, "return a weighted sum, not a mean: do not divide by the sum of the weights"),
            Mistake(loss_averaged_over_heads, "the weighted losses are added, not averaged over the classifiers"),
            Mistake(own_loss_only, "the loss is the main classifier's only: add the heads' weighted losses"),
            Mistake(summed_over_batch, "the loss is the mean over the batch: divide by N, once"),
            Mistake(gradient_summed_over_batch, "the loss is a mean over the batch, so its gradient has a factor 1/N"),
            Mistake(base_2, "use the natural logarithm: np.log, not np.log2"),
            Mistake(label_not_subtracted, "subtract 1 from p at the label"),
        ]),
    Exercise(
        "backward_with_head",
        hints=("Compute all h first. Then run the usual backward pass, with dh the gradient of h_i.",
               "When you reach h_tap, before anything else: dh = dh + dy_head @ head.T. Then go on as usual.",
               "For i = L … 1: (add if i == tap), dws[i-1] = h_(i-1)ᵀ dh, dh = dh ws[i-1]ᵀ. dhead = h_tapᵀ dy_head."),
        cases=head_cases,
        returns=("dx", "dws", "dhead"),
        mistakes=[
            Mistake(head_forgotten, "the head's gradient is missing: dh = dh + dy_head @ head.T at layer tap"),
            Mistake(head_overwrites, "the head's gradient overwrites the trunk's: add the two"),
            Mistake(weighted_again, "dy_head contains the factor 0.3 already: do not multiply by it again"),
            Mistake(averaged, "where two gradients meet they are added, not averaged"),
            Mistake(below_its_layer, "the head reads the output of layer tap: add before dws[tap - 1] is computed"),
            Mistake(head_reads_too_early, "dhead: the head reads h_tap, and h_0 is x; yours reads one layer too early"),
        ]),
]
