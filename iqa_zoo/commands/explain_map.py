"""``iqa-zoo explain --map``: quality by region of one image, by any trained model."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from iqa_zoo.commands.shared import show_result
from iqa_zoo.errors import InputError
from iqa_zoo.trained.names import DEFAULT

if TYPE_CHECKING:
    from iqa_zoo.explain.image import ImageExplanation
    from iqa_zoo.inference.scorer import Scorer


def add_map_options(parser: argparse.ArgumentParser) -> None:
    """Add ``--map`` and ``--occlusion``."""
    parser.add_argument(
        "--map",
        action="store_true",
        help="of one image, by any trained model, those with names included: quality by region, from overlapping regions that are "
        "each scored as if they were a photograph, beside the attention over the centre crop where the model has any",
    )
    parser.add_argument(
        "--occlusion",
        action="store_true",
        help="with --map: an independent check, by how much the score drops where a region is covered (needs captum)",
    )


def check_map(args: argparse.Namespace) -> None:
    """Check that the options fit ``--map``.

    Raises:
        InputError: one does not, or captum is missing.
    """
    if args.occlusion and not args.map:
        raise InputError("--occlusion checks a map; give --map as well")
    if not args.map:
        return
    if args.data or args.start_weights is not None:
        raise InputError("--map is of one IMAGE, without --data and --start-weights")
    if args.occlusion:
        import importlib.util

        if importlib.util.find_spec("captum") is None:
            raise InputError('--occlusion needs captum: pip install "iqa-zoo[explain]"')


def explain_map(args: argparse.Namespace) -> None:
    """Compute the map and show it."""
    from iqa_zoo.inference.find_model import find_model

    name = args.trained or DEFAULT
    find_model(name)  # before torch is imported
    from iqa_zoo.explain.score_map import compute_score_map
    from iqa_zoo.inference.load import load

    scorer = load(name, args.device).with_crops(args.crops)
    score_map = compute_score_map(scorer, args.image)
    notes = score_map.describe()
    drop_HW = agreement = None
    if args.occlusion:
        from iqa_zoo.explain.occlusion import compute_agreement, compute_occlusion

        drop_HW = compute_occlusion(scorer, score_map)
        agreement = compute_agreement(score_map, drop_HW)
        notes.append(
            f"Occlusion: the score changes by {-drop_HW.max():+.1f} to {-drop_HW.min():+.1f} where a region is covered with the mean "
            "colour. "
            + (
                "One of the two maps is constant: they cannot be compared."
                if agreement is None
                else f"Rank correlation with the map: {agreement:.2f} (1: the regions that score high carry the score)."
            )
        )
    data = scorer.meaning.data
    if args.output is not None:
        from iqa_zoo.explain.score_map_figure import draw_score_map
        from iqa_zoo.reports.plots import write_figure

        scale = data.score_range[1] - data.score_range[0]
        figure = draw_score_map(
            args.image.name,
            score_map,
            data.label.split(":")[0],
            scale,
            drop_HW=drop_HW,
            explanation=_explain_attention(scorer, args.image),
            notes=notes,
        )
        write_figure(figure, args.output)
    height, width = score_map.image_HWC.shape[:2]
    numbers: dict[str, Any] = {
        "image": str(args.image),
        "scores": scorer.meaning.to_dict(),
        "score": score_map.score.to_dict(),
        "height": height,
        "width": width,
        "size": score_map.size,
        "regions": [
            {"top": top, "left": left, **region.to_dict()}
            for (top, left), region in zip(score_map.boxes, score_map.regions, strict=True)
        ],
        "occlusion": None
        if drop_HW is None
        else {"most": drop_HW.max(), "least": drop_HW.min(), "agreement": agreement},
        "notes": notes,
    }
    written = [f"written to {args.output}"] if args.output is not None else []
    lines = [f"{args.image}: {data.label} {float(score_map.score):.4f} predicted", *notes, *written]
    show_result(args, numbers, lambda: print("\n".join(lines)))


def _explain_attention(scorer: Scorer, image: Any) -> ImageExplanation | None:
    """Explain the centre crop of an image; None for a model without blocks, which attends to nothing."""
    if not len(scorer.model.model.interactions):
        return None
    from iqa_zoo.explain.crop import read_crop
    from iqa_zoo.explain.image import explain_image

    crop = read_crop(image, scorer.model.model.spec.image_size)
    return explain_image(scorer.model, crop, scorer.meaning.crops)
