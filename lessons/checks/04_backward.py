"""Checks of lesson 04: gradients against the library and the seven loops, check_gradient on cubic functions."""

import numpy as np

from lessons.check import Case, Exercise, Mistake
from minigooglenet.kernels.geometry import output_size
from minigooglenet.kernels.naive_conv import convolve_dw, convolve_dx
from minigooglenet.layers import Dense, ReLU

#: (H, W, K, S, P): non-square images; strides that do not divide evenly; windows that overlap, touch and leave gaps.
GRID = ((5, 4, 3, 1, 0), (4, 6, 3, 1, 1), (7, 5, 3, 2, 1), (6, 8, 2, 2, 0), (5, 7, 1, 1, 0), (5, 8, 2, 3, 1),
        (9, 6, 5, 2, 2), (4, 5, 5, 1, 2))


# -- dense and ReLU ----------------------------------------------------------------------------------------------------

def dense_cases():
    rng = np.random.default_rng(3)
    for N, D, F in ((1, 3, 2), (4, 5, 3), (3, 2, 6)):
        dy, x, w, b = (rng.standard_normal(shape) for shape in ((N, F), (N, D), (D, F), (F,)))
        yield Case(f"batch {N}, {D} inputs, {F} outputs", (dy, x, w, b), _dense_relu(dy, x, w, b))
    zero = np.zeros_like(b)
    yield Case("z exactly 0 everywhere", (dy, 0 * x, w, zero), _dense_relu(dy, 0 * x, w, zero))
    dy, x, w, b = (a.astype(np.float32) for a in (dy, x, w, b))
    yield Case("float32 in, float32 out", (dy, x, w, b), _dense_relu(dy, x, w, b))


def _dense_relu(dy, x, w, b):
    dense, relu = Dense(*w.shape, dtype=w.dtype), ReLU()
    dense.params.update(w=w, b=b)
    z, cache = dense.forward(x)
    y, kept = relu.forward(z)
    dx = dense.backward(relu.backward(dy, kept), cache)
    return dx, dense.grads["w"], dense.grads["b"]


def _dense(dz, x, w):
    return dz @ w.T, x.T @ dz, dz.sum(axis=0)


def random_layers(rng):
    for _ in range(3):
        N, D, F = (int(n) for n in rng.integers(2, 7, 3))
        dy, x, w, b = (rng.standard_normal(shape) for shape in ((N, F), (N, D), (D, F), (F,)))
        yield Case(f"batch {N}, {D} inputs, {F} outputs", (dy, x, w, b), _dense_relu(dy, x, w, b))


def relu_forgotten(dy, x, w, b):
    return _dense(dy, x, w)


def sign_of_dy(dy, x, w, b):
    return _dense(dy * (dy > 0), x, w)


def times_y(dy, x, w, b):
    return _dense(dy * np.maximum(x @ w + b, 0), x, w)


def bias_forgotten(dy, x, w, b):
    return _dense(dy * (x @ w > 0), x, w)


def only_dx_masked(dy, x, w, b):
    dz = dy * (x @ w + b > 0)
    return dz @ w.T, x.T @ dy, dy.sum(axis=0)


def bias_over_features(dy, x, w, b):
    dz = dy * (x @ w + b > 0)
    return dz @ w.T, x.T @ dz, dz.sum(axis=1)


def db_averaged(dy, x, w, b):
    dx, dw, db = _dense_relu(dy, x, w, b)
    return dx, dw, db / db.dtype.type(len(dy))


def passes_at_zero(dy, x, w, b):
    return _dense(dy * (x @ w + b >= 0), x, w)


# -- convolution -------------------------------------------------------------------------------------------------------

def conv_cases():
    rng = np.random.default_rng(103)
    for H, W, K, S, P in GRID:
        dy = rng.standard_normal((2, output_size(H, K, S, P), output_size(W, K, S, P), 4))
        x, w = rng.standard_normal((2, H, W, 3)), rng.standard_normal((K, K, 3, 4))
        yield Case(f"{K}×{K} windows, stride {S}, padding {P}, images of {H}×{W}, batch 2", (dy, x, w, S, P),
                   _gradients(dy, x, w, S, P))
    dy, x, w = (a.astype(np.float32) for a in (dy, x, w))
    yield Case("float32 in, float32 out", (dy, x, w, S, P), _gradients(dy, x, w, S, P))


def random_convolutions(rng):
    for _ in range(3):
        K, S, P = (int(n) for n in rng.integers((1, 1, 0), (5, 4, 3)))
        H, W = (int(n) for n in rng.integers(max(2, K - 2 * P), 9, 2))
        dy = rng.standard_normal((2, output_size(H, K, S, P), output_size(W, K, S, P), 4))
        x, w = rng.standard_normal((2, H, W, 3)), rng.standard_normal((K, K, 3, 4))
        yield Case(f"{K}×{K} windows, stride {S}, padding {P}, images of {H}×{W}, batch 2", (dy, x, w, S, P),
                   _gradients(dy, x, w, S, P))


def _gradients(dy, x, w, S, P):
    return convolve_dx(dy, w, x.shape, (S, S), (P, P)), convolve_dw(dy, x, w.shape[:2], (S, S), (P, P))[0]


def _padded(x, P):
    return np.pad(x, ((0, 0), (P, P), (P, P), (0, 0)))


def _window(i, j, S, K):
    return slice(None), slice(i * S, i * S + K), slice(j * S, j * S + K)


def assigned(dy, x, w, S, P):
    K, (H, W), out = len(w), x.shape[1:3], _padded(0 * x, P)
    for i, j in np.ndindex(dy.shape[1:3]):
        out[_window(i, j, S, K)] = np.einsum("nf,uvcf->nuvc", dy[:, i, j], w)
    return out[:, P:P + H, P:P + W], _gradients(dy, x, w, S, P)[1]


def mirrored(dy, x, w, S, P):
    return _gradients(dy, x, w[::-1, ::-1], S, P)


def stride_ignored(dy, x, w, S, P):
    K, (H, W) = len(w), x.shape[1:3]
    padded, out, dw = _padded(x, P), _padded(0 * x, P), np.zeros_like(w)
    for i, j in np.ndindex(dy.shape[1:3]):
        out[_window(i, j, 1, K)[0], i:i + K, j:j + K] += np.einsum("nf,uvcf->nuvc", dy[:, i, j], w)
        dw += np.einsum("nuvc,nf->uvcf", padded[:, i:i + K, j:j + K], dy[:, i, j])
    return out[:, P:P + H, P:P + W], dw


def cut_at_one_end(dy, x, w, S, P):
    K, (H, W), out = len(w), x.shape[1:3], _padded(0 * x, P)
    for i, j in np.ndindex(dy.shape[1:3]):
        out[_window(i, j, S, K)] += np.einsum("nf,uvcf->nuvc", dy[:, i, j], w)
    return out[:, :H, :W], _gradients(dy, x, w, S, P)[1]


def padded_at_the_end(dy, x, w, S, P):
    K, (H, W) = len(w), x.shape[1:3]
    padded = np.pad(x, ((0, 0), (0, 2 * P), (0, 2 * P), (0, 0)))
    out, dw = np.zeros_like(padded), np.zeros_like(w)
    for i, j in np.ndindex(dy.shape[1:3]):
        out[_window(i, j, S, K)] += np.einsum("nf,uvcf->nuvc", dy[:, i, j], w)
        dw += np.einsum("nuvc,nf->uvcf", padded[_window(i, j, S, K)], dy[:, i, j])
    return out[:, :H, :W], dw


def u_and_v_swapped(dy, x, w, S, P):
    return _gradients(dy, x, w.transpose(1, 0, 2, 3), S, P)


def dw_of_last_window(dy, x, w, S, P):
    i, j = dy.shape[1] - 1, dy.shape[2] - 1
    return (_gradients(dy, x, w, S, P)[0],
            np.einsum("nuvc,nf->uvcf", _padded(x, P)[_window(i, j, S, len(w))], dy[:, i, j]))


def dw_of_last_image(dy, x, w, S, P):
    return _gradients(dy, x, w, S, P)[0], _gradients(dy[-1:], x[-1:], w, S, P)[1]


def dw_averaged(dy, x, w, S, P):
    dx, dw = _gradients(dy, x, w, S, P)
    return dx, dw / x.dtype.type(len(x))


# -- a gradient check --------------------------------------------------------------------------------------------------

def check_cases():
    rng = np.random.default_rng(203)
    for shape, eps, error in (((4,), 0.5, 0.0), ((2, 3), 0.25, 2.0), ((3, 1, 2), 0.125, -3.0), ((5, 2), 1e-3, 0.5)):
        x, a = rng.standard_normal(shape), rng.standard_normal(shape)
        gradient = 3 * (a * x).sum() ** 2 * a
        gradient[tuple(n - 1 for n in shape)] += error
        label = f"x {shape}, L = (Σ a x)³, ε = {eps}, the gradient is {'wrong in one entry' if error else 'right'}"
        yield Case(label, (_cubic(a), gradient, x, eps), _checked(_central(a, x, eps), gradient))


def _cubic(a):
    def L(x):
        return float((a * x).sum() ** 3)
    return L


def _central(a, x, eps):
    """((s + a ε)³ - (s - a ε)³) / 2ε, with s = Σ a x."""
    return 3 * (a * x).sum() ** 2 * a + a**3 * eps**2


def _checked(numeric, gradient, scale=None):
    off = np.abs(numeric - gradient)
    where = np.unravel_index(off.argmax(), off.shape)
    return float(off[where] / (np.abs(gradient).max() if scale is None else scale)), tuple(map(int, where))


def _slopes(L, x, eps, below, width):
    """(L(x + ε) - L(x - below ε)) / (width ε), one element at a time."""
    found = np.zeros(x.shape)
    for k in np.ndindex(x.shape):
        up, down = x.copy(), x.copy()
        up[k] += eps
        down[k] -= below * eps
        found[k] = (L(up) - L(down)) / (width * eps)
    return found


def all_at_once(L, gradient, x, eps):
    return _checked((L(x + eps) - L(x - eps)) / (2 * eps), gradient)


def one_sided(L, gradient, x, eps):
    return _checked(_slopes(L, x, eps, 0, 1), gradient)


def divided_by_eps(L, gradient, x, eps):
    return _checked(_slopes(L, x, eps, 1, 1), gradient)


def times_eps(L, gradient, x, eps):
    return _checked(_slopes(L, x, eps, 1, 2) * eps**2, gradient)


def not_moved_back(L, gradient, x, eps):
    moved, found = x.copy(), np.zeros(x.shape)
    for k in np.ndindex(x.shape):
        moved[k] += eps
        up = L(moved)
        moved[k] -= 2 * eps
        found[k] = (up - L(moved)) / (2 * eps)
    return _checked(found, gradient)


def relative_to_each(L, gradient, x, eps):
    off = np.abs((_slopes(L, x, eps, 1, 2) - gradient) / gradient)
    where = np.unravel_index(off.argmax(), off.shape)
    return float(off[where]), tuple(map(int, where))


def relative_to_both(L, gradient, x, eps):
    numeric = _slopes(L, x, eps, 1, 2)
    off = np.abs(numeric - gradient) / (np.abs(numeric) + np.abs(gradient))
    where = np.unravel_index(off.argmax(), off.shape)
    return float(off[where]), tuple(map(int, where))


def absolute(L, gradient, x, eps):
    return _checked(_slopes(L, x, eps, 1, 2), gradient, scale=1)


def flat_index(L, gradient, x, eps):
    off = np.abs(_slopes(L, x, eps, 1, 2) - gradient)
    return float(off.max() / np.abs(gradient).max()), int(off.argmax())


EXERCISES = [
    Exercise(
        "dense_relu_backward",
        hints=("Give the value between the two layers a name: z = x w + b, y = max(z, 0). Start at y and go backward.",
               "Where z > 0, dz is dy; elsewhere it is 0. Recompute z to know where.",
               "dz = dy * (z > 0); then dx = dz @ w.T, dw = x.T @ dz, db = dz.sum(axis=0)."),
        cases=dense_cases,
        random_cases=random_layers,
        returns=("dx", "dw", "db"),
        mistakes=[
            Mistake(relu_forgotten, "the ReLU is missing: where z is not positive, the gradient is 0"),
            Mistake(sign_of_dy, "the mask depends on the sign of z, not on that of dy"),
            Mistake(times_y, "the slope of the ReLU is 1 or 0: do not multiply by y"),
            Mistake(bias_forgotten, "the bias is missing in z: the mask is where z = x w + b is positive"),
            Mistake(only_dx_masked, "the ReLU applies to dw and db, too: use dz for all three"),
            Mistake(bias_over_features, "db sums over the batch (axis 0) and keeps one value per output"),
            Mistake(db_averaged, "db is a sum over the batch: the loss has already taken the mean"),
            Mistake(passes_at_zero, "where z is exactly 0, the gradient is 0: use z > 0, not z >= 0"),
        ]),
    Exercise(
        "conv_backward",
        hints=("Start from the forward loop: padded x, one window per (i, j). Every window is a small dense layer.",
               "Let d = dy[:, i, j], of shape (N, F). Add d · w to the gradient of the window, and window · d to dw.",
               "dpadded[:, rows, columns] += (d @ w.reshape(-1, F).T).reshape(N, K, K, C); "
               "dw += (window.reshape(N, -1).T @ d).reshape(w.shape); remove the padding from dpadded at the end."),
        cases=conv_cases,
        random_cases=random_convolutions,
        returns=("dx", "dw"),
        mistakes=[
            Mistake(assigned, "dx: windows overlap, so add with +=, do not assign with ="),
            Mistake(mirrored, "dx: the weights are flipped; pixel [i·S + u] gets dy[i] · w[u], with the same u"),
            Mistake(stride_ignored, "the stride is ignored: window (i, j) starts at row i·S and column j·S"),
            Mistake(cut_at_one_end, "dx: remove the padding on both sides: padded[:, P:P+H, P:P+W]"),
            Mistake(padded_at_the_end, "window (i, j) starts at row i·S - P: P rows of padding come before the image"),
            Mistake(u_and_v_swapped, "dx: u and v are swapped: u counts rows, v columns"),
            Mistake(dw_of_last_window, "dw: sum over all windows: += for every (i, j)"),
            Mistake(dw_of_last_image, "dw: sum over all images of the batch"),
            Mistake(dw_averaged, "dw is averaged over the batch; return the sum"),
        ]),
    Exercise(
        "check_gradient",
        hints=("For every index k of np.ndindex(x.shape): move x[k] up, move it down, and compare the two values of L.",
               "x is read-only, and each move must be undone: make a copy for each move.",
               "differences[k] = abs((L(up) - L(down)) / (2 * eps) - gradient[k]); "
               "where = np.unravel_index(differences.argmax(), x.shape)."),
        cases=check_cases,
        returns=("error", "where"),
        mistakes=[
            Mistake(all_at_once, "x + eps moves all elements together; move x[k] alone, in a copy"),
            Mistake(one_sided, "this is the one-sided difference; move down by ε as well, and divide by 2ε"),
            Mistake(divided_by_eps, "the distance from x - ε to x + ε is 2ε: divide by 2ε"),
            Mistake(times_eps, "/ 2 * eps multiplies by ε: write / (2 * eps)"),
            Mistake(not_moved_back, "a move is never undone: restore x[k] before you move the next element"),
            Mistake(relative_to_each, "divide by the largest gradient of all, not by the gradient of the same entry"),
            Mistake(relative_to_both, "divide by the largest gradient of all, not by the size of each entry"),
            Mistake(absolute, "divide the largest difference by the largest gradient"),
            Mistake(flat_index, "the index must be a tuple: np.unravel_index(differences.argmax(), x.shape)"),
        ]),
]
