"""What is sent to a hub for a trained model: the files that scoring needs, ``config.json`` and the card."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import iqa_zoo
from iqa_zoo.config_hash import config_hash
from iqa_zoo.data.demo import LICENCE as DEMO_LICENCE
from iqa_zoo.data.loading import find_release
from iqa_zoo.errors import CheckpointError, InputError, UnknownName
from iqa_zoo.hub import card
from iqa_zoo.hub.address import is_address
from iqa_zoo.hub.manifest import CARD, FILE, RUN, TRAINED, HubFile, Manifest
from iqa_zoo.inference.find_model import find_model
from iqa_zoo.inference.load import load
from iqa_zoo.inference.run import TrainedRun
from iqa_zoo.jsonio import to_json
from iqa_zoo.trained.card import format_card
from iqa_zoo.trained.entry import TrainedModel, check_file
from iqa_zoo.training.run_folder import RunFolder

# Of run.json: what others need. Paths of this computer and the arguments of the command stay here.
KEPT = ("format", "model", "model_hash", "recipe", "recipe_name", "data", "split", "seed", "selection", "peek",
        "initial_weights", "scale", "versions")  # fmt: skip
METRICS = {"srocc": ("spearmanr", "SROCC"), "plcc": ("pearsonr", "PLCC")}  # ours -> the hub's name, and ours in tables
PURPOSES = {
    CARD: "the card",
    FILE: "the model's config, and the SHA-256 of each file",
    "run.json": "data, recipe, scale of the labels; without the arguments and paths of the training",
    "split.json": "the names of the images of each part",
    "weights.safetensors": "the weights of the selected epoch",
}


@dataclass(frozen=True, eq=False)
class Package:
    """The files of a model for a hub.

    Attributes:
        source: the folder of the training, or the name of the trained model.
        manifest: the content of ``config.json``.
        contents: bytes or a path, by file; ``config.json`` and the card among them.
        card: the card.
    """

    source: str
    manifest: Manifest
    contents: Mapping[str, bytes | Path]
    card: str

    def list_files(self) -> list[tuple[str, int, str]]:
        """Return the name, the size in bytes and the purpose of each file."""
        sizes = {name: len(c) if isinstance(c, bytes) else c.stat().st_size for name, c in self.contents.items()}
        return [(name, size, PURPOSES.get(name, "the trained model")) for name, size in sizes.items()]


def make_package(
    name_or_run: str | Path, repository: str, *, licence: str | None = None, data_licence: str | None = None
) -> Package:
    """Collect what is sent of a trained model, after it was loaded.

    Args:
        name_or_run: folder of a training, or name of a trained model.
        repository: ``user/name``, for the card.
        licence: of the weights; that of the description where it is left out.
        data_licence: of the training data; that of the release where it is left out.

    Raises:
        UnknownName, CheckpointError: there is no such model, or it does not load.
        InputError: a licence is not known; says which option gives it.
    """
    if is_address(name_or_run):
        raise InputError(
            f"{name_or_run} is on a hub already; give the folder of a training or the name of a trained model"
        )
    found = find_model(name_or_run)
    if isinstance(found, TrainedModel):
        facts, contents = _describe_trained(found, licence, data_licence)
        kind, name, config = TRAINED, found.name, found.config
    else:
        facts, contents = _describe_run(found, licence, data_licence)
        kind, name, config = RUN, "", dict(found.model)
    load(name_or_run, "cpu")
    files = tuple(_make_file(each, content) for each, content in contents.items())
    manifest = Manifest(kind, name, config, files, iqa_zoo.__version__)
    text = card.format_card(facts, repository, files)
    own = {CARD: text.encode(), FILE: (to_json(manifest.to_dict(), indent=1) + "\n").encode()}
    return Package(str(name_or_run), manifest, {**own, **contents}, text)


def _describe_run(
    run: TrainedRun, licence: str | None, data_licence: str | None
) -> tuple[card.CardFacts, dict[str, bytes | Path]]:
    kept = RunFolder(run.folder)
    if not kept.weights.is_file():
        raise CheckpointError(
            f"{run.folder} has no weights yet: no epoch was finished; go on with iqa-zoo train --resume {run.folder}"
        )
    content = kept.read("run")
    arguments = content.get("arguments")
    pretrained = isinstance(arguments, Mapping) and bool(arguments.get("pretrained"))
    about = {key: content[key] for key in KEPT if key in content}
    if run.recipe_name is not None:
        about["recipe_name"] = Path(run.recipe_name).name
    contents: dict[str, bytes | Path] = {
        "run.json": (to_json(about, indent=1) + "\n").encode(),
        "weights.safetensors": kept.weights,
    }
    if (split := kept.path / "split.json").is_file():
        contents["split.json"] = split
    backbone = run.model["backbone"]
    name = str(backbone.get("name", backbone["type"]))
    weights, base = _describe_start(name, pretrained)
    facts = card.CardFacts(
        data=run.data,
        licence=_need(licence, run.folder, "the licence of the weights", "--licence ID, for example apache-2.0"),
        data_licence=_find_data_licence(run.data.name, run.folder, data_licence),
        base_model=base,
        results=_read_results(kept, run),
        rows=(
            ("trained on", f"{run.data.name}, split {run.split}"),
            ("labels", run.data.label),
            ("backbone", f"{name}{weights}"),
            ("config", run.model_hash),
            ("recipe", f"{about.get('recipe_name') or 'of its own'}, seed {run.seed}"),
            ("epoch chosen by", run.selection),
            ("score of an image", f"mean of {run.test_crops} crops at fixed positions, or the whole image"),
            ("written by", f"iqa_zoo {iqa_zoo.__version__}"),
        ),
    )
    return facts, contents


def _describe_trained(
    entry: TrainedModel, licence: str | None, data_licence: str | None
) -> tuple[card.CardFacts, dict[str, bytes | Path]]:
    measured = entry.measured
    part = f"held-out {measured.test_share:.0%} of {measured.images} images, mean of {measured.splits} random splits"
    body = [line for line in format_card(entry).splitlines() if not line.startswith(("<!--", "# "))]
    facts = card.CardFacts(
        data=entry.data,
        licence=_need(
            licence or entry.licences.get("weights"), entry.name, "the licence of the weights", "--licence ID"
        ),
        data_licence=_find_data_licence(
            entry.data.name, entry.name, data_licence or entry.licences.get("training data")
        ),
        base_model="",
        results=tuple(
            card.Result(*METRICS[key], estimate.mean, part)
            for key, estimate in (("srocc", measured.srocc), ("plcc", measured.plcc))
        ),
        rows=(
            ("trained model", entry.name),
            ("config", config_hash(entry.config)),
            ("written by", f"iqa_zoo {entry.version}"),
        ),
        text="\n".join(body).strip(),
    )
    tensors = check_file(entry)
    return facts, {f"{entry.name}.json": tensors.with_name(f"{entry.name}.json"), entry.file: tensors}


def _read_results(kept: RunFolder, run: TrainedRun) -> tuple[card.Result, ...]:
    """Read the metrics of the test part; none of a training that has not ended."""
    if not (kept.path / "result.json").is_file():
        return ()
    result = kept.read("result")
    part = f"test part of split {run.split}, {len(result.get('predictions', ()))} images"
    if run.selection == "test-oracle":
        part += ", which chose the epoch too: the numbers flatter it"
    metrics = result.get("metrics", {})
    return tuple(
        card.Result(*METRICS[key], metrics[key], part) for key in METRICS if isinstance(metrics.get(key), float)
    )


def _describe_start(name: str, pretrained: bool) -> tuple[str, str]:
    """Describe the weights that a backbone started from, and name their repository on the hub if they have one."""
    if not pretrained:
        return "", ""
    from iqa_zoo.packaged_weights import PACKAGED

    if name in PACKAGED:
        return f", from ImageNet weights of {PACKAGED[name].distribution} ({PACKAGED[name].licence})", ""
    import timm

    known = timm.get_pretrained_cfg(name) if timm.is_model(name.split(".")[0]) else None
    if known is None or not known.hf_hub_id:
        return ", from pretrained weights", ""
    repository = str(known.hf_hub_id).rstrip("/")
    if str(known.hf_hub_id).endswith("/"):  # timm writes the owner alone where the name is the model's
        repository += f"/{known.architecture}.{known.tag}" if known.tag else f"/{known.architecture}"
    return f", from weights of {repository} ({known.license or 'licence not stated'})", repository


def _find_data_licence(name: str, source: object, given: str | None) -> str:
    if given is None:
        try:
            release = find_release(name)
        except UnknownName:
            release = None
        given = release.licence if release is not None else DEMO_LICENCE if name == "demo" else None
    return _need(
        given, source, f"the licence of its data, {name!r},", '--data-licence TEXT, for example "own photographs, CC0"'
    )


def _need(text: str | None, source: object, what: str, option: str) -> str:
    if not (text and text.strip()):
        raise InputError(f"{source}: {what} is not known, and the card must name it; give {option}")
    return text.strip()


def _make_file(name: str, content: bytes | Path) -> HubFile:
    if isinstance(content, Path):
        with content.open("rb") as file:
            return HubFile(name, content.stat().st_size, hashlib.file_digest(file, "sha256").hexdigest())
    return HubFile(name, len(content), hashlib.sha256(content).hexdigest())
