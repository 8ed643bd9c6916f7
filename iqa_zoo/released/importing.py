"""Build a model from a checkpoint of the authors' own code.

One table of names and one reader of sizes per system. The model is built from the sizes and its state dict is
filled by name, so that an unknown or a missing key cannot pass.
"""

from collections.abc import Mapping

from torch import Tensor

from iqa_zoo.build import build_model
from iqa_zoo.errors import CheckpointError
from iqa_zoo.quality_model import QualityModel
from iqa_zoo.registry import RELEASED
from iqa_zoo.released.system import ReleasedSystem
from iqa_zoo.state_dicts import plain_state_dict, shorten, without_prefixes
from iqa_zoo.weights import check_values

# Constants that older timm versions kept in the state dict and newer ones compute.
RECOMPUTED = (".relative_position_index", ".attn_mask")


def import_released(system: str, state_dict: Mapping[str, Tensor]) -> QualityModel:
    """Return the model that a released checkpoint belongs to, with its weights, in eval mode.

    Sizes (experts, depth, widths, the backbone's) are read from the shapes. The number of attention heads does not
    show in a shape and is the released code's: 6 in the decoder, 64 channels a head in DeiT III.

    Args:
        system: ``"lifeiqa"``, ``"deiqt"``, or what an installed plugin adds.
        state_dict: the authors' own names and tensors, or a checkpoint that holds them
            (:func:`iqa_zoo.state_dicts.plain_state_dict`); a prefix of all names is taken off.

    Raises:
        UnknownName: no importer of that name.
        PluginError: a plugin's importer that cannot be used.
        CheckpointError: keys that are missing, unknown or of a wrong shape; all are listed. Or integers (a quantized
            checkpoint) or values that are not finite; names the tensor.
    """
    released: ReleasedSystem = RELEASED.get(system)()
    given = plain_state_dict(state_dict, f"the {system} checkpoint")
    lacking: KeyError | None = None
    for variant in without_prefixes(given):
        state = {
            name: value
            for name, value in variant.items()
            if not name.endswith(RECOMPUTED) and not released.left_out(name)
        }
        try:
            state = released.prepared(state)
            shapes = {name: tuple(value.shape) for name, value in state.items()}
            cfg = released.config(shapes)
            break
        except KeyError as error:
            lacking = lacking or error
    else:
        assert lacking is not None
        raise CheckpointError(
            f"not a checkpoint of {system}: {lacking.args[0]!r}, from which its sizes are read, is missing. "
            f"It holds {shorten(given, 6)}"
        ) from lacking
    model = build_model(cfg)
    own = {name: released.name(name) for name in model.state_dict()}
    problems = []
    if missing := set(own.values()) - set(state):
        problems.append(f"missing: {shorten(missing, 40)}")
    if unknown := set(state) - set(own.values()):
        problems.append(f"unknown: {shorten(unknown, 40)}")
    expected = {name: tuple(value.shape) for name, value in model.state_dict().items()}
    for name, theirs in own.items():
        if theirs in state and _squeezed(shapes[theirs]) != _squeezed(expected[name]):
            problems.append(f"{theirs} is {shapes[theirs]}, expected {expected[name]}")
    if problems:
        raise CheckpointError(f"the checkpoint does not fit {system}:\n  - " + "\n  - ".join(problems))
    values = {name: state[theirs].view(expected[name]) for name, theirs in own.items()}
    check_values(model, values, f"the {system} checkpoint", own)
    model.load_state_dict(values)
    return model.eval()


def _squeezed(shape: tuple[int, ...]) -> tuple[int, ...]:
    """A shape without a 1x1 convolution's kernel dimensions."""
    return shape[:2] if len(shape) == 4 and shape[2:] == (1, 1) else shape
