"""Natural scene statistics of luma and chroma maps, cell by cell."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn import functional as F

LUMA_OCTAVES = (0, 1, 2)  # how often the image is halved first
NEIGHBOURS = {"row": (0, 1), "column": (1, 0), "diagonal": (1, 1), "antidiagonal": (1, -1)}

# Each statistic with its mean and standard deviation over the cells of the demo set, by which it is standardised.
LEVEL_STATISTICS = {
    "luminance": (0.43, 0.16),
    "rms_contrast": (-4.61, 1.50),
    "white_point": (0.55, 0.13),
    "black_point": (0.66, 0.14),
    "block_rows": (0.04, 0.14),
    "block_columns": (0.04, 0.14),
}
LUMA_STATISTICS = {
    "variance": (-1.49, 0.80),
    "shape": (0.42, 0.17),
    "contrast": (2.30, 0.87),
    "log_contrast": (2.03, 0.90),
    "contrast_variation": (0.30, 0.37),
    "smoothness": (0.14, 0.20),
    "gradient": (2.16, 0.87),
    "log_gradient": (1.73, 0.87),
    "gradient_shape": (0.56, 0.44),
    "orientation": (0.06, 0.30),
    "flatness": (0.21, 0.22),
    "near_flatness": (0.49, 0.26),
    "laplacian": (2.63, 1.15),
    "log_laplacian": (2.03, 1.12),
    "linearity": (0.22, 0.22),
    **{f"{neighbour}_mean": (0.24, 0.26) for neighbour in NEIGHBOURS},
    **{f"{neighbour}_magnitude": (-1.81, 0.74) for neighbour in NEIGHBOURS},
    **{f"{neighbour}_shape": (0.87, 0.28) for neighbour in NEIGHBOURS},
    **{f"{neighbour}_asymmetry": (0.30, 0.32) for neighbour in NEIGHBOURS},
}
# From one octave to the next most statistics of a photograph hardly change, and those of a degraded one do, so
# that the change is given a scale of its own.
LUMA_CHANGES = {
    "variance": (0.26, 0.32),
    "shape": (-0.02, 0.09),
    "contrast": (0.22, 0.25),
    "log_contrast": (0.28, 0.29),
    "contrast_variation": (-0.09, 0.13),
    "smoothness": (-0.06, 0.07),
    "gradient": (0.21, 0.25),
    "log_gradient": (0.23, 0.26),
    "gradient_shape": (-0.04, 0.14),
    "orientation": (-0.01, 0.08),
    "flatness": (-0.06, 0.06),
    "near_flatness": (-0.06, 0.08),
    "laplacian": (0.39, 0.42),
    "log_laplacian": (0.37, 0.41),
    "linearity": (-0.07, 0.08),
    **{f"{neighbour}_mean": (-0.05, 0.15) for neighbour in NEIGHBOURS},
    **{f"{neighbour}_magnitude": (0.25, 0.30) for neighbour in NEIGHBOURS},
    **{f"{neighbour}_shape": (-0.06, 0.15) for neighbour in NEIGHBOURS},
    **{f"{neighbour}_asymmetry": (-0.07, 0.19) for neighbour in NEIGHBOURS},
}
CHROMA_STATISTICS = {
    "variance": (-2.69, 1.47),
    "shape": (0.33, 0.30),
    "contrast": (0.64, 1.09),
    "log_contrast": (0.51, 1.03),
    "smoothness": (0.54, 0.38),
    "magnitude": (2.17, 1.65),
}

Maps = dict[str, Tensor]


def opponents(rgb_BCHW: Tensor) -> tuple[Tensor, Tensor]:
    """RGB in 0..1 -> luma_B1HW around 0 and (red-green, blue-yellow)_B2HW, all in grey levels of 255."""
    red, green, blue = (rgb_BCHW * 255).split(1, dim=1)
    luma_B1HW = 0.299 * red + 0.587 * green + 0.114 * blue - 127.5
    return luma_B1HW, torch.cat([(red - green) / 2, (red + green) / 4 - blue / 2], dim=1)


def mscn(value_BCHW: Tensor, window: Tensor) -> tuple[Tensor, Tensor]:
    """Mean-subtracted contrast-normalised coefficients, and the local standard deviation they were divided by.

    ``window`` is one row of the separable Gaussian; 1 grey level is added to the divisor, as in BRISQUE.
    """
    channels = value_BCHW.shape[1]
    columns = window.view(1, 1, -1, 1).expand(channels, 1, -1, 1)
    rows = window.view(1, 1, 1, -1).expand(channels, 1, 1, -1)

    def smooth(maps_BCHW: Tensor) -> Tensor:
        padded = pad(maps_BCHW, window.numel() // 2)
        return F.conv2d(F.conv2d(padded, columns, groups=channels), rows, groups=channels)

    mean = smooth(value_BCHW)
    variance = (smooth(value_BCHW.square()) - mean.square()).clamp_min(0)
    deviation = (variance + 1e-4).sqrt()  # the small number keeps the gradient finite
    return (value_BCHW - mean) / (deviation + 1), deviation


def pad(value_BCHW: Tensor, width: int) -> Tensor:
    return F.pad(value_BCHW, (width,) * 4, mode="replicate")


def three_by_three(value_BCHW: Tensor) -> Tensor:
    return F.avg_pool2d(value_BCHW, 3, stride=1, padding=1, count_include_pad=False)


def log(value: Tensor, floor: float) -> Tensor:
    return (value.clamp_min(0) + floor).log()


def statistics(means: list[Maps]) -> Tensor:
    """Every channel, from the means of the level moments, then of luma and chroma moments of each octave."""
    finer = luma_statistics(means[1])
    channels = standardise(level_statistics(means[0]), LEVEL_STATISTICS) + standardise(finer, LUMA_STATISTICS)
    for mean in means[2 : 1 + len(LUMA_OCTAVES)]:
        coarser = luma_statistics(mean)
        channels += standardise({name: coarser[name] - finer[name] for name in coarser}, LUMA_CHANGES)
        finer = coarser
    for mean in means[1 + len(LUMA_OCTAVES) :]:
        channels += standardise(chroma_statistics(mean), CHROMA_STATISTICS)
    return torch.cat(channels, dim=1)


def standardise(statistics: Maps, scale: Mapping[str, tuple[float, float]]) -> list[Tensor]:
    assert statistics.keys() == scale.keys()
    return [(statistics[name] - mean) / spread for name, (mean, spread) in scale.items()]


def inverse(square: Tensor, scale: float = 1.0) -> Tensor:
    """1 where the magnitude is far below ``scale``, 0 where it is far above: averaged, the share of such pixels."""
    return 1 / (1 + square / scale**2)


def luma_moments(luma_B1HW: Tensor, window: Tensor) -> Maps:
    normalised, deviation = mscn(luma_B1HW, window)
    near = pad(luma_B1HW, 1)
    left, right = near[:, :, 1:-1, :-2], near[:, :, 1:-1, 2:]
    above, below = near[:, :, :-2, 1:-1], near[:, :, 2:, 1:-1]
    along_row, along_column = (right - left) / 2, (below - above) / 2
    laplacian = (left + right + above + below - 4 * luma_B1HW).abs()
    gradient_square = along_row.square() + along_column.square()
    gradient = (gradient_square + 1e-4).sqrt()
    moments = {
        "magnitude": normalised.abs(),
        "square": normalised.square(),
        "deviation": deviation,
        "deviation_square": deviation.square(),
        "log_deviation": log(deviation, 0.5),
        "smoothness": inverse(deviation.square()),
        "gradient": gradient,
        "gradient_square": gradient_square,
        "log_gradient": log(gradient, 0.5),
        "along_row": along_row.abs(),
        "along_column": along_column.abs(),
        "flatness": inverse(gradient_square),
        "near_flatness": inverse(gradient_square, 5),
        "laplacian": laplacian,
        "log_laplacian": log(laplacian, 0.5),
        "linearity": inverse(laplacian.square()),
    }
    near = pad(normalised, 1)
    for neighbour, (down, right_by) in NEIGHBOURS.items():
        product = normalised * near[:, :, 1 + down : down - 1 or None, 1 + right_by : right_by - 1 or None]
        moments[neighbour] = product
        moments[f"{neighbour}_magnitude"] = product.abs()
        moments[f"{neighbour}_square"] = product.square()
    return moments


def luma_statistics(mean: Maps) -> Maps:
    log_gradient_mean = log(mean["gradient"], 0.5)
    statistics = {
        "variance": log(mean["square"], 1e-2),
        "shape": log(mean["square"], 1e-4) - 2 * log(mean["magnitude"], 1e-2),
        "contrast": log(mean["deviation"], 0.5),
        "log_contrast": mean["log_deviation"],
        "contrast_variation": log(mean["deviation_square"], 0.25) - 2 * log(mean["deviation"], 0.5),
        "smoothness": mean["smoothness"],
        "gradient": log_gradient_mean,
        "log_gradient": mean["log_gradient"],
        "gradient_shape": log(mean["gradient_square"], 0.25) - 2 * log_gradient_mean,
        "orientation": log(mean["along_row"], 0.5) - log(mean["along_column"], 0.5),
        "flatness": mean["flatness"],
        "near_flatness": mean["near_flatness"],
        "laplacian": log(mean["laplacian"], 0.5),
        "log_laplacian": mean["log_laplacian"],
        "linearity": mean["linearity"],
    }
    for neighbour in NEIGHBOURS:
        product, magnitude = mean[neighbour], mean[f"{neighbour}_magnitude"]
        statistics[f"{neighbour}_mean"] = product / (mean["square"] + 1e-2)
        statistics[f"{neighbour}_magnitude"] = log(magnitude, 1e-2)
        statistics[f"{neighbour}_shape"] = log(mean[f"{neighbour}_square"], 1e-3) - 2 * log(magnitude, 1e-2)
        statistics[f"{neighbour}_asymmetry"] = product / (magnitude + 1e-2)
    return statistics


def chroma_moments(chroma_B2HW: Tensor, window: Tensor) -> Maps:
    normalised, deviation = mscn(chroma_B2HW, window)
    return {
        "magnitude": normalised.abs(),
        "square": normalised.square(),
        "deviation": deviation,
        "log_deviation": log(deviation, 0.5),
        "smoothness": inverse(deviation.square()),
        "chroma": (chroma_B2HW.square().sum(dim=1, keepdim=True) + 1e-4).sqrt(),
    }


def chroma_statistics(mean: Maps) -> Maps:
    return {
        "variance": log(mean["square"], 1e-2),
        "shape": log(mean["square"], 1e-4) - 2 * log(mean["magnitude"], 1e-2),
        "contrast": log(mean["deviation"], 0.5),
        "log_contrast": mean["log_deviation"],
        "smoothness": mean["smoothness"],
        "magnitude": log(mean["chroma"], 1.0),
    }


def level_moments(luma_B1HW: Tensor) -> Maps:
    unit = luma_B1HW / 255 + 0.5
    columns, columns_energy = block_edges(luma_B1HW)
    rows, rows_energy = (value.transpose(2, 3) for value in block_edges(luma_B1HW.transpose(2, 3)))
    return {
        "unit": unit,
        "unit_square": unit.square(),
        "white": unit**8,
        "black": (1 - unit) ** 8,
        "rows": rows,
        "rows_energy": rows_energy,
        "columns": columns,
        "columns_energy": columns_energy,
    }


def block_edges(luma_B1HW: Tensor) -> tuple[Tensor, Tensor]:
    """Covariance, 8 pixels apart, of steps between columns (block codecs repeat them), and their energy."""
    step = (luma_B1HW[..., 1:] - luma_B1HW[..., :-1]).abs()
    excess = step[..., 1:-1] - (step[..., :-2] + step[..., 2:]) / 2  # natural edges are wider than one pixel
    excess = F.avg_pool2d(excess, (5, 1), stride=1, padding=(2, 0))
    repeated, energy = excess[..., :-8] * excess[..., 8:], excess[..., 4:-4].square()
    return F.pad(repeated, (5, 6)), F.pad(energy, (5, 6))


def level_statistics(mean: Maps) -> Maps:
    return {
        "luminance": mean["unit"],
        "rms_contrast": log(mean["unit_square"] - mean["unit"].square(), 1e-4),
        "white_point": (mean["white"] + 1e-6) ** (1 / 8),
        "black_point": (mean["black"] + 1e-6) ** (1 / 8),
        "block_rows": mean["rows"] / (mean["rows_energy"] + 0.05),
        "block_columns": mean["columns"] / (mean["columns_energy"] + 0.05),
    }
