"""Glyph masks to 32-pixel colour images: warp, colour, background, blur, noise. Used by the rendered domains of the
stream and by the pre-training of the embedded backbone.

Everything is a batch of torch operations driven by one generator, so a batch is a function of its seed alone.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F

from benchmark.streams.digits.glyphs import CANVAS, PRINTED, GlyphBank

SIZE = 32
"""Side of a rendered image in pixels."""


@dataclass(frozen=True)
class Style:
    """How glyphs are rendered; a pair is the range of a uniform draw, a `_share` the share of images it happens to.

    Lengths are shares of half the image; angles are in degrees.
    """

    variants: tuple[int, ...] = PRINTED
    rotate: float = 5.0
    shear: float = 0.0
    zoom: tuple[float, float] = (1.0, 1.2)
    stretch: float = 0.0
    shift: float = 0.05
    wobble: tuple[float, float] = (0.0, 0.0)
    gap_share: float = 0.0
    neighbour_share: float = 0.0
    grey_share: float = 1.0
    contrast: tuple[float, float] = (0.5, 1.0)
    clutter: tuple[float, float] = (0.0, 0.0)
    invert_share: float = 0.0
    blur_share: float = 0.0
    coarse_share: float = 0.0
    noise: tuple[float, float] = (0.0, 0.0)


def render(bank: GlyphBank, indices: torch.Tensor, style: Style, generator: torch.Generator) -> torch.Tensor:
    """Images of the glyphs `indices` (int64 [B]) of `bank` in `style`, uint8 [B, 3, SIZE, SIZE]."""
    mask = _strokes(bank, indices, style, generator)
    image = _paint(mask, style, generator)
    image = _degrade(image, style, generator)
    return (image.clamp(0, 1) * 255).round().to(torch.uint8)


def _uniform(generator: torch.Generator, shape: tuple[int, ...], low: float, high: float) -> torch.Tensor:
    return torch.rand(shape, generator=generator) * (high - low) + low


def _chosen(generator: torch.Generator, count: int, share: float) -> torch.Tensor:
    """A column of 0 and 1 that broadcasts over images, 1 for about `share` of them."""
    return (torch.rand((count, 1, 1, 1), generator=generator) < share).float()


def _strokes(bank: GlyphBank, indices: torch.Tensor, style: Style, generator: torch.Generator) -> torch.Tensor:
    """Warped ink, float [B, 1, SIZE, SIZE] in 0..1, with neighbours at the sides where the style has them."""
    count = len(indices)
    variants = torch.tensor(style.variants)
    layer = variants[torch.randint(len(variants), (count,), generator=generator)]
    grid = _grid(count, style, generator)
    ink = _sample(bank, layer, indices, grid)
    if style.gap_share:
        ink = ink * (1 - _spots(count, generator) * _chosen(generator, count, style.gap_share))
    if style.neighbour_share:
        for side in (-1.0, 1.0):
            other = torch.randint(len(bank.labels), (count,), generator=generator)
            away = bank.half_width[indices] + bank.half_width[other] + _uniform(generator, (count,), 0.06, 0.25)
            moved = grid.clone()
            moved[..., 0] -= side * away[:, None, None]
            beside = _sample(bank, layer, other, moved) * _chosen(generator, count, style.neighbour_share)
            ink = torch.maximum(ink, beside)
    return F.avg_pool2d(ink, CANVAS // SIZE)


def _sample(bank: GlyphBank, layer: torch.Tensor, indices: torch.Tensor, grid: torch.Tensor) -> torch.Tensor:
    masks = bank.masks[layer, indices].float().div_(255)[:, None]
    return F.grid_sample(masks, grid, mode="bilinear", padding_mode="zeros", align_corners=False)


def _grid(count: int, style: Style, generator: torch.Generator) -> torch.Tensor:
    """Where on the canvas each output pixel looks, [B, CANVAS, CANVAS, 2]: affine, then a smooth wobble."""
    angle = torch.deg2rad(_uniform(generator, (count,), -style.rotate, style.rotate))
    shear = _uniform(generator, (count,), -style.shear, style.shear)
    zoom = _uniform(generator, (count,), *style.zoom)
    stretch = torch.exp(_uniform(generator, (count,), -style.stretch, style.stretch))
    shift = _uniform(generator, (count, 2, 1), -style.shift, style.shift)
    cos, sin = torch.cos(angle), torch.sin(angle)
    turn = torch.stack([torch.stack([cos, sin], 1), torch.stack([-sin, cos], 1)], 1)
    slant = torch.stack([torch.stack([torch.ones(count), shear], 1), torch.tensor([[0.0, 1.0]]).expand(count, 2)], 1)
    scale = torch.diag_embed(torch.stack([1 / (zoom * stretch), stretch / zoom], 1))
    matrix = scale @ slant @ turn
    grid = F.affine_grid(torch.cat([matrix, -matrix @ shift], 2), [count, 1, CANVAS, CANVAS], align_corners=False)
    if style.wobble[1] > 0:
        amplitude = _uniform(generator, (count, 1, 1, 1), *style.wobble)
        waves = torch.randn((count, 2, 5, 5), generator=generator) * amplitude
        smooth = F.interpolate(waves, size=(CANVAS, CANVAS), mode="bicubic", align_corners=True)
        grid = grid + smooth.permute(0, 2, 3, 1)
    return grid


def _spots(count: int, generator: torch.Generator) -> torch.Tensor:
    """A soft round spot somewhere near the middle of each canvas, [B, 1, CANVAS, CANVAS]: a gap in the stroke."""
    centre = _uniform(generator, (count, 2), -0.7, 0.7)
    radius = _uniform(generator, (count, 1, 1), 0.1, 0.28)
    axis = torch.linspace(-1, 1, CANVAS)
    distance = torch.hypot(
        axis[None, None, :] - centre[:, 0, None, None], axis[None, :, None] - centre[:, 1, None, None]
    )
    return ((radius - distance) / 0.06 + 0.5).clamp(0, 1)[:, None]


def _paint(ink: torch.Tensor, style: Style, generator: torch.Generator) -> torch.Tensor:
    """Colours for ink and ground, [B, 3, SIZE, SIZE]: grey or coloured, either polarity, plain or cluttered ground."""
    count = len(ink)
    grey = _chosen(generator, count, style.grey_share)
    contrast = _uniform(generator, (count, 1, 1, 1), *style.contrast)
    dark = torch.rand((count, 1, 1, 1), generator=generator) * (1 - contrast)
    tint = torch.randn((count, 2, 3, 1, 1), generator=generator) * 0.25 * (1 - grey)[:, None]
    tint = tint - tint.mean(2, keepdim=True)
    light_ink = _chosen(generator, count, 0.5)
    ground = dark + contrast * (1 - light_ink) + tint[:, 0]
    colour = dark + contrast * light_ink + tint[:, 1]
    if style.clutter[1] > 0:
        ground = ground + _clutter(count, generator) * _uniform(generator, (count, 1, 1, 1), *style.clutter)
    painted = ground * (1 - ink) + colour * ink
    if style.invert_share:
        # The ground's own colours inverted under the ink, as MNIST-M blends its digits.
        inverted = (ground.clamp(0, 1) - ink).abs()
        painted = torch.where(_chosen(generator, count, style.invert_share) > 0, inverted, painted)
    return painted


def _clutter(count: int, generator: torch.Generator) -> torch.Tensor:
    """Coloured noise of several scales and a straight edge, about -1..1, [B, 3, SIZE, SIZE]."""
    total = torch.zeros(count, 3, SIZE, SIZE)
    for cells, weight in ((2, 0.6), (4, 0.45), (9, 0.35), (SIZE, 0.15)):
        colour = torch.randn((count, 3, cells, cells), generator=generator)
        grey = torch.randn((count, 1, cells, cells), generator=generator)
        octave = F.interpolate(0.5 * colour + 0.9 * grey, size=(SIZE, SIZE), mode="bilinear", align_corners=True)
        total += weight * torch.rand((count, 1, 1, 1), generator=generator) * octave
    normal = _uniform(generator, (count, 3, 1, 1), -1, 1)
    axis = torch.linspace(-1, 1, SIZE)
    side = normal[:, :1] * axis + normal[:, 1:2] * axis[:, None] > 0.7 * normal[:, 2:]
    return total + 0.5 * side * torch.randn((count, 3, 1, 1), generator=generator)


def _degrade(image: torch.Tensor, style: Style, generator: torch.Generator) -> torch.Tensor:
    """Blur, low resolution and noise."""
    count = len(image)
    if style.blur_share:
        soft = _smooth(image)
        softer = _smooth(_smooth(soft))
        image = torch.where(_chosen(generator, count, style.blur_share) > 0, soft, image)
        image = torch.where(_chosen(generator, count, style.blur_share / 2) > 0, softer, image)
    if style.coarse_share:
        for cells, share in ((16, style.coarse_share / 2), (8, style.coarse_share / 2)):
            small = F.adaptive_avg_pool2d(image, cells)
            back = F.interpolate(small, size=(SIZE, SIZE), mode="bilinear", align_corners=False)
            image = torch.where(_chosen(generator, count, share) > 0, back, image)
    if style.noise[1] > 0:
        amplitude = _uniform(generator, (count, 1, 1, 1), *style.noise)
        image = image + torch.randn(image.shape, generator=generator) * amplitude
    return image


def _smooth(image: torch.Tensor) -> torch.Tensor:
    """Binomial 3x3 filter: a standard deviation of 0.7 pixels a pass."""
    row = torch.tensor([0.25, 0.5, 0.25])
    kernel = torch.outer(row, row).expand(image.shape[1], 1, 3, 3)
    return F.conv2d(F.pad(image, (1, 1, 1, 1), mode="replicate"), kernel, groups=image.shape[1])
