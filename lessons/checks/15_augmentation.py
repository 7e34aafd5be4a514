"""Checks of lesson 15: the sampler by its distribution, mirror by hand, distortions against the library's."""

import numpy as np

from lessons.check import Case, Exercise, Mistake, Property, Wrong
from minigooglenet.data import augment

# -- the sampler -----------------------------------------------------------------------------------------------------

N, SIZES, LOW, HIGH = 20_000, ((32, 32), (30, 40), (40, 36)), 3 / 4, 4 / 3

SEED = "all randomness comes from np.random.default_rng(seed), created inside the function"
EACH = "draw each box separately: pass N as the size of each draw"
INSIDE = "top goes from 0 to H - height only, left from 0 to W - width"
SIDE = "you draw the side uniformly; draw the area fraction, and take the root"
CLIPPED = "boxes that do not fit are clipped, which changes their area: draw the aspect ratio within what fits"
REJECTED = "large boxes are too rare, as if boxes that do not fit were redrawn: draw the aspect ratio within what fits"
LOGARITHM = "draw the logarithm of the aspect ratio uniformly, so that r and 1/r are equally likely"
POSITION = "the position is not uniform: top is rng.random(N) * (H - height), left likewise"
TOGETHER = "top and left are independent: draw each with its own rng.random(N), not one for both"


def _drawn(attempt, H, W, seed=5, count=N):
    boxes = np.asarray(attempt(seed, count, H, W), np.float64)
    if boxes.shape != (count, 4):
        raise Wrong(f"shape {boxes.shape}, expected ({count}, 4)", "one row for each box: top, left, height, width")
    return boxes


def _distance(values, low, high):
    """The Kolmogorov–Smirnov distance between the values and the uniform distribution: 0 equal, 1 far apart."""
    wanted = np.clip((np.sort(values) - low) / (high - low), 0, 1)
    steps = np.arange(len(values) + 1) / len(values)
    return max(np.abs(wanted - steps[1:]).max(), np.abs(wanted - steps[:-1]).max())


def same_seed(attempt):
    one, same, other = (_drawn(attempt, 30, 40, seed, 50) for seed in (7, 7, 8))
    if not np.array_equal(one, same):
        raise Wrong("two calls with seed 7 gave different boxes", SEED)
    if np.array_equal(one, other):
        raise Wrong("seeds 7 and 8 gave the same boxes", SEED)
    if len(np.unique(one, axis=0)) < 50:
        raise Wrong(f"only {len(np.unique(one, axis=0))} of 50 boxes are different", EACH)


def inside(attempt):
    for H, W in SIZES:
        top, left, height, width = _drawn(attempt, H, W).T
        out = (top < -1e-9) | (left < -1e-9) | (top + height > H + 1e-6) | (left + width > W + 1e-6)
        if out.any():
            at = int(out.argmax())
            raise Wrong(f"on {H}×{W} pixels {out.sum():,} of {N:,} boxes do not fit, such as top {top[at]:.1f}, left "
                        f"{left[at]:.1f}, height {height[at]:.1f}, width {width[at]:.1f}", INSIDE)


def areas(attempt):
    for H, W in SIZES:
        *_, height, width = _drawn(attempt, H, W).T
        share = height * width / (H * W)
        if (off := _distance(share, 0.08, 1)) < 0.02:
            continue
        cause = ""
        if _distance(np.sqrt(share), 0.08**0.5, 1) < 0.02:
            cause = SIDE
        elif np.mean(np.isclose(height, H) | np.isclose(width, W)) > 0.02:
            cause = CLIPPED
        elif np.mean(share > 0.9) < 0.08:
            cause = REJECTED
        raise Wrong(f"on {H}×{W} pixels the area fractions go from {share.min():.3f} to {share.max():.3f} with mean "
                    f"{share.mean():.3f}; uniform from 0.08 to 1, the mean is 0.54 (distance {off:.2f})", cause)


def aspects(attempt):
    for H, W in SIZES:
        *_, height, width = _drawn(attempt, H, W).T
        r, share = width / height, height * width / (H * W)
        if r.min() < LOW - 1e-6 or r.max() > HIGH + 1e-6:
            raise Wrong(f"aspect ratios from {r.min():.3f} to {r.max():.3f}", "width / height lies in 3/4 … 4/3")
        low, high = np.log(np.maximum(LOW, share * W / H)), np.log(np.minimum(HIGH, W / (share * H)))
        wide = high - low > 0.05
        place = (np.log(r) - low)[wide] / (high - low)[wide]
        if (off := _distance(place, 0, 1)) > 0.03:
            raise Wrong(f"on {H}×{W} pixels the aspect ratios are not log-uniform (distance {off:.2f}), with "
                        f"{np.mean(r > 1):.1%} of boxes wider than high", LOGARITHM)


def positions(attempt):
    for H, W in SIZES:
        top, left, height, width = _drawn(attempt, H, W).T
        for name, start, free in (("top", top, H - height), ("left", left, W - width)):
            movable = free > 1
            if (off := _distance(start[movable] / free[movable], 0, 1)) > 0.03:
                raise Wrong(f"on {H}×{W} pixels {name} is not uniform (distance {off:.2f})", POSITION)
        free = (H - height > 1) & (W - width > 1)
        both = np.corrcoef(top[free] / (H - height[free]), left[free] / (W - width[free]))[0, 1]
        if abs(both) > 0.05:
            raise Wrong(f"on {H}×{W} pixels top and left depend on each other (correlation {both:.2f})", TOGETHER)


def box_cases():
    yield Property("seeds: the same, and others", same_seed)
    yield Property("every box is inside the image", inside)
    yield Property("areas are uniform from 8 to 100 %", areas)
    yield Property("aspect ratios are log-uniform from 3/4 to 4/3", aspects)
    yield Property("boxes are anywhere in the image", positions)


def _boxes(rng, s, r, H, W, place=None):
    height, width = np.sqrt(s * H * W / r), np.sqrt(s * H * W * r)
    top, left = place or (rng.random(len(s)) * (H - height), rng.random(len(s)) * (W - width))
    return np.stack(np.broadcast_arrays(top, left, height, width), axis=1)


def _share_and_aspect(rng, n, H, W, root=False):
    s = rng.uniform(0.08**0.5, 1, n) ** 2 if root else rng.uniform(0.08, 1, n)
    return s, np.exp(rng.uniform(np.log(np.maximum(LOW, s * W / H)), np.log(np.minimum(HIGH, W / (s * H)))))


def seed_ignored(seed, n, H, W):
    rng = np.random.default_rng()
    return _boxes(rng, *_share_and_aspect(rng, n, H, W), H, W)


def one_for_all(seed, n, H, W):
    rng = np.random.default_rng(seed)
    return _boxes(rng, *_share_and_aspect(rng, 1, H, W), H, W).repeat(n, axis=0)


def sticking_out(seed, n, H, W):
    rng = np.random.default_rng(seed)
    s, r = _share_and_aspect(rng, n, H, W)
    return _boxes(rng, s, r, H, W, (rng.random(n) * H, rng.random(n) * W))


def uniform_side(seed, n, H, W):
    rng = np.random.default_rng(seed)
    return _boxes(rng, *_share_and_aspect(rng, n, H, W, root=True), H, W)


def rejected(seed, n, H, W):
    rng = np.random.default_rng(seed)
    s, r = rng.uniform(0.08, 1, 3 * n), np.exp(rng.uniform(np.log(LOW), np.log(HIGH), 3 * n))
    fits = (s * H * W / r <= H * H) & (s * H * W * r <= W * W)
    return _boxes(rng, s[fits][:n], r[fits][:n], H, W)


def clipped(seed, n, H, W):
    rng = np.random.default_rng(seed)
    s, r = rng.uniform(0.08, 1, n), np.exp(rng.uniform(np.log(LOW), np.log(HIGH), n))
    height, width = np.minimum(np.sqrt(s * H * W / r), H), np.minimum(np.sqrt(s * H * W * r), W)
    return np.stack([rng.random(n) * (H - height), rng.random(n) * (W - width), height, width], axis=1)


def in_the_middle(seed, n, H, W):
    boxes = uniform_aspect(seed, n, H, W, log=True)
    return np.concatenate([(np.array([H, W]) - boxes[:, 2:]) / 2, boxes[:, 2:]], axis=1)


def on_the_diagonal(seed, n, H, W):
    boxes = uniform_aspect(seed, n, H, W, log=True)
    u = np.random.default_rng(seed + 1).random((n, 1))
    return np.concatenate([u * (np.array([H, W]) - boxes[:, 2:]), boxes[:, 2:]], axis=1)


def uniform_aspect(seed, n, H, W, log=False):
    rng = np.random.default_rng(seed)
    s = rng.uniform(0.08, 1, n)
    low, high = np.maximum(LOW, s * W / H), np.minimum(HIGH, W / (s * H))
    r = np.exp(rng.uniform(np.log(low), np.log(high))) if log else rng.uniform(low, high)
    return _boxes(rng, s, r, H, W)


# -- mirroring -------------------------------------------------------------------------------------------------------

def mirror_cases():
    rng = np.random.default_rng(11)
    row = np.array([1.0, 2, 3, 4]).reshape(1, 1, 4, 1)
    yield Case("one row 1 2 3 4, mirrored: 4 3 2 1", (row, np.array([True])), row[:, :, ::-1])
    for n, H, W, flips in ((4, 3, 5, (0, 1, 1, 0)), (2, 4, 3, (1, 0)), (3, 2, 6, (0, 0, 0)), (3, 5, 2, (1, 1, 0))):
        x, flips = rng.standard_normal((n, H, W, 3)), np.array(flips, bool)
        yield Case(f"{n} images of {H}×{W}, flips {flips.astype(int).tolist()}", (x, flips), _mirror(x, flips))
    x = rng.integers(0, 256, (2, 3, 4, 3)).astype(np.uint8)
    yield Case("uint8 stays uint8", (x, np.array([False, True])), _mirror(x, np.array([False, True])))


def _mirror(x, flips, change=lambda image: image[:, ::-1]):
    return np.stack([change(image) if flip else image for image, flip in zip(x, flips, strict=True)])


def upside_down(x, flips):
    return _mirror(x, flips, lambda image: image[::-1])


def rotated(x, flips):
    return _mirror(x, flips, lambda image: image[::-1, ::-1])


def channels_too(x, flips):
    return _mirror(x, flips, lambda image: image[:, ::-1, ::-1])


def channels_only(x, flips):
    return _mirror(x, flips, lambda image: image[..., ::-1])


def always(x, flips):
    return _mirror(x, np.ones(len(x)))


def the_others(x, flips):
    return _mirror(x, ~flips)


def batch_reversed(x, flips):
    return x[::-1]


# -- distortions -----------------------------------------------------------------------------------------------------

class _Chosen:
    """Replaces a generator: the order brightness, contrast, color, and given factors."""

    def __init__(self, *factors):
        self.factors = np.stack(factors, axis=1)

    def permuted(self, order, axis):
        return order

    def uniform(self, low, high, shape):
        return self.factors


def distort_cases():
    rng = np.random.default_rng(111)
    one, two = np.ones(1), np.array([2.0])
    grays = np.array([100.0, 200.0]).reshape(1, 1, 2, 1).repeat(3, axis=3)
    for label, factors in (("brightness 2: 200 and 255", (two, one, one)), ("contrast 2: 50 and 250", (one, two, one)),
                           ("color 2: unchanged", (one, one, two))):
        yield Case(f"two gray pixels, 100 and 200, {label}", (grays, *factors), _distort(grays, *factors))
    for n, H, W in ((3, 4, 5), (2, 6, 3)):
        x, factors = rng.uniform(0, 255, (n, H, W, 3)), rng.uniform(0.5, 1.5, (3, n))
        yield Case(f"{n} images of {H}×{W}, random factors", (x, *factors), _distort(x, *factors))
    x, factors = x.astype(np.float32), factors.astype(np.float32)
    yield Case("float32 in, float32 out", (x, *factors), _distort(x, *factors))


def _distort(x, brightness, contrast, color):
    return augment.photometric(x, _Chosen(brightness, contrast, color))


def _wrong(x, factors, order=(0, 1, 2), clip=True, center=None):
    """The distortions with one change; ``center(x, which)`` may replace m and g."""
    luma = np.array(augment.LUMA, x.dtype)

    def usual(x, which):
        light = (x @ luma)[..., None]
        return light.mean(axis=(1, 2), keepdims=True) if which == 1 else light if which == 2 else x.dtype.type(0)

    for which in order:
        f = factors[which].astype(x.dtype)[:, None, None, None]
        c = (center and center(x, which))
        c = usual(x, which) if c is None else c
        x = c + f * (x - c)
        x = np.clip(x, 0, 255) if clip else x
    return np.clip(x, 0, 255)


def clipped_at_the_end(x, *factors):
    return _wrong(x, factors, clip=False)


def another_order(x, *factors):
    return _wrong(x, factors, order=(0, 2, 1))


def around_128(x, *factors):
    return _wrong(x, factors, center=lambda x, which: x.dtype.type(128) if which == 1 else None)


def around_the_batch(x, *factors):
    luma = np.array(augment.LUMA, x.dtype)
    return _wrong(x, factors, center=lambda x, which: (x @ luma).mean() if which == 1 else None)


def around_each_channel(x, *factors):
    return _wrong(x, factors, center=lambda x, which: x.mean(axis=(1, 2), keepdims=True) if which == 1 else None)


def plain_mean(x, *factors):
    return _wrong(x, factors, center=lambda x, which: [None, x.mean(axis=(1, 2, 3), keepdims=True),
                                                       x.mean(axis=3, keepdims=True)][which])


EXERCISES = [
    Exercise(
        "sample_boxes",
        hints=("Draw the area fraction s first; it decides which r fit. Then compute the size, then draw the position.",
               "It fits if s·W/H <= r <= W/(s·H), and 3/4 <= r <= 4/3: draw log r uniformly in the tighter bounds.",
               "low = np.maximum(3/4, s*W/H), high = np.minimum(4/3, W/(s*H)), r = exp(uniform(log low, log high)); "
               "height = sqrt(s*H*W/r), width = sqrt(s*H*W*r), top = rng.random(N) * (H - height)."),
        cases=box_cases,
        mistakes=[
            Mistake(seed_ignored, SEED),
            Mistake(one_for_all, EACH),
            Mistake(sticking_out, INSIDE),
            Mistake(uniform_side, SIDE),
            Mistake(rejected, REJECTED),
            Mistake(clipped, CLIPPED),
            Mistake(in_the_middle, POSITION),
            Mistake(on_the_diagonal, TOGETHER),
        ]),
    Exercise(
        "mirror",
        hints=("x[:, :, ::-1] is the batch with all images mirrored. Choose between that and x for each image.",
               "np.where(condition, a, b) chooses for each element; flips needs more axes to broadcast over an image.",
               "np.where(flips[:, None, None, None], x[:, :, ::-1], x)"),
        cases=mirror_cases,
        mistakes=[
            Mistake(upside_down, "that turns images upside down: left and right are axis 2 of the batch"),
            Mistake(rotated, "that rotates images by 180 degrees: reverse the width only, not the height"),
            Mistake(channels_only, "that reverses the colors: left and right are axis 2 of the batch"),
            Mistake(channels_too, "the channels are reversed, too, which swaps red and blue: reverse only axis 2"),
            Mistake(always, "flips is ignored: mirror only those images for which it is true"),
            Mistake(the_others, "you mirror the images for which flips is false"),
            Mistake(batch_reversed, "x[::-1] reverses the order of the images; mirror each image itself"),
        ]),
    Exercise(
        "distort",
        hints=("One step after the other, each on the result of the previous one; np.clip(…, 0, 255) after each.",
               "Shapes: a factor (N,) becomes f[:, None, None, None]; luminance is x @ luma, of shape (N, H, W).",
               "m = (x @ luma).mean(axis=(1, 2))[:, None, None, None]; g = (x @ luma)[..., None], from the current x."),
        cases=distort_cases,
        mistakes=[
            Mistake(clipped_at_the_end, "clip to 0 … 255 after each step, not only at the end"),
            Mistake(another_order, "the order is brightness, contrast, color"),
            Mistake(around_128, "contrast scales around the image's own mean luminance, not around 128"),
            Mistake(around_the_batch, "m is the mean of each image, not of the batch"),
            Mistake(around_each_channel, "m is one luminance for the image, not a mean for each channel"),
            Mistake(plain_mean, "luminance has weights 0.299, 0.587 and 0.114; it is not the plain mean of r, g, b"),
        ]),
]
