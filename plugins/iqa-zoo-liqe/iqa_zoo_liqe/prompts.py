"""LIQE's prompts, and the numbers that CLIP's tokenizer gives their words."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import product
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from iqa_zoo.errors import PartError, closest

QUALITIES = ("bad", "poor", "fair", "good", "perfect")
SCENES = ("animal", "cityscape", "human", "indoor", "landscape", "night", "plant", "still_life", "others")
DISTORTIONS = (
    "jpeg2000 compression",
    "jpeg compression",
    "noise",
    "blur",
    "color",
    "contrast",
    "overexposure",
    "underexposure",
    "spatial",
    "quantization",
    "other",
)
VOCABULARY = 49408  # tokens of CLIP's byte pair encoding
START, END = 49406, 49407
CONTEXT = 77  # tokens that a text may have, for as many positions are learned

# What CLIP's byte pair encoding makes of the words above and of those between them.
TOKENS: dict[str, tuple[int, ...]] = {
    ",": (267,),
    "a": (320,),
    "animal": (4668,),
    "artifacts": (30249,),
    "bad": (2103,),
    "blur": (27976,),
    "cityscape": (40808,),
    "color": (3140,),
    "compression": (25638,),
    "contrast": (18501,),
    "fair": (2849,),
    "good": (886,),
    "human": (2751,),
    "indoor": (9546,),
    "is": (533,),
    "jpeg": (73, 11207),
    "jpeg2000": (73, 11207, 273, 271, 271, 271),
    "landscape": (5727,),
    "night": (930,),
    "noise": (9307,),
    "of": (539,),
    "other": (1010,),
    "others": (3326,),
    "overexposure": (8649, 13002, 35539),
    "perfect": (1878,),
    "photo": (1125,),
    "plant": (3912,),
    "poor": (3665,),
    "quality": (3027,),
    "quantization": (31540, 3683),
    "spatial": (22022,),
    "still_life": (1170, 318, 970),
    "underexposure": (21675, 87, 35539),
    "which": (1448,),
    "with": (593,),
}


def joint_prompts(qualities: Sequence[str], scenes: Sequence[str], distortions: Sequence[str]) -> list[str]:
    """Return a prompt for every combination, the quality changing slowest and the distortion fastest.

    >>> joint_prompts(["bad", "good"], ["animal"], ["blur"])[0]
    'a photo of a animal with blur artifacts, which is of bad quality'
    """
    return [
        f"a photo of a {scene} with {distortion} artifacts, which is of {quality} quality"
        for quality, scene, distortion in product(qualities, scenes, distortions)
    ]


def tokenise(prompts: Sequence[str]) -> list[list[int]]:
    """Return the tokens of each prompt, with its start and its end.

    Raises:
        PartError: a word whose tokens are not in the table, as it holds those of LIQE's prompts only; or too many tokens.

    >>> tokenise(["a photo", "a photo of night"])
    [[49406, 320, 1125, 49407], [49406, 320, 1125, 539, 930, 49407]]
    """
    rows = []
    for prompt in prompts:
        words = re.findall(r"[^\s,]+|,", prompt)
        if unknown := [word for word in words if word not in TOKENS]:
            raise PartError(
                f"no tokens for the word {unknown[0]!r}{closest(unknown[0], TOKENS)}; "
                f"known words: {', '.join(sorted(TOKENS))}"
            )
        row = [START, *(token for word in words for token in TOKENS[word]), END]
        if len(row) > CONTEXT:
            raise PartError(f"{prompt!r} has {len(row)} tokens, and CLIP takes {CONTEXT}; shorten it")
        rows.append(row)
    return rows


class TextTree(NamedTuple):
    """P texts as a tree of T tokens, in which those that begin alike share their beginning.

    Attributes:
        tokens_T: the tokens.
        positions_T: where in its text each stands, from 0.
        sees_TT: whether a token (row) attends to another: to itself and to those before it in its text.
        ends_P: the last token of each text.
    """

    tokens_T: Tensor
    positions_T: Tensor
    sees_TT: Tensor
    ends_P: Tensor


def text_tree(rows: Sequence[Sequence[int]]) -> TextTree:
    """Return the tree of these texts. LIQE's 495 are one of 2,203 tokens, where CLIP's rows of 77 are 38,115.

    >>> tree = text_tree([[5, 7], [5, 8]])
    >>> tree.tokens_T.tolist(), tree.positions_T.tolist(), tree.ends_P.tolist()
    ([5, 7, 8], [0, 1, 1], [1, 2])
    """
    nodes: dict[tuple[int, ...], int] = {}  # the beginning of a text, up to a token -> that token
    for row in rows:
        for length in range(1, len(row) + 1):
            nodes.setdefault(tuple(row[:length]), len(nodes))
    sees_TT = np.zeros((len(nodes), len(nodes)), dtype=bool)
    for beginning, node in nodes.items():
        sees_TT[node, [nodes[beginning[: i + 1]] for i in range(len(beginning))]] = True
    return TextTree(
        tokens_T=torch.tensor([beginning[-1] for beginning in nodes]),
        positions_T=torch.tensor([len(beginning) - 1 for beginning in nodes]),
        sees_TT=torch.tensor(sees_TT),
        ends_P=torch.tensor([nodes[tuple(row)] for row in rows]),
    )
