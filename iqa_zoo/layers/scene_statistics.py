"""Natural scene statistics: what the backbone nss measures at each pixel, and the channels made of the averages."""

from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn import functional as F

LUMA_OCTAVES = (0, 1, 2)  # how often the image is halved first
CHROMA_OCTAVES = (1, 2)  # eyes and codecs resolve colour at half the resolution of luma
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
# Of each luma statistic, and of its change from one octave to the next: most statistics of a photograph hardly change, and
# those of a degraded one do, so that the change has a scale of its own.
_LUMA: dict[str, tuple[tuple[float, float], tuple[float, float]]] = {
    "variance": ((-1.49, 0.80), (0.26, 0.32)),
    "shape": ((0.42, 0.17), (-0.02, 0.09)),
    "contrast": ((2.30, 0.87), (0.22, 0.25)),
    "log_contrast": ((2.03, 0.90), (0.28, 0.29)),
    "contrast_variation": ((0.30, 0.37), (-0.09, 0.13)),
    "smoothness": ((0.14, 0.20), (-0.06, 0.07)),
    "gradient": ((2.16, 0.87), (0.21, 0.25)),
    "log_gradient": ((1.73, 0.87), (0.23, 0.26)),
    "gradient_shape": ((0.56, 0.44), (-0.04, 0.14)),
    "orientation": ((0.06, 0.30), (-0.01, 0.08)),
    "flatness": ((0.21, 0.22), (-0.06, 0.06)),
    "near_flatness": ((0.49, 0.26), (-0.06, 0.08)),
    "laplacian": ((2.63, 1.15), (0.39, 0.42)),
    "log_laplacian": ((2.03, 1.12), (0.37, 0.41)),
    "linearity": ((0.22, 0.22), (-0.07, 0.08)),
    **{f"{neighbour}_mean": ((0.24, 0.26), (-0.05, 0.15)) for neighbour in NEIGHBOURS},
    **{f"{neighbour}_magnitude": ((-1.81, 0.74), (0.25, 0.30)) for neighbour in NEIGHBOURS},
    **{f"{neighbour}_shape": ((0.87, 0.28), (-0.06, 0.15)) for neighbour in NEIGHBOURS},
    **{f"{neighbour}_asymmetry": ((0.30, 0.32), (-0.07, 0.19)) for neighbour in NEIGHBOURS},
}
LUMA_STATISTICS = {name: scale for name, (scale, _) in _LUMA.items()}
LUMA_CHANGES = {name: scale for name, (_, scale) in _LUMA.items()}
CHROMA_STATISTICS = {
    "variance": (-2.69, 1.47),
    "shape": (0.33, 0.30),
    "contrast": (0.64, 1.09),
    "log_contrast": (0.51, 1.03),
    "smoothness": (0.54, 0.38),
    "magnitude": (2.17, 1.65),
}

Maps = dict[str, Tensor]


NUM_CHANNELS = (
    len(LEVEL_STATISTICS)
    + len(LUMA_OCTAVES) * len(LUMA_STATISTICS)
    + len(CHROMA_OCTAVES) * (2 * len(CHROMA_STATISTICS) - 1)  # one magnitude for both opponents
)


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
        padded = _pad(maps_BCHW, window.numel() // 2)
        return F.conv2d(F.conv2d(padded, columns, groups=channels), rows, groups=channels)

    mean = smooth(value_BCHW)
    variance = (smooth(value_BCHW.square()) - mean.square()).clamp_min(0)
    deviation = (variance + 1e-4).sqrt()  # the small number keeps the gradient finite
    return (value_BCHW - mean) / (deviation + 1), deviation


def _pad(value_BCHW: Tensor, width: int) -> Tensor:
    return F.pad(value_BCHW, (width,) * 4, mode="replicate")


def average_window(value_BCHW: Tensor) -> Tensor:
    """The mean over 3 x 3 cells, of fewer at the border."""
    return F.avg_pool2d(value_BCHW, 3, stride=1, padding=1, count_include_pad=False)


def _log(value: Tensor, floor: float) -> Tensor:
    return (value.clamp_min(0) + floor).log()


def standardise_means(means: list[Maps]) -> Tensor:
    """Every channel, from the means of what :func:`measure_levels` gives, then of luma and of chroma at each octave."""
    finer = _luma_statistics(means[1])
    channels = _standardise(_level_statistics(means[0]), LEVEL_STATISTICS) + _standardise(finer, LUMA_STATISTICS)
    for mean in means[2 : 1 + len(LUMA_OCTAVES)]:
        coarser = _luma_statistics(mean)
        channels += _standardise({name: coarser[name] - finer[name] for name in coarser}, LUMA_CHANGES)
        finer = coarser
    for mean in means[1 + len(LUMA_OCTAVES) :]:
        channels += _standardise(_chroma_statistics(mean), CHROMA_STATISTICS)
    return torch.cat(channels, dim=1)


def _standardise(statistics: Maps, scale: Mapping[str, tuple[float, float]]) -> list[Tensor]:
    assert statistics.keys() == scale.keys()
    return [(statistics[name] - mean) / spread for name, (mean, spread) in scale.items()]


def _inverse(square: Tensor, scale: float = 1.0) -> Tensor:
    """1 where the magnitude is far below ``scale``, 0 where it is far above: averaged, the share of such pixels."""
    return 1 / (1 + square / scale**2)


def measure_luma(luma_B1HW: Tensor, window: Tensor) -> Maps:
    """The luma statistics of each pixel, at one octave."""
    normalised, deviation = mscn(luma_B1HW, window)
    near = _pad(luma_B1HW, 1)
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
        "log_deviation": _log(deviation, 0.5),
        "smoothness": _inverse(deviation.square()),
        "gradient": gradient,
        "gradient_square": gradient_square,
        "log_gradient": _log(gradient, 0.5),
        "along_row": along_row.abs(),
        "along_column": along_column.abs(),
        "flatness": _inverse(gradient_square),
        "near_flatness": _inverse(gradient_square, 5),
        "laplacian": laplacian,
        "log_laplacian": _log(laplacian, 0.5),
        "linearity": _inverse(laplacian.square()),
    }
    near = _pad(normalised, 1)
    for neighbour, (down, right_by) in NEIGHBOURS.items():
        product = normalised * near[:, :, 1 + down : down - 1 or None, 1 + right_by : right_by - 1 or None]
        moments[neighbour] = product
        moments[f"{neighbour}_magnitude"] = product.abs()
        moments[f"{neighbour}_square"] = product.square()
    return moments


def _luma_statistics(mean: Maps) -> Maps:
    log_gradient_mean = _log(mean["gradient"], 0.5)
    statistics = {
        "variance": _log(mean["square"], 1e-2),
        "shape": _log(mean["square"], 1e-4) - 2 * _log(mean["magnitude"], 1e-2),
        "contrast": _log(mean["deviation"], 0.5),
        "log_contrast": mean["log_deviation"],
        "contrast_variation": _log(mean["deviation_square"], 0.25) - 2 * _log(mean["deviation"], 0.5),
        "smoothness": mean["smoothness"],
        "gradient": log_gradient_mean,
        "log_gradient": mean["log_gradient"],
        "gradient_shape": _log(mean["gradient_square"], 0.25) - 2 * log_gradient_mean,
        "orientation": _log(mean["along_row"], 0.5) - _log(mean["along_column"], 0.5),
        "flatness": mean["flatness"],
        "near_flatness": mean["near_flatness"],
        "laplacian": _log(mean["laplacian"], 0.5),
        "log_laplacian": mean["log_laplacian"],
        "linearity": mean["linearity"],
    }
    for neighbour in NEIGHBOURS:
        product, magnitude = mean[neighbour], mean[f"{neighbour}_magnitude"]
        statistics[f"{neighbour}_mean"] = product / (mean["square"] + 1e-2)
        statistics[f"{neighbour}_magnitude"] = _log(magnitude, 1e-2)
        statistics[f"{neighbour}_shape"] = _log(mean[f"{neighbour}_square"], 1e-3) - 2 * _log(magnitude, 1e-2)
        statistics[f"{neighbour}_asymmetry"] = product / (magnitude + 1e-2)
    return statistics


def measure_chroma(chroma_B2HW: Tensor, window: Tensor) -> Maps:
    """The statistics of both opponents at each pixel, at one octave."""
    normalised, deviation = mscn(chroma_B2HW, window)
    return {
        "magnitude": normalised.abs(),
        "square": normalised.square(),
        "deviation": deviation,
        "log_deviation": _log(deviation, 0.5),
        "smoothness": _inverse(deviation.square()),
        "chroma": (chroma_B2HW.square().sum(dim=1, keepdim=True) + 1e-4).sqrt(),
    }


def _chroma_statistics(mean: Maps) -> Maps:
    return {
        "variance": _log(mean["square"], 1e-2),
        "shape": _log(mean["square"], 1e-4) - 2 * _log(mean["magnitude"], 1e-2),
        "contrast": _log(mean["deviation"], 0.5),
        "log_contrast": mean["log_deviation"],
        "smoothness": mean["smoothness"],
        "magnitude": _log(mean["chroma"], 1.0),
    }


def measure_levels(luma_B1HW: Tensor) -> Maps:
    """The levels of luma at each pixel, and the steps that repeat every 8 pixels."""
    unit = luma_B1HW / 255 + 0.5
    columns, columns_energy = _block_edges(luma_B1HW)
    rows, rows_energy = (value.transpose(2, 3) for value in _block_edges(luma_B1HW.transpose(2, 3)))
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


def _block_edges(luma_B1HW: Tensor) -> tuple[Tensor, Tensor]:
    """Covariance, 8 pixels apart, of steps between columns (block codecs repeat them), and their energy."""
    step = (luma_B1HW[..., 1:] - luma_B1HW[..., :-1]).abs()
    excess = step[..., 1:-1] - (step[..., :-2] + step[..., 2:]) / 2  # natural edges are wider than one pixel
    excess = F.avg_pool2d(excess, (5, 1), stride=1, padding=(2, 0))
    repeated, energy = excess[..., :-8] * excess[..., 8:], excess[..., 4:-4].square()
    return F.pad(repeated, (5, 6)), F.pad(energy, (5, 6))


def _level_statistics(mean: Maps) -> Maps:
    return {
        "luminance": mean["unit"],
        "rms_contrast": _log(mean["unit_square"] - mean["unit"].square(), 1e-4),
        "white_point": (mean["white"] + 1e-6) ** (1 / 8),
        "black_point": (mean["black"] + 1e-6) ** (1 / 8),
        "block_rows": mean["rows"] / (mean["rows_energy"] + 0.05),
        "block_columns": mean["columns"] / (mean["columns_energy"] + 0.05),
    }
