"""How much the SROCC difference of two models over splits varies with the choice of test images alone.

The jackknife over the images of all splits, with the correction of Efron and Stein (The jackknife estimate of variance,
Annals of Statistics 9, 1981). An ordinary bootstrap or jackknife is too wide on small test parts: the SROCC of 26 images
is far from linear in the images, and both count its second-order part twice.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from iqa_zoo.errors import InputError
from iqa_zoo.stats.metrics import explain_undefined

Array = NDArray[np.float64]

MAX_BLOCKS = 200  # images are deleted in this many blocks where there are more
PAIRS = 150  # of blocks, deleted together, a split: for the second-order part


@dataclass(frozen=True)
class SamplingError:
    """The error of the mean difference over splits that the choice of test images alone causes.

    Attributes:
        se: standard error of the mean difference.
        spread: deviation of the differences between splits that the choice of images explains; nan where unknown.
        freedom: degrees of freedom of ``se``.
        images: distinct test images; 0 where unknown.
    """

    se: float
    spread: float = math.nan
    freedom: float = math.inf
    images: int = 0

    def __post_init__(self) -> None:
        if not (0 <= self.se < math.inf and self.freedom > 0):
            raise InputError(f"a sampling error of {self.se} with {self.freedom} degrees of freedom; give 0 or more")


@dataclass(frozen=True)
class ImageJackknife:
    """Changes of the SROCC of each model on each split, where test images are deleted from all splits at once.

    Attributes:
        models: their names; the axis M.
        first_SMB: where one block of images is deleted; 0 where a split tests none of it.
        second: per split, the pairs of blocks that it tests, and what deleting both adds to deleting each: changes MQ.
        num_pairs: pairs of blocks that were deleted, of all splits.
        share: of all pairs that these are.
        images: distinct test images.
    """

    models: tuple[str, ...]
    first_SMB: Array
    second: tuple[tuple[NDArray[np.int64], Array], ...]
    num_pairs: int
    share: float
    images: int

    def estimate(self, weights_M: ArrayLike) -> SamplingError:
        """Estimate the error of a weighted sum of the models' mean SROCCs: 1 and -1 give that of a difference."""
        weights = np.asarray(weights_M, dtype=np.float64)
        second_SP = np.zeros((len(self.second), self.num_pairs))
        for j, (pairs, changes_MQ) in enumerate(self.second):
            second_SP[j, pairs] = weights @ changes_MQ
        return _combine(np.einsum("m,smb->sb", weights, self.first_SMB), second_SP, self.share, self.images)


def delete_images(
    scores: Mapping[str, Sequence[Mapping[str, float]]],
    labels: Mapping[str, float],
    *,
    groups: Mapping[str, str] | None = None,
    seed: int = 0,
) -> ImageJackknife:
    """Delete test images in turn, and measure the change of the SROCC of every model.

    Args:
        scores: by model, its predictions on the test part of each split: image name -> score.
        labels, groups, seed: as in :func:`compute_sampling_se`.

    Raises:
        InputError: as :func:`compute_sampling_se`.
    """
    models = tuple(scores)
    counts = [len(scores[model]) for model in models]
    if not models or not counts[0] or len(set(counts)) > 1:
        raise InputError(f"{' and '.join(map(str, counts))} splits; give the predictions of all models on each")
    rng = np.random.default_rng(seed)
    tested = scores[models[0]]
    names = list(dict.fromkeys(name for part in tested for name in part))
    block_of, num_blocks = _assign_blocks(names, groups, rng)
    parts = [_read_split(j, {model: scores[model][j] for model in models}, labels) for j in range(len(tested))]
    blocks_of_parts = [np.array([block_of[name] for name in part]) for part in tested]

    present_SB = np.array([np.bincount(blocks, minlength=num_blocks) > 0 for blocks in blocks_of_parts])
    pairs_P2, share = _draw_pairs(present_SB, rng)
    first_SMB = np.zeros((len(parts), len(models), num_blocks))
    second = []
    for j, (part, blocks) in enumerate(zip(parts, blocks_of_parts, strict=True)):
        mine = np.flatnonzero(present_SB[j])
        both = np.flatnonzero(present_SB[j][pairs_P2].all(1))
        in_block_BI = (blocks == np.arange(num_blocks)[:, None]).astype(np.float64)
        in_pair_QI = in_block_BI[pairs_P2[both, 0]] + in_block_BI[pairs_P2[both, 1]]
        changes_MR = _delete(part, np.concatenate([in_block_BI[mine], in_pair_QI]), j)
        first_SMB[j][:, mine] = changes_MR[:, : len(mine)]
        second.append((both, changes_MR[:, len(mine) :] - first_SMB[j][:, pairs_P2[both]].sum(2)))
    return ImageJackknife(models, first_SMB, tuple(second), len(pairs_P2), share, len(names))


def compute_sampling_se(
    scores_a: Sequence[Mapping[str, float]],
    scores_b: Sequence[Mapping[str, float]],
    labels: Mapping[str, float],
    *,
    groups: Mapping[str, str] | None = None,
    seed: int = 0,
) -> SamplingError:
    """Compute how much the mean SROCC difference varies with the choice of test images, both models taken as they are.

    An image that several splits test is deleted from all of them at once, so the overlap of the splits is counted as it
    is. Spread from training to training is not part of it.

    Args:
        scores_a, scores_b: predictions of both models on the test part of each split: image name -> score.
        labels: image name -> label, in the direction of the scores.
        groups: image name -> content. Whole contents are then deleted, as images of one content are not independent.
        seed: of the blocks and pairs that are deleted, where there are too many to delete each.

    Raises:
        InputError: no split, models that were tested on different images, an image without a label or content, a number
            that is not finite, a model or labels that are constant on a split, or fewer than four images or contents.

    >>> rng = np.random.default_rng(0)
    >>> mos = {f"{i}.png": float(rng.normal()) for i in range(100)}
    >>> tested = [list(rng.permutation(list(mos))[:20]) for _ in range(5)]
    >>> a, b = ([{name: mos[name] + noise * rng.normal() for name in part} for part in tested] for noise in (0.5, 0.6))
    >>> found = compute_sampling_se(a, b, mos)
    >>> round(found.se, 3), round(found.spread, 3), found.images
    (0.035, 0.068, 67)
    """
    both = {"first model": scores_a, "second model": scores_b}
    return delete_images(both, labels, groups=groups, seed=seed).estimate([1, -1])


def _combine(first_SB: Array, second_SP: Array, share: float, images: int) -> SamplingError:
    """The variance of the mean and the spread between splits, from what each deletion changes."""
    count = len(first_SB)
    influence_B = first_SB.mean(0)
    mean_first, mean_second = float((influence_B**2).sum()), float((second_SP.mean(0) ** 2).sum()) / share
    each_first, each_second = float((first_SB**2).sum(1).mean()), float((second_SP**2).sum(1).mean()) / share
    # The second-order part is in the jackknife twice. What is left is at least half.
    of_mean = max(mean_first - mean_second, mean_first / 2)
    of_each = max(each_first - each_second, each_first / 2)
    spread = math.sqrt(max(of_each - of_mean, 0.0) * count / (count - 1)) if count > 1 else math.nan
    fourth = float((influence_B**4).sum()) - mean_first**2 / len(influence_B)
    freedom = 2 * mean_first**2 / fourth if fourth > 0 else math.inf
    return SamplingError(math.sqrt(of_mean), spread, freedom, images)


def _assign_blocks(
    names: Sequence[str], groups: Mapping[str, str] | None, rng: np.random.Generator
) -> tuple[dict[str, int], int]:
    """The block of each image, and their number: an image or a content each, or several where there are many."""
    if groups is not None and (missing := [name for name in names if name not in groups]):
        raise InputError(f"{len(missing)} images have no content, first {missing[0]!r}")
    units = {name: name if groups is None else groups[name] for name in names}
    distinct = sorted(set(units.values()))
    if len(distinct) < 4:
        raise InputError(f"{len(distinct)} {'images' if groups is None else 'contents'}; at least 4 are needed")
    order = rng.permutation(len(distinct)) if len(distinct) > MAX_BLOCKS else np.arange(len(distinct))
    block_of_unit = {unit: int(order[i]) % MAX_BLOCKS for i, unit in enumerate(distinct)}
    return {name: block_of_unit[unit] for name, unit in units.items()}, min(len(distinct), MAX_BLOCKS)


def _read_split(
    j: int, scores: Mapping[str, Mapping[str, float]], labels: Mapping[str, float]
) -> tuple[list[Array], Array]:
    names = list(next(iter(scores.values())))
    for each in scores.values():
        if odd := sorted(each.keys() ^ set(names)):
            raise InputError(
                f"split {j}: not every model has a prediction for {odd[0]!r}; all need the same test images"
            )
    if missing := [name for name in names if name not in labels]:
        raise InputError(f"split {j}: {len(missing)} images have no label, first {missing[0]!r}")
    mos_I = np.array([labels[name] for name in names], dtype=np.float64)
    read = [np.array([each[name] for name in names], dtype=np.float64) for each in scores.values()]
    for model, values_I in zip(scores, read, strict=True):
        try:
            why = explain_undefined(values_I, mos_I)
        except InputError as error:
            raise InputError(f"split {j}, {model}: {error}") from None
        if why:
            raise InputError(f"split {j}, {model}: {why}, so its SROCC is undefined; leave the split out")
    return read, mos_I


def _draw_pairs(present_SB: NDArray[np.bool_], rng: np.random.Generator) -> tuple[NDArray[np.int64], float]:
    """Pairs of blocks, about ``PAIRS`` within each split, and the share of all pairs that they are."""
    first, second = np.triu_indices(present_SB.shape[1], 1)
    share = min(1.0, PAIRS / (len(first) * float((present_SB.mean(1) ** 2).mean())))
    chosen = rng.permutation(len(first))[: math.ceil(share * len(first))]
    return np.stack([first[chosen], second[chosen]], axis=1), len(chosen) / len(first)


def _delete(part: tuple[list[Array], Array], deleted_RI: Array, j: int) -> Array:
    """Return the change of the SROCC of each model on a split where images (1 in a row) are deleted: changes MR."""
    scores, mos_I = part
    weights_RI = 1 - np.concatenate([np.zeros((1, len(mos_I))), deleted_RI])
    srocc_MR = np.array(measure_weighted_sroccs(scores, mos_I, weights_RI))
    if not np.isfinite(srocc_MR).all():
        raise InputError(f"split {j} has an SROCC only with a certain image or content; it has too few of them")
    return srocc_MR[:, 1:] - srocc_MR[:, :1]


def measure_weighted_sroccs(scores: Sequence[Array], mos_I: Array, weights_RI: Array) -> list[Array]:
    """SROCC of each model where each image counts as often as its weight, for each row of weights; nan where undefined.

    >>> weights = np.array([[1.0, 1, 1, 1], [1, 1, 0, 1]])
    >>> measure_weighted_sroccs([np.array([1.0, 2, 3, 4])], np.array([10.0, 20, 40, 30]), weights)[0].round(3)
    array([0.8, 1. ])
    """
    middle_R1 = weights_RI.sum(1, keepdims=True) / 2
    y_RI = _rank_weighted(mos_I, weights_RI) - middle_R1
    weighted_y_RI = weights_RI * y_RI
    square_y_R = np.einsum("ri,ri->r", weighted_y_RI, y_RI)
    found = []
    for scores_I in scores:
        x_RI = _rank_weighted(scores_I, weights_RI) - middle_R1
        product_R = np.einsum("ri,ri->r", weighted_y_RI, x_RI)
        norm_R = np.sqrt(np.einsum("ri,ri,ri->r", weights_RI, x_RI, x_RI) * square_y_R)
        found.append(np.divide(product_R, norm_R, out=np.full(len(norm_R), np.nan), where=norm_R > 1e-9))
    return found


def _rank_weighted(values_I: Array, weights_RI: Array) -> Array:
    """Mean ranks, less one half, of the images repeated by their weights."""
    _, first_I, inverse_I = np.unique(values_I, return_index=True, return_inverse=True)
    if len(first_I) == len(values_I):
        order = first_I
        weights_RT = weights_RI[:, order]
    else:
        order = np.argsort(inverse_I, kind="stable")
        starts = np.searchsorted(inverse_I[order], np.arange(len(first_I)))
        weights_RT = np.add.reduceat(weights_RI[:, order], starts, axis=1)
    return (np.cumsum(weights_RT, axis=1) - weights_RT / 2)[:, inverse_I]
