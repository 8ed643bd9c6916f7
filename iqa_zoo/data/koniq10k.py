"""KonIQ-10k: photographs from Flickr in the wild."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from iqa_zoo.data.rated import RatedImages
from iqa_zoo.data.release import NOT_STATED, Release, Row, file_index, find, find_any, number, rated_images, read_csv
from iqa_zoo.errors import InputError
from iqa_zoo.registry import register_dataset

RELEASE = Release(
    name="koniq10k",
    images=10073,
    score_range=(0, 100),
    licence=NOT_STATED,
    source="https://database.mmsp-kn.de/koniq-10k-database.html",
)
PARTS = {"training": "train", "validation": "validation", "test": "test"}


@register_dataset("koniq10k")
def koniq10k(root: str | Path, *, folder: str | None = None, subset: bool = False) -> RatedImages:
    """KonIQ-10k: 10073 photographs, authentic distortions, MOS 0..100, higher is better, official split.

    V. Hosu, H. Lin, T. Sziranyi and D. Saupe, IEEE TIP 29, 2020. Scores are those that loaders use, on 0..100
    (``MOS_zscore``), not the raw 1..5.

    Args:
        root: the folder with ``1024x768/`` or ``512x384/``, and ``koniq10k_distributions_sets.csv`` (which has the
            official split) or ``koniq10k_scores_and_distributions.csv`` (which has not).
        folder: the image folder; the larger images where both are there.
        subset: allow fewer images than the release has.

    Raises:
        InputError: the root, the labels or an image is missing, or the labels are not the release's.
    """
    at = find(root, RELEASE, *([folder] if folder else ["1024x768", "512x384"]), what="the image folder")
    images = file_index(at)
    rows = [
        Row(images.get(name.casefold(), at / name), score, part=part) for name, score, part in scores_and_parts(root)
    ]
    return rated_images(RELEASE, rows, subset)


def scores_and_parts(root: str | Path) -> Iterator[tuple[str, float, str]]:
    """Image name, score and official part ("" where the label file has none) of each KonIQ-10k image."""
    sets = find_any(root, "koniq10k_distributions_sets.csv")
    if sets is not None:
        for line in read_csv(sets, ("image_name", "mos", "set")):
            if line["set"].casefold() not in PARTS:
                raise InputError(f"{sets}: {line['image_name']} is in set {line['set']!r}; known: {', '.join(PARTS)}")
            yield line["image_name"], number(line["mos"], sets, line["image_name"]), PARTS[line["set"].casefold()]
        return
    scores = find(
        root,
        RELEASE,
        "koniq10k_distributions_sets.csv",
        "koniq10k_scores_and_distributions.csv",
        what="the label file",
    )
    for line in read_csv(scores, ("image_name", "mos_zscore")):
        yield line["image_name"], number(line["mos_zscore"], scores, line["image_name"]), ""
