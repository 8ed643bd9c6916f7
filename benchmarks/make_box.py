"""Make the features of LIVEC that come with the package: python benchmarks/make_box.py LIVEC_FOLDER [--out FOLDER]

Every photograph goes alone through the backbone, in float32 on one thread, so that the files have the same bytes each time on
one kind of machine (about three minutes). No pixel is kept.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path

import numpy as np
import torch
from safetensors.numpy import save_file

from iqa_zoo.build import build_backbone
from iqa_zoo.contracts import spec_of
from iqa_zoo.data.boxed import FOLDER, quantize
from iqa_zoo.data.decoded import normalise
from iqa_zoo.data.duplicates import compute_perceptual_hash
from iqa_zoo.data.images import read_image
from iqa_zoo.data.livec import livec
from iqa_zoo.data.views import load_views
from iqa_zoo.identity import identify_file, identify_weights
from iqa_zoo.packaged_weights import describe_packaged

BACKBONE = dict(type="timm_cells", name="tf_efficientnet_lite0", stages=[3, 4], cells=6)
NOTICE = ("COPYRIGHT NOTICE STARTS", "COPYRIGHT NOTICE ENDS")  # lines of the README of the release


def read_notice(root: Path) -> str:
    """Read the copyright notice out of the README of the release."""
    lines = (root / "README_original_ChallengeDB.txt").read_text(encoding="utf-8", errors="replace").splitlines()
    start, end = (next(i for i, line in enumerate(lines) if mark in line) for mark in NOTICE)
    return "\n".join(line.rstrip() for line in lines[start : end + 1]) + "\n"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("root", type=Path, help="the folder of LIVEC, with Images/ and Data/")
    parser.add_argument(
        "--out", type=Path, default=FOLDER, help="where the files are written (default: in the package)"
    )
    args = parser.parse_args()
    torch.set_num_threads(1)
    data = livec(args.root)
    assert data.deviations is not None, "the release has deviations"
    backbone = build_backbone({"backbone": BACKBONE}, pretrained=True).eval()
    spec = spec_of(backbone)
    weights_hash = identify_weights(backbone)
    backbone.to(memory_format=torch.channels_last)
    maps: dict[int, list[np.ndarray]] = {stage: [] for stage in spec.stages}
    images = []
    for i, (name, path) in enumerate(zip(data.names, data.paths, strict=True)):
        with torch.inference_mode():
            image_BCHW = torch.from_numpy(load_views(path, spec, 1)).permute(0, 3, 1, 2)
            features = backbone(normalise(image_BCHW, spec.mean, spec.std))
        for stage, map_BCHW in features.maps.items():
            maps[stage].append(map_BCHW[0].permute(1, 2, 0).contiguous().numpy())
        images.append(
            {
                "name": name,
                "mos": float(data.mos[i]),
                "deviation": float(data.deviations[i]),
                "sha256": identify_file(path),
                "hash": np.packbits(compute_perceptual_hash(read_image(path))).tobytes().hex(),
            }
        )
        if sys.stderr.isatty():
            print(f"\r{i + 1} of {len(data)}", end="", file=sys.stderr)
    tensors = {}
    for stage, each in maps.items():
        tensors[f"map{stage}"], tensors[f"scale{stage}"], tensors[f"offset{stage}"] = quantize(np.stack(each))
    args.out.mkdir(parents=True, exist_ok=True)
    features_file = args.out / "livec.safetensors"
    save_file(tensors, features_file)
    os.chmod(features_file, 0o644)
    head = {
        "backbone": BACKBONE,
        "weights": describe_packaged(BACKBONE["name"]),
        "weights_hash": weights_hash,
        "features": features_file.name,
        "sha256": identify_file(features_file),
    }
    lines = ",\n".join(json.dumps(image) for image in images)
    text = json.dumps(head, indent=1).removesuffix("\n}") + f',\n "images": [\n{lines}\n ]\n}}\n'
    (args.out / "livec.json").write_text(text, encoding="utf-8")
    (args.out / "livec_notice.txt").write_text(read_notice(args.root), encoding="utf-8")
    for file in sorted(args.out.glob("livec*")):
        print(f"{file.name}: {file.stat().st_size:,} bytes, SHA-256 {identify_file(file)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
