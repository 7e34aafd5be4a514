"""Checks of lesson 11: the sampler by what it draws, mirror by hand, distortions against the library's."""

import numpy as np

from lessons.check import Case, Exercise, Mistake, Property, Wrong
from minigooglenet.data import augment

# -- the sampler -----------------------------------------------------------------------------------------------------

N, SIZES, LOW, HIGH = 20_000, ((32, 32), (30, 40), (40, 36)), 3 / 4, 4 / 3

SEED = "all randomness comes from np.random.default_rng(seed), made inside the function"
EACH = "every box is drawn for itself: pass N as the size of each draw"
INSIDE = "top goes from 0 to H - height only, left from 0 to W - width"
SIDE = "you draw the side evenly; draw the share of the area, and take the root"
CUT = "boxes that stick out are cut off, which changes their area: draw the aspect within what fits"
REDRAWN = "large boxes are too rare, as if those that stick out were drawn again: draw the aspect within what fits"
LOGARITHM = "draw the logarithm of the aspect evenly, so that lying and standing boxes are equally likely"
PLACE = "the place is not even: top is rng.random(N) * (H - height), left likewise"


def _drawn(attempt, H, W, seed=5, count=N):
    boxes = np.asarray(attempt(seed, count, H, W), np.float64)
    if boxes.shape != (count, 4):
        raise Wrong(f"shape {boxes.shape}, expected ({count}, 4)", "one row for each box: top, left, height, width")
    return boxes


def _uneven(values, low, high):
    """Kolmogorov's distance between the values and the uniform distribution: 0 equal, 1 far apart."""
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
        raise Wrong(f"50 boxes, of which only {len(np.unique(one, axis=0))} are different", EACH)


def inside(attempt):
    for H, W in SIZES:
        top, left, height, width = _drawn(attempt, H, W).T
        out = (top < -1e-9) | (left < -1e-9) | (top + height > H + 1e-6) | (left + width > W + 1e-6)
        if out.any():
            at = int(out.argmax())
            raise Wrong(f"on {H}×{W} pixels {out.sum():,} of {N:,} boxes stick out, such as top {top[at]:.1f}, left "
                        f"{left[at]:.1f}, height {height[at]:.1f}, width {width[at]:.1f}", INSIDE)


def areas(attempt):
    for H, W in SIZES:
        *_, height, width = _drawn(attempt, H, W).T
        share = height * width / (H * W)
        if (off := _uneven(share, 0.08, 1)) < 0.02:
            continue
        cause = ""
        if _uneven(np.sqrt(share), 0.08**0.5, 1) < 0.02:
            cause = SIDE
        elif np.mean(np.isclose(height, H) | np.isclose(width, W)) > 0.02:
            cause = CUT
        elif np.mean(share > 0.9) < 0.08:
            cause = REDRAWN
        raise Wrong(f"on {H}×{W} pixels the shares go from {share.min():.3f} to {share.max():.3f} with mean "
                    f"{share.mean():.3f}; even from 0.08 to 1, the mean is 0.54 (distance {off:.2f})", cause)


def aspects(attempt):
    for H, W in SIZES:
        *_, height, width = _drawn(attempt, H, W).T
        r, share = width / height, height * width / (H * W)
        if r.min() < LOW - 1e-6 or r.max() > HIGH + 1e-6:
            raise Wrong(f"aspects from {r.min():.3f} to {r.max():.3f}", "aspects lie in 3/4 … 4/3, width / height")
        low, high = np.log(np.maximum(LOW, share * W / H)), np.log(np.minimum(HIGH, W / (share * H)))
        wide = high - low > 0.05
        place = (np.log(r) - low)[wide] / (high - low)[wide]
        if (off := _uneven(place, 0, 1)) > 0.03:
            raise Wrong(f"on {H}×{W} pixels the aspects are uneven (distance {off:.2f}), with {np.mean(r > 1):.1%} "
                        "of boxes wider than high", LOGARITHM)


def places(attempt):
    for H, W in SIZES:
        top, left, height, width = _drawn(attempt, H, W).T
        for name, start, free in (("top", top, H - height), ("left", left, W - width)):
            room = free > 1
            if (off := _uneven(start[room] / free[room], 0, 1)) > 0.03:
                raise Wrong(f"on {H}×{W} pixels {name} is uneven (distance {off:.2f})", PLACE)


def box_cases():
    yield Property("seeds: the same, and others", same_seed)
    yield Property("every box is inside the picture", inside)
    yield Property("areas are even from 8 to 100 %", areas)
    yield Property("aspects are even in the logarithm, from 3/4 to 4/3", aspects)
    yield Property("boxes are anywhere in the picture", places)


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


def even_side(seed, n, H, W):
    rng = np.random.default_rng(seed)
    return _boxes(rng, *_share_and_aspect(rng, n, H, W, root=True), H, W)


def drawn_again(seed, n, H, W):
    rng = np.random.default_rng(seed)
    s, r = rng.uniform(0.08, 1, 3 * n), np.exp(rng.uniform(np.log(LOW), np.log(HIGH), 3 * n))
    fits = (s * H * W / r <= H * H) & (s * H * W * r <= W * W)
    return _boxes(rng, s[fits][:n], r[fits][:n], H, W)


def cut_off(seed, n, H, W):
    rng = np.random.default_rng(seed)
    s, r = rng.uniform(0.08, 1, n), np.exp(rng.uniform(np.log(LOW), np.log(HIGH), n))
    height, width = np.minimum(np.sqrt(s * H * W / r), H), np.minimum(np.sqrt(s * H * W * r), W)
    return np.stack([rng.random(n) * (H - height), rng.random(n) * (W - width), height, width], axis=1)


def in_the_middle(seed, n, H, W):
    boxes = even_aspect(seed, n, H, W, log=True)
    return np.concatenate([(np.array([H, W]) - boxes[:, 2:]) / 2, boxes[:, 2:]], axis=1)


def even_aspect(seed, n, H, W, log=False):
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
        yield Case(f"{n} pictures of {H}×{W}, flips {flips.astype(int).tolist()}", (x, flips), _mirror(x, flips))
    x = rng.integers(0, 256, (2, 3, 4, 3)).astype(np.uint8)
    yield Case("uint8 stays uint8", (x, np.array([False, True])), _mirror(x, np.array([False, True])))


def _mirror(x, flips, change=lambda picture: picture[:, ::-1]):
    return np.stack([change(picture) if flip else picture for picture, flip in zip(x, flips, strict=True)])


def upside_down(x, flips):
    return _mirror(x, flips, lambda picture: picture[::-1])


def turned(x, flips):
    return _mirror(x, flips, lambda picture: picture[::-1, ::-1])


def channels_too(x, flips):
    return _mirror(x, flips, lambda picture: picture[:, ::-1, ::-1])


def always(x, flips):
    return _mirror(x, np.ones(len(x)))


def the_others(x, flips):
    return _mirror(x, ~flips)


def batch_reversed(x, flips):
    return x[::-1]


# -- distortions -----------------------------------------------------------------------------------------------------

class _Chosen:
    """In place of a generator: brightness, contrast, colour in this order, with given factors."""

    def __init__(self, *factors):
        self.factors = np.stack(factors, axis=1)

    def permuted(self, order, axis):
        return order

    def uniform(self, low, high, shape):
        return self.factors


def distort_cases():
    rng = np.random.default_rng(111)
    one, two = np.ones(1), np.array([2.0])
    greys = np.array([100.0, 200.0]).reshape(1, 1, 2, 1).repeat(3, axis=3)
    for label, factors in (("brightness 2: 200 and 255", (two, one, one)), ("contrast 2: 50 and 250", (one, two, one)),
                           ("colour 2: as they were", (one, one, two))):
        yield Case(f"two grey pixels, 100 and 200, {label}", (greys, *factors), _distort(greys, *factors))
    for n, H, W in ((3, 4, 5), (2, 6, 3)):
        x, factors = rng.uniform(0, 255, (n, H, W, 3)), rng.uniform(0.5, 1.5, (3, n))
        yield Case(f"{n} pictures of {H}×{W}, random factors", (x, *factors), _distort(x, *factors))
    x, factors = x.astype(np.float32), factors.astype(np.float32)
    yield Case("float32 in, float32 out", (x, *factors), _distort(x, *factors))


def _distort(x, brightness, contrast, colour):
    return augment.photometric(x, _Chosen(brightness, contrast, colour))


def _wrong(x, factors, order=(0, 1, 2), clip=True, centre=None):
    """The distortions with one thing different; ``centre(x, which)`` may replace m and g."""
    luma = np.array(augment.LUMA, x.dtype)

    def usual(x, which):
        light = (x @ luma)[..., None]
        return light.mean(axis=(1, 2), keepdims=True) if which == 1 else light if which == 2 else x.dtype.type(0)

    for which in order:
        f = factors[which].astype(x.dtype)[:, None, None, None]
        c = (centre and centre(x, which))
        c = usual(x, which) if c is None else c
        x = c + f * (x - c)
        x = np.clip(x, 0, 255) if clip else x
    return np.clip(x, 0, 255)


def cut_at_the_end(x, *factors):
    return _wrong(x, factors, clip=False)


def another_order(x, *factors):
    return _wrong(x, factors, order=(0, 2, 1))


def around_the_middle(x, *factors):
    return _wrong(x, factors, centre=lambda x, which: x.dtype.type(128) if which == 1 else None)


def around_the_batch(x, *factors):
    luma = np.array(augment.LUMA, x.dtype)
    return _wrong(x, factors, centre=lambda x, which: (x @ luma).mean() if which == 1 else None)


def around_each_channel(x, *factors):
    return _wrong(x, factors, centre=lambda x, which: x.mean(axis=(1, 2), keepdims=True) if which == 1 else None)


def plain_lightness(x, *factors):
    return _wrong(x, factors, centre=lambda x, which: [None, x.mean(axis=(1, 2, 3), keepdims=True),
                                                       x.mean(axis=3, keepdims=True)][which])


EXERCISES = [
    Exercise(
        "sample_boxes",
        hints=("Draw the share s first; it decides which aspects r fit. Then the size, then the place, in this order.",
               "It fits if s·W/H <= r <= W/(s·H), and 3/4 <= r <= 4/3: draw log r evenly between the tighter bounds.",
               "low = np.maximum(3/4, s*W/H), high = np.minimum(4/3, W/(s*H)), r = exp(uniform(log low, log high)); "
               "height = sqrt(s*H*W/r), width = sqrt(s*H*W*r), top = rng.random(N) * (H - height)."),
        cases=box_cases,
        mistakes=[
            Mistake(seed_ignored, SEED),
            Mistake(one_for_all, EACH),
            Mistake(sticking_out, INSIDE),
            Mistake(even_side, SIDE),
            Mistake(drawn_again, REDRAWN),
            Mistake(cut_off, CUT),
            Mistake(in_the_middle, PLACE),
        ]),
    Exercise(
        "mirror",
        hints=("x[:, :, ::-1] is the whole batch mirrored. Now choose between that and x, picture by picture.",
               "np.where(condition, a, b) chooses number by number; flips needs more axes to spread over a picture.",
               "np.where(flips[:, None, None, None], x[:, :, ::-1], x)"),
        cases=mirror_cases,
        mistakes=[
            Mistake(upside_down, "that stands pictures on their heads: left and right are axis 2 of the batch"),
            Mistake(turned, "that turns pictures by 180 degrees: reverse the width only, not the height"),
            Mistake(channels_too, "the channels are reversed, too, which makes red blue: only axis 2"),
            Mistake(always, "flips is ignored: only those pictures are mirrored for which it is true"),
            Mistake(the_others, "you mirror those for which flips is false"),
            Mistake(batch_reversed, "x[::-1] reverses the order of the pictures; mirror each one in itself"),
        ]),
    Exercise(
        "distort",
        hints=("One step after the other, each on the result of the one before, with np.clip(…, 0, 255) after each.",
               "Shapes: a factor (N,) becomes f[:, None, None, None]; lightness is x @ luma, of shape (N, H, W).",
               "m = (x @ luma).mean(axis=(1, 2))[:, None, None, None]; g = (x @ luma)[..., None], computed anew."),
        cases=distort_cases,
        mistakes=[
            Mistake(cut_at_the_end, "cut to 0 … 255 after each step, not only at the end"),
            Mistake(another_order, "the order is brightness, contrast, colour"),
            Mistake(around_the_middle, "contrast stretches around the picture's own mean lightness, not around 128"),
            Mistake(around_the_batch, "m is the mean of each picture by itself, not of the batch"),
            Mistake(around_each_channel, "m is one lightness for the picture, not a mean for each channel"),
            Mistake(plain_lightness, "lightness weighs 0.299, 0.587 and 0.114; the plain mean of r, g, b is another"),
        ]),
]
