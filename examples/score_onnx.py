"""Score images with a model that iqa-zoo exported to ONNX. Needs onnxruntime, numpy and Pillow only.

iqa-zoo export mlp_lite0.livec -o model.onnx
python score_onnx.py model.onnx photo.jpg another.png
"""

import argparse
import json

import numpy as np
import onnxruntime
from PIL import Image, ImageOps


def read_image(path):
    """Read an image as RGB, uint8 (height, width, 3): turned as EXIF says, transparency over white."""
    with Image.open(path) as file:
        image = ImageOps.exif_transpose(file)
    if image.has_transparency_data:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return np.asarray(image.convert("RGB"))


def load_model(path):
    """Return a function from an image to its score, and the metadata of the file."""
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    metadata = session.get_modelmeta().custom_metadata_map

    def score(image_HWC):
        (score_B,) = session.run(["score"], {"image": image_HWC[None]})  # images of one size may be scored as a batch
        return float(score_B[0])

    return score, metadata


def main():
    parser = argparse.ArgumentParser(description="Score images with an exported model.")
    parser.add_argument("model", help="a file of iqa-zoo export that ends in .onnx")
    parser.add_argument("images", nargs="+", help="image files that Pillow opens, of any size, with 8 bits a channel")
    parser.add_argument("--json", action="store_true", help="print JSON")
    args = parser.parse_args()
    score, metadata = load_model(args.model)
    scores = {path: score(read_image(path)) for path in args.images}
    if args.json:
        print(json.dumps({"scale": metadata["iqa_zoo.scale"], "scores": scores}, indent=1))
        return
    print(metadata["iqa_zoo.scale"])
    for path, value in scores.items():
        print(f"{value:8.2f}  {path}")
    print(metadata["iqa_zoo.signature"])


if __name__ == "__main__":
    main()
