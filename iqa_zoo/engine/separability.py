"""How well classes of images separate in a backbone's features: numbers of the features themselves, and a map to look at."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.decomposition import PCA
from sklearn.manifold import TSNE
from sklearn.metrics import silhouette_score
from sklearn.model_selection import GroupKFold, cross_val_predict
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

NEIGHBOURS = 15
FOLDS = 5
MOST = 5000  # images of which the silhouette, quadratic in their number, is computed
BANDS = ("low", "middle", "high")


@dataclass(frozen=True)
class Separability:
    """How well classes separate, in standardised channels.

    Attributes:
        silhouette: mean silhouette, -1 to 1; 0 where classes overlap, higher is better.
        accuracy: of 15 nearest neighbours, each image judged by neighbours from other contents, 0 to 1; higher is better.
        chance: what always guessing the largest class would reach.
    """

    silhouette: float
    accuracy: float
    chance: float


def separability(
    vectors_IC: NDArray[np.float64], classes: Sequence[str], contents: Sequence[str], *, seed: int = 0
) -> Separability:
    """Measure how well classes of images separate in their vectors.

    Args:
        vectors_IC: one vector an image.
        classes: the class of each image.
        contents: what each image shows; neighbours of the same content have no vote.
        seed: of the images that the silhouette is computed of, where there are more than 5,000.

    Raises:
        ValueError: a single class, or fewer than five contents.

    >>> rng = np.random.default_rng(0)
    >>> classes = ["a", "b"] * 50
    >>> apart = rng.standard_normal((100, 3)) + 8.0 * np.array([[k == "a"] for k in classes])
    >>> found = separability(apart, classes, [str(i) for i in range(100)])
    >>> found.accuracy, found.chance, found.silhouette > 0.6
    (1.0, 0.5, True)
    """
    named = np.array(classes)
    kinds, counts = np.unique(named, return_counts=True)
    if len(kinds) < 2:
        raise ValueError(f"every image is of the class {str(kinds[0])!r}; there is nothing to separate")
    if len(set(contents)) < FOLDS:
        raise ValueError(f"{len(set(contents))} contents are too few to judge images by those of other contents")
    scaled_IC = StandardScaler().fit_transform(vectors_IC)
    silhouette = silhouette_score(scaled_IC, named, sample_size=MOST if len(named) > MOST else None, random_state=seed)
    neighbours: Any = make_pipeline(
        StandardScaler(), KNeighborsClassifier(min(NEIGHBOURS, len(named) * (FOLDS - 1) // FOLDS))
    )
    told = cross_val_predict(neighbours, vectors_IC, named, groups=np.array(contents), cv=GroupKFold(FOLDS))
    return Separability(float(silhouette), float((told == named).mean()), float(counts.max() / len(named)))


def quality_bands(mos: NDArray[np.float64], higher_is_better: bool = True) -> list[str]:
    """Each image's third of the quality range by rank: ``low``, ``middle`` or ``high``.

    >>> quality_bands(np.array([10.0, 90.0, 50.0]))
    ['low', 'high', 'middle']
    """
    quality = mos if higher_is_better else -mos
    ranks = quality.argsort(kind="stable").argsort(kind="stable")
    return [BANDS[3 * int(rank) // len(mos)] for rank in ranks]


def layout(vectors_IC: NDArray[np.float64], *, seed: int = 0, perplexity: float = 30.0) -> NDArray[np.float64]:
    """Lay the images out in two dimensions by t-SNE (van der Maaten and Hinton, JMLR 2008), of 50 principal components.

    Distances between groups and their sizes in the layout mean nothing: see :func:`separability` for numbers.
    """
    scaled_IC = StandardScaler().fit_transform(vectors_IC)
    few = min(50, *scaled_IC.shape)
    reduced = PCA(few, random_state=seed).fit_transform(scaled_IC)
    near = min(perplexity, (len(vectors_IC) - 1) / 3)
    placed: NDArray[np.float64] = TSNE(perplexity=near, init="pca", random_state=seed).fit_transform(reduced)
    return placed.astype(np.float64)
