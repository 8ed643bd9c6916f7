"""Score images of any kind and size with a trained model."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from iqa_zoo.data.enlarge import enlarge
from iqa_zoo.data.views import choose_crops
from iqa_zoo.errors import InputError
from iqa_zoo.inference.inputs import OneImage, name_input, read_pixels, split_images
from iqa_zoo.inference.predict import cut_image, describe_not_finite
from iqa_zoo.inference.scaled_model import ScaledModel
from iqa_zoo.inference.score import Score, ScoreMeaning, describe_view, interpret_score
from iqa_zoo.inference.workers import compute_in_order
from iqa_zoo.trained.calibration import Calibration
from iqa_zoo.trained.standardised import pool_features
from iqa_zoo.trained.training_photographs import FeatureDistribution, find_look_alike


@dataclass(frozen=True, eq=False)
class KnownPhotographs:
    """What a model knows of the photographs that it was trained on.

    Attributes:
        calibration: of its scores.
        distribution: of the pooled features.
        hashes_NB: packed perceptual hashes of the photographs.
        names: of the photographs, one each hash.
    """

    calibration: Calibration
    distribution: FeatureDistribution
    hashes_NB: NDArray[np.uint8] = field(default_factory=lambda: np.empty((0, 32), np.uint8))
    names: tuple[str, ...] = ()


class Scorer:
    """A trained model that scores images: :func:`iqa_zoo.load` makes one.

    A score depends on the pixels of the image and on nothing else: not on its file name, its format, or what is scored beside it.
    On one machine it is the same to the last bit, alone and among others, however many threads torch has: each image is computed by
    one thread, and several images at once. Threads may share a scorer.

    >>> scorer = iqa_zoo.load("mlp_lite0.livec")  # doctest: +SKIP
    >>> scorer.score("photo.jpg").score  # doctest: +SKIP
    61.2
    >>> image_BCHW = torch.rand(1, 3, 384, 512, requires_grad=True)  # doctest: +SKIP
    >>> scorer(image_BCHW).sum().backward()  # gradients of scores  # doctest: +SKIP

    Args:
        model: in any mode; it is put into eval mode and must stay there.
        meaning: of its scores.
        photographs: that it was trained on, for intervals, percentiles and flags; None for scores and words only.

    Attributes:
        model: the torch module. ``scorer(image_BCHW)`` is its forward pass: it takes RGB images in 0..1 as a float tensor, of at
            least ``scorer.model.model.spec.image_size`` pixels a side, and returns score_B, differentiable by the images.
        meaning: of its scores; ``scorer.meaning.format_signature()`` is a line to cite.
    """

    def __init__(self, model: ScaledModel, meaning: ScoreMeaning, photographs: KnownPhotographs | None = None):
        self.model = model.eval()
        self.meaning = meaning
        self.photographs = photographs

    def __repr__(self) -> str:
        return f"<Scorer {self.meaning.format_signature()}>"

    def __call__(self, image_BCHW: Tensor) -> Tensor:
        """Return score_B of RGB images in 0..1, differentiable by the images; see the class."""
        score_B: Tensor = self.model(image_BCHW)
        return score_B

    def with_crops(self, crops: int | None) -> Scorer:
        """Return a scorer with the same model that takes another number of crops an image; None for the same number.

        Raises:
            InputError: fewer than one crop, or several of a model that sees whole images.
        """
        if crops is not None and crops < 1:
            raise InputError(f"{crops} crops an image; take at least 1")
        spec = self.model.model.spec
        crops = choose_crops(spec, crops, self.meaning.crops)
        meaning = replace(self.meaning, crops=crops, view=describe_view(spec, crops))
        return Scorer(self.model, meaning, self.photographs)

    @overload
    def score(self, images: OneImage) -> Score: ...

    @overload
    def score(self, images: list[Any] | tuple[Any, ...]) -> list[Score]: ...

    def score(self, images: Any) -> Score | list[Score]:
        """Score one image or several.

        Args:
            images: a path, the bytes of an image file, a Pillow image, a uint8 array (height, width, 3), a uint8 tensor
                (3, height, width), or a list of them. An image that is smaller than the model's input is enlarged.

        Returns:
            One score, or a list with one for each image. In a list an image that cannot be scored has an ``error``, and the
            others are scored.

        Raises:
            InputError: a single image cannot be read or scored.
        """
        several = split_images(images)
        if several is not None:
            return list(self.score_each(several))
        (score,) = self.score_each([images])
        if score.error:
            raise InputError(score.error)
        return score

    def score_each(self, images: Iterable[OneImage]) -> Iterator[Score]:
        """Yield the score of each image, in order; the next ones are read and scored meanwhile.

        On a CPU as many images are scored at once as torch has threads (``torch.set_num_threads``), at most
        :data:`iqa_zoo.inference.workers.MOST_WORKERS`, each by one thread.
        """
        with closing(compute_in_order(self._load, self._score_loaded, images, self.model.device)) as scores:
            for given, score in scores:
                try:
                    yield score.result()
                except InputError as problem:
                    yield Score(None, error=str(problem), path=name_input(given))

    def _load(self, given: OneImage) -> _Loaded:
        image_HWC = read_pixels(given)
        spec, known = self.model.model.spec, self.photographs
        larger_HWC, enlarged = enlarge(image_HWC, spec.image_size, Path(name_input(given) or "the image"))
        crops_BCHW, reduced = cut_image(larger_HWC, spec, self.meaning.crops)
        look_alike = find_look_alike(image_HWC, known.hashes_NB, known.names) if known is not None else ""
        height, width = image_HWC.shape[:2]
        return _Loaded(name_input(given), crops_BCHW, height, width, enlarged or reduced, look_alike)

    def _score_loaded(self, image: _Loaded) -> Score:
        output = self.model.compute_output(image.crops_BCHW.to(self.model.device))
        score = self.model.rescale(output.score_B).mean().item()
        bare = Score(None, note=image.note, path=image.path, height=image.height, width=image.width)
        if not math.isfinite(score):
            return replace(bare, error=f"{image.path or 'the image'}: {describe_not_finite(score)}")
        distance = calibration = None
        if self.photographs is not None:
            assert output.features is not None
            pooled_F = pool_features(output.features, self.model.model.spec.stages).double().mean(0).cpu().numpy()
            calibration = self.photographs.calibration
            distance = float(self.photographs.distribution.measure_distances(pooled_F[None])[0])
        fields = interpret_score(
            score,
            data=self.meaning.data,
            calibration=calibration,
            distance=distance,
            note=image.note,
            look_alike=image.look_alike,
        )
        return replace(bare, score=score, **fields)


@dataclass(frozen=True)
class _Loaded:
    path: str | None
    crops_BCHW: Tensor
    height: int
    width: int
    note: str
    look_alike: str
