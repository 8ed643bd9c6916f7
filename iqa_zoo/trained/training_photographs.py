"""How far an image is from the photographs that a model was trained on, by its pooled features, and which it looks like."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from iqa_zoo.data.duplicates import SAME_IMAGE, compute_perceptual_hash
from iqa_zoo.errors import CheckpointError

COMPONENTS = 32
FLOOR = 1e-6  # smallest deviation of a feature; a constant feature has distance 0


@dataclass(frozen=True, eq=False)
class FeatureDistribution:
    """A normal distribution of pooled features: a few principal components, and one variance for everything else.

    Attributes:
        mean_F, deviation_F: of each feature.
        components_KF: principal directions of the standardised features, of length 1.
        variances_K: along them.
        rest: mean variance of the other directions.
    """

    mean_F: NDArray[np.float32]
    deviation_F: NDArray[np.float32]
    components_KF: NDArray[np.float32]
    variances_K: NDArray[np.float32]
    rest: float

    def measure_distances(self, pooled_NF: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the Mahalanobis distance of each row per root of the number of features: about 1 for a typical image."""
        standard_NF = (pooled_NF - self.mean_F) / self.deviation_F
        along_NK = standard_NF @ self.components_KF.T.astype(np.float64)
        beside_N = np.maximum(0, (standard_NF**2).sum(1) - (along_NK**2).sum(1))
        total_N = (along_NK**2 / self.variances_K).sum(1) + beside_N / self.rest
        distance_N: NDArray[np.float64] = np.sqrt(total_N / standard_NF.shape[1])
        return distance_N

    def to_arrays(self) -> dict[str, NDArray[np.float32]]:
        """Return the arrays to store, by name."""
        return {
            "mean": self.mean_F,
            "deviation": self.deviation_F,
            "components": self.components_KF,
            "variances": self.variances_K,
            "rest": np.array([self.rest], dtype=np.float32),
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[np.float32]]) -> Self:
        """Read what :meth:`to_arrays` returned.

        Raises:
            CheckpointError: an array is missing.
        """
        names = ("mean", "deviation", "components", "variances", "rest")
        if missing := [name for name in names if name not in arrays]:
            raise CheckpointError(f"the distribution of training features lacks {', '.join(missing)}")
        mean, deviation, components, variances, rest = (np.asarray(arrays[name]) for name in names)
        return cls(mean, deviation, components, variances, float(rest[0]))


def fit_distribution(pooled_NF: NDArray[np.float64], components: int = COMPONENTS) -> FeatureDistribution:
    """Fit a distribution to the pooled features of photographs, at most half as many components as there are features or images."""
    images, features = pooled_NF.shape
    mean_F = pooled_NF.mean(0)
    deviation_F = pooled_NF.std(0)
    deviation_F = np.where(deviation_F > FLOOR, deviation_F, 1.0)
    standard_NF = (pooled_NF - mean_F) / deviation_F
    _, values, directions = np.linalg.svd(standard_NF, full_matrices=False)
    kept = max(1, min(components, features // 2, images // 2))
    variances = values**2 / images
    rest = max(float(variances[kept:].sum() / max(1, features - kept)), FLOOR)
    return FeatureDistribution(
        mean_F.astype(np.float32),
        deviation_F.astype(np.float32),
        directions[:kept].astype(np.float32),
        np.maximum(variances[:kept], rest).astype(np.float32),
        rest,
    )


def find_look_alike(image_HWC: NDArray[np.uint8], hashes_NB: NDArray[np.uint8], names: Sequence[str]) -> str:
    """Return the name of the training photograph that an image is a near-duplicate of, or an empty string.

    Args:
        image_HWC: RGB.
        hashes_NB: packed perceptual hashes (:mod:`iqa_zoo.data.duplicates`), 32 bytes a photograph.
        names: of the photographs.
    """
    if not len(names):
        return ""
    packed_B = np.packbits(compute_perceptual_hash(image_HWC))
    differing_N = np.unpackbits(hashes_NB ^ packed_B, axis=1).sum(1)
    nearest = int(differing_N.argmin())
    return names[nearest] if differing_N[nearest] <= SAME_IMAGE else ""
