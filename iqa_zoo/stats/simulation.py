"""How often the verdicts of :func:`iqa_zoo.stats.paired.paired` are right, by simulated comparisons of two models.

An image has a quality, which is its MOS. A model predicts quality plus error. Part of the error is that of the image and
common to both models; part is the model's own and returns in each training, as training parts overlap; the rest is drawn
anew for each training. The size of a model's errors also varies from training to training, in part together, so that the
model is better or worse as a whole. All are normal variables. The true gap is that of the SROCCs of infinitely many images.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from iqa_zoo.errors import InputError
from iqa_zoo.stats.paired import paired
from iqa_zoo.stats.sampling import SamplingError, compute_sampling_se, measure_weighted_sroccs

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Scenario:
    """Two models on random splits of one set of images.

    Attributes:
        images: in the data set.
        splits: random splits, which overlap.
        gap: true SROCC of the first model minus that of the second.
        base: true SROCC of the second model.
        test_fraction: share of the images in a test part.
        common_error: share of the error variance that both models have in common.
        lasting_error: share of a model's own error variance that returns in each of its trainings.
        training_noise: deviation of a model's SROCC from training to training, times the root of ``images``.
        lasting_noise: share of the variance of that noise that returns in each training, so that no split shows it.
    """

    images: int
    splits: int
    gap: float = 0.0
    base: float = 0.8
    test_fraction: float = 0.2
    common_error: float = 0.8
    lasting_error: float = 0.8
    training_noise: float = 0.09
    lasting_noise: float = 0.5

    def __post_init__(self) -> None:
        if not (0 < self.base < 1 and 0 < self.base + self.gap < 1):
            raise InputError(f"SROCCs of {self.base} and {self.base + self.gap}; give values between 0 and 1")
        for name in ("common_error", "lasting_error", "lasting_noise"):
            if not 0 <= getattr(self, name) <= 1:
                raise InputError(f"{name} is {getattr(self, name)}; give a share, 0 to 1")
        if self.images < 20 or not 0 < self.test_fraction < 1:
            raise InputError(
                f"{self.images} images and a test fraction of {self.test_fraction}; give 20 or more, and 0..1"
            )


@dataclass(frozen=True)
class Rates:
    """Shares of simulated comparisons, 0..1: interval over the true gap, and each verdict; mean ``se``, and the true one."""

    coverage: float
    ahead: float
    behind: float
    equivalent: float
    undecided: float
    mean_se: float
    true_se: float
    repeats: int


def draw_comparisons(scenario: Scenario, repeats: int, seed: int = 0) -> Iterator[tuple[Array, Array, SamplingError]]:
    """Draw comparisons: the SROCCs of both models on each split, and the error of sampling the test images."""
    rng = np.random.default_rng(seed)
    images, names = scenario.images, [str(i) for i in range(scenario.images)]
    tested = round(scenario.test_fraction * images)
    common, lasting = (math.sqrt(share) for share in (scenario.common_error, scenario.lasting_error))
    own, fresh = math.sqrt(1 - scenario.common_error), math.sqrt(1 - scenario.lasting_error)
    sizes = [_find_error_size(scenario.base + gap) for gap in (scenario.gap, 0.0)]
    # SROCC changes by about r (1 - r^2) with the logarithm of the size of the errors.
    noises = [scenario.training_noise / math.sqrt(images) * (1 + size**2) ** 1.5 / size**2 for size in sizes]
    for _ in range(repeats):
        quality_I, common_I = rng.standard_normal((2, images))
        own_MI, skill_M = rng.standard_normal((2, images)), rng.standard_normal(2)
        predictions: tuple[list[dict[str, float]], list[dict[str, float]]] = ([], [])
        sroccs_MS = np.empty((2, scenario.splits))
        for split in range(scenario.splits):
            part = rng.permutation(images)[:tested]
            scores_MI = np.empty((2, tested))
            for model, (size, noise) in enumerate(zip(sizes, noises, strict=True)):
                drift = math.sqrt(scenario.lasting_noise) * skill_M[model]
                drift += math.sqrt(1 - scenario.lasting_noise) * rng.standard_normal()
                error_I = lasting * own_MI[model, part] + fresh * rng.standard_normal(tested)
                error_I = common * common_I[part] + own * error_I
                scores_MI[model] = quality_I[part] + size * math.exp(noise * drift) * error_I
                scores = scores_MI[model].tolist()
                predictions[model].append({names[i]: score for i, score in zip(part, scores, strict=True)})
            found = measure_weighted_sroccs([*scores_MI], quality_I[part], np.ones((1, tested)))
            sroccs_MS[:, split] = np.concatenate(found)
        labels = dict(zip(names, quality_I.tolist(), strict=True))
        yield sroccs_MS[0], sroccs_MS[1], compute_sampling_se(*predictions, labels)


def simulate_verdicts(
    scenario: Scenario,
    repeats: int = 1000,
    *,
    margin: float = 0.01,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> Rates:
    """Simulate comparisons and count how often the interval covers the true gap, and each verdict.

    Args:
        scenario: the two models and the splits.
        repeats: comparisons; a rate of 5 % has a standard error of .7 % at 1,000.
        margin: of equivalence.
        seed: of the simulation.
        progress: called with the comparisons done and their number.

    >>> rates = simulate_verdicts(Scenario(images=50, splits=5, gap=0.15), repeats=4)
    >>> rates.ahead + rates.behind + rates.equivalent + rates.undecided
    1.0
    """
    ratio = scenario.test_fraction / (1 - scenario.test_fraction)
    verdicts: Counter[str] = Counter()
    covered, means, errors = 0, [], []
    for done, (a_S, b_S, sampling) in enumerate(draw_comparisons(scenario, repeats, seed), 1):
        found = paired(a_S, b_S, test_train_ratio=ratio, margin=margin, sampling_se=sampling)
        verdicts[found.verdict] += 1
        covered += found.low <= scenario.gap <= found.high
        means.append(found.mean)
        errors.append(found.se)
        if progress is not None:
            progress(done, repeats)
    return Rates(
        coverage=covered / repeats,
        ahead=verdicts["ahead"] / repeats,
        behind=verdicts["behind"] / repeats,
        equivalent=verdicts["equivalent"] / repeats,
        undecided=verdicts["undecided"] / repeats,
        mean_se=float(np.mean(errors)),
        true_se=float(np.std(means)),
        repeats=repeats,
    )


def _find_error_size(value: float) -> float:
    """Deviation of the error, in deviations of the quality, that gives an SROCC; of normal variables."""
    pearson = 2 * math.sin(math.pi * value / 6)
    return math.sqrt(1 / pearson**2 - 1)
