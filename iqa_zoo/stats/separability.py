"""How well classes of images separate in features, and a t-SNE embedding of them. scikit-learn is imported when used."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from iqa_zoo.errors import InputError

NEIGHBOURS = 15
FOLDS = 5
SILHOUETTE_IMAGES = 5000  # at most; the silhouette is quadratic in their number
BANDS = ("low", "middle", "high")


@dataclass(frozen=True)
class Separability:
    """How well classes separate, in standardised channels.

    Attributes:
        silhouette: mean silhouette, -1 to 1; 0 where classes overlap, higher is better.
        accuracy: of a classifier of 15 nearest neighbours from other contents, 0 to 1; higher is better.
        chance: accuracy of always choosing the largest class.
    """

    silhouette: float
    accuracy: float
    chance: float


def measure_separability(
    vectors_IC: NDArray[np.float64], classes: Sequence[str], contents: Sequence[str], *, seed: int = 0
) -> Separability:
    """Measure how well classes of images separate in their vectors.

    Args:
        vectors_IC: one vector an image.
        classes: the class of each image.
        contents: the content of each image; neighbours of the same content do not vote.
        seed: of the sample for the silhouette, where there are more than 5,000 images.

    Raises:
        InputError: a single class, or fewer than five contents.

    >>> rng = np.random.default_rng(0)
    >>> classes = ["a", "b"] * 50
    >>> apart = rng.standard_normal((100, 3)) + 8.0 * np.array([[k == "a"] for k in classes])
    >>> found = measure_separability(apart, classes, [str(i) for i in range(100)])
    >>> found.accuracy, found.chance, found.silhouette > 0.6
    (1.0, 0.5, True)
    """
    from sklearn.metrics import silhouette_score
    from sklearn.model_selection import GroupKFold, cross_val_predict
    from sklearn.neighbors import KNeighborsClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    named = np.array(classes)
    kinds, counts = np.unique(named, return_counts=True)
    if len(kinds) < 2:
        raise InputError(f"every image is of the class {str(kinds[0])!r}; there is nothing to separate")
    if len(set(contents)) < FOLDS:
        raise InputError(f"{len(set(contents))} contents are too few to judge images by those of other contents")
    scaled_IC = StandardScaler().fit_transform(vectors_IC)
    sample = SILHOUETTE_IMAGES if len(named) > SILHOUETTE_IMAGES else None
    silhouette = silhouette_score(scaled_IC, named, sample_size=sample, random_state=seed)
    neighbours: Any = make_pipeline(
        StandardScaler(), KNeighborsClassifier(min(NEIGHBOURS, len(named) * (FOLDS - 1) // FOLDS))
    )
    predicted = cross_val_predict(neighbours, vectors_IC, named, groups=np.array(contents), cv=GroupKFold(FOLDS))
    return Separability(float(silhouette), float((predicted == named).mean()), float(counts.max() / len(named)))


def assign_quality_bands(mos: NDArray[np.float64], higher_is_better: bool = True) -> list[str]:
    """Each image's third of the quality range by rank: ``low``, ``middle`` or ``high``.

    >>> assign_quality_bands(np.array([10.0, 90.0, 50.0]))
    ['low', 'high', 'middle']
    """
    quality = mos if higher_is_better else -mos
    ranks = quality.argsort(kind="stable").argsort(kind="stable")
    return [BANDS[3 * int(rank) // len(mos)] for rank in ranks]


def embed_tsne(vectors_IC: NDArray[np.float64], *, seed: int = 0, perplexity: float = 30.0) -> NDArray[np.float64]:
    """Embed images in two dimensions by t-SNE (van der Maaten and Hinton, JMLR 2008) of 50 principal components.

    Distances between groups and sizes of groups have no meaning here: see :func:`measure_separability` for numbers.
    """
    from sklearn.decomposition import PCA
    from sklearn.manifold import TSNE
    from sklearn.preprocessing import StandardScaler

    scaled_IC = StandardScaler().fit_transform(vectors_IC)
    few = min(50, *scaled_IC.shape)
    reduced = PCA(few, random_state=seed).fit_transform(scaled_IC)
    near = min(perplexity, (len(vectors_IC) - 1) / 3)
    placed: NDArray[np.float64] = TSNE(perplexity=near, init="pca", random_state=seed).fit_transform(reduced)
    return placed.astype(np.float64)
