"""``iqa-zoo export``: a trained model as one file that other programs run."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from iqa_zoo.commands.hub_run import fetch_run, parse_run
from iqa_zoo.commands.progress import progress_bar
from iqa_zoo.commands.shared import add_crops_option, add_json_option, parse_path, show_result
from iqa_zoo.data.listing import gather_images
from iqa_zoo.outputs import check_writable

if TYPE_CHECKING:
    from iqa_zoo.inference.export.export import Exported

EXAMPLES = """\
examples:
  iqa-zoo export mlp_lite0.livec -o model.onnx      a model that comes with the package
  iqa-zoo export run -o model.pt2                   a training of your own, for torch.export.load
  iqa-zoo export run -o model.onnx --images photos  compared with the scorer on images of your own
  iqa-zoo export hf://user/name -o model.onnx       a model of a hub
  python examples/score_onnx.py model.onnx a.jpg    scores with onnxruntime, numpy and Pillow only
"""


def add(commands: Any) -> None:
    parser = commands.add_parser(
        "export",
        help="write a trained model as an ONNX or torch.export file",
        description="Write a trained model as one file from pixels to scores. It takes image, uint8 RGB (batch, height, width, 3) "
        "of any size, and gives score (batch) on the scale of the ratings: the resize, the crops, the normalisation and the "
        "scale are inside. The file is run and compared with the scorer; the differences are written into it with the card. A "
        "file with other scores is not written. ONNX needs pip install 'iqa-zoo[export]'.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "trained",
        metavar="MODEL",
        type=parse_run,
        help="name of a trained model, the folder of a training, or hf://user/name@revision",
    )
    parser.add_argument(
        "-o",
        "--output",
        metavar="FILE",
        type=parse_path,
        required=True,
        help="a file that ends in .onnx or .pt2; an existing one is replaced",
    )
    parser.add_argument(
        "--images",
        metavar="IMAGE|FOLDER",
        nargs="+",
        type=parse_path,
        help="compare on these images (default: photographs of scikit-image)",
    )
    add_crops_option(parser)
    add_json_option(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    from iqa_zoo.inference.export.formats import check_format
    from iqa_zoo.inference.find_model import find_model

    check_format(args.output)
    check_writable(args.output)
    images = gather_images(args.images, False).paths if args.images else None
    trained = fetch_run(args.trained)
    find_model(trained)  # before torch is imported
    from iqa_zoo.inference.export.export import export

    with progress_bar("comparing") as progress:
        exported = export(trained, args.output, crops=args.crops, images=images, progress=progress)
    show_result(args, exported.to_dict(), lambda: _print(exported))
    return 0


def _print(exported: Exported) -> None:
    print(f"{exported.file}: {exported.bytes / 1e6:.1f} MB, SHA-256 {exported.sha256[:12]}")
    print(f"takes {exported.metadata['iqa_zoo.input']}")
    print(f"gives {exported.metadata['iqa_zoo.output']}: {exported.metadata['iqa_zoo.scale']}")
    print(f"differences from the scorer, {exported.parity.describe()}")
    print(exported.metadata["iqa_zoo.signature"])
