"""Make a trained model with a name, and its description: python benchmarks/train_box.py NAME MODEL [options]

The models that come with the package are made by:

python benchmarks/train_box.py ridge_lite0.livec ridge_baseline
python benchmarks/train_box.py mlp_lite0.livec pooled_mlp --recipe-set epochs=40 lr=1e-3 batch_size=32 weight_decay=0.01

The decoder of MODEL is trained on the features of the box (or of the photographs, with --root). First the procedure is tested: on
each split a decoder is trained on 80 % of the photographs and predicts the others. These held-out predictions give the quality and
the calibration in the description. Then the decoder is trained on all photographs, to the last epoch, and written. Nothing is
selected on test images: choose the settings on validation parts before (iqa-zoo compare).
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import fields
from pathlib import Path

import numpy as np

from iqa_zoo.build import build_backbone
from iqa_zoo.commands.dataset_options import add_dataset_options, load_dataset
from iqa_zoo.commands.shared import add_set_option, load_model, parse_count, parse_path, parse_seed
from iqa_zoo.config import resolve_config
from iqa_zoo.data.look_alikes import group_look_alikes, hash_images
from iqa_zoo.data.splits import make_splits
from iqa_zoo.errors import UnknownName, not_one_of
from iqa_zoo.packaged_weights import PACKAGED
from iqa_zoo.placing import make_backbone_config
from iqa_zoo.trained.entry import TrainedModel
from iqa_zoo.trained.make import Release, write_trained
from iqa_zoo.trained.names import FOLDER
from iqa_zoo.training.frozen.boxed_bank import unpack_box
from iqa_zoo.training.frozen.extraction import extract_features
from iqa_zoo.training.recipe import FrozenRecipe

BACKBONE = "tf_efficientnet_lite0"


def make_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", metavar="NAME", help="architecture.tag")
    parser.add_argument("model", metavar="MODEL", help="a model of the zoo, or a .yaml or .json file")
    add_set_option(parser)
    add_set_option(parser, "--recipe-set", "values of the frozen recipe (iqa_zoo.training.recipe.FrozenRecipe)")
    add_dataset_options(parser, "--data", default="livec")
    parser.add_argument("--splits", type=parse_count, default=10, help="to test the procedure on (default: 10)")
    parser.add_argument("--seed", type=parse_seed, default=0, help="of the trainings and the splits (default: 0)")
    parser.add_argument("--out", type=parse_path, default=FOLDER, help="folder of the files (default: the package)")
    return parser


def make_recipe(overrides: dict[str, object]) -> FrozenRecipe:
    """Return the frozen recipe with some values replaced, in single precision, as scores are computed."""
    known = [each.name for each in fields(FrozenRecipe)]
    for key in overrides:
        if key not in known:
            raise UnknownName(not_one_of(key, known, "key of the recipe"))
    return FrozenRecipe(**{"precision": "float32", **overrides})


def make(args: argparse.Namespace) -> TrainedModel:
    """Test, train and write the model that the arguments describe."""
    cfg = load_model(args.model, args.set)
    cfg["backbone"] = make_backbone_config(BACKBONE, [cfg], view="whole")
    recipe = make_recipe(dict(args.recipe_set))
    data = load_dataset(args)
    backbone = build_backbone(cfg, pretrained=True).eval()
    config = resolve_config(cfg)["backbone"]
    if data.box is not None:
        bank = unpack_box(backbone, config, data)
    else:
        bank = extract_features(backbone, config, data, crops=1)
    weights = PACKAGED[BACKBONE]
    release = Release(
        name=args.name,
        cfg=cfg,
        recipe=recipe,
        seed=args.seed,
        licences={
            "code": "Apache-2.0",
            "weights": f"Apache-2.0 (the decoder; the backbone, {weights.distribution}: {weights.licence})",
            "training data": data.licence,
        },
    )
    splits = make_splits(data, args.splits, seed=args.seed, groups=group_look_alikes(data).groups)
    return write_trained(
        release,
        bank,
        data,
        splits,
        hashes_NB=np.packbits(hash_images(data), axis=1),
        folder=Path(args.out),
        progress=lambda done, total: print(f"{done} of {total} trainings", file=sys.stderr, flush=True),
    )


def main() -> int:
    entry = make(make_parser().parse_args())
    measured = entry.measured
    print(
        f"{entry.name}: SROCC {measured.srocc.mean:.4f} [{measured.srocc.low:.4f}, {measured.srocc.high:.4f}], median "
        f"{measured.srocc_median:.4f}; PLCC {measured.plcc.mean:.4f} [{measured.plcc.low:.4f}, {measured.plcc.high:.4f}], median "
        f"{measured.plcc_median:.4f}; coverage {measured.coverage:.3f} of {entry.calibration.coverage:.2f}; "
        f"{entry.bytes / 1e6:.2f} MB; {entry.milliseconds:.0f} ms ({entry.speed_of})"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
