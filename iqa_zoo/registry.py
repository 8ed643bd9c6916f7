"""One registry per slot: the names of its parts, who provides each, and the class or function behind a name.

``type`` names a registered part and never an importable path. A duplicate name is an error that names both
owners. Parts are found by file name and imported one at a time, so that a broken one breaks only itself.

Parts come from three places: the files of this package (a slot is a folder, a part's name is its file's),
entry points of installed plugins (:mod:`iqa_zoo.plugins`), and the ``register_<slot>`` decorators in
code that has no package, such as a file of ``--import`` (:mod:`iqa_zoo.user_files`).
"""

import ast
import functools
import importlib
import inspect
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from iqa_zoo import plugins
from iqa_zoo.errors import PluginError, UnknownName, not_one_of
from iqa_zoo.user_files import import_named_files

T = TypeVar("T", bound=Callable[..., Any])
PACKAGE = Path(__file__).parent


class Component(NamedTuple):
    """One registered part: its slot, name, who brings it, and one sentence about it."""

    slot: str
    name: str
    origin: str
    summary: str


class BuiltIn(NamedTuple):
    module: str
    summary: str


@functools.cache
def _scan(folder: str, decorator: str, files: str) -> dict[str, BuiltIn]:
    """Names registered by the files of a folder, read from their source so that nothing is imported."""
    found: dict[str, BuiltIn] = {}
    for path in sorted((PACKAGE / folder).glob(files)):
        if path.stem.startswith("_"):
            continue
        module = ".".join(("iqa_zoo", *path.relative_to(PACKAGE).with_suffix("").parts))
        try:
            text = path.read_text(encoding="utf-8")
            if f"@{decorator}" not in text:
                continue
            tree = ast.parse(text)
        except (SyntaxError, UnicodeDecodeError) as error:
            found[path.stem] = BuiltIn(module, f"cannot be read: {error}")
            continue
        for node in tree.body:
            if not isinstance(node, ast.ClassDef | ast.FunctionDef):
                continue
            for call in node.decorator_list:
                named = isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id == decorator
                if named and call.args and isinstance(call.args[0], ast.Constant):  # type: ignore[attr-defined]
                    doc = ast.get_docstring(node) or ""
                    found[str(call.args[0].value)] = BuiltIn(module, doc.split("\n\n")[0].replace("\n", " "))  # type: ignore[attr-defined]
    return found


class PartRegistry:
    """The parts of one slot, by name.

    Args:
        slot: the config key, for example ``"head"``.
        folder: the folder of this package.
        decorator: the name of the ``register_<slot>`` function, which built-in files use.
        group: the entry-point group is ``iqa_zoo.<group>``; the folder's name where left out.
        files: which files of the folder register; a study is a folder with a file ``study.py``.

    Attributes:
        module_dict: the parts that have been registered so far, by name.
    """

    def __init__(self, slot: str, folder: str, decorator: str, group: str | None = None, files: str = "*.py"):
        self.module_dict: dict[str, Any] = {}
        self.files = files
        self.slot, self.folder, self.decorator, self.group = slot, folder, decorator, group or folder
        self.kind = decorator.removeprefix("register_")  # what messages call one of them

    def built_in(self) -> dict[str, BuiltIn]:
        return _scan(self.folder, self.decorator, self.files)

    def _claims(self, name: str) -> list[plugins.PluginPart]:
        return [part for part in plugins.installed_parts() if part.group == self.group and part.name == name]

    def names(self) -> list[str]:
        """Every name of the slot: built in, from plugins, registered in code. Imports no part but those of ``--import``."""
        import_named_files()
        claimed = {part.name for part in plugins.installed_parts() if part.group == self.group}
        return sorted({*self.built_in(), *claimed, *self.module_dict})

    def register(self, name: str) -> Callable[[T], T]:
        """Register a class or function under a name, where it is defined.

        Raises:
            ValueError: the name is taken; names both owners.
        """
        if not isinstance(name, str):
            raise ValueError(f"write @{self.decorator}(NAME) with a name for {name!r}")

        def keep(part: T) -> T:
            owner = f"{part.__module__}.{part.__qualname__}"
            held = self.built_in().get(name)
            if held and part.__module__ != held.module:
                raise ValueError(f"{self.kind} {name!r} is taken by {held.module}; {owner} needs another name")
            for claim in [] if held else self._claims(name):
                if claim.target.partition(":")[0].partition(".")[0] != part.__module__.partition(".")[0]:
                    raise ValueError(
                        f"{self.kind} {name!r} is taken by the plugin {claim.owner} ({claim.target}); "
                        f"{owner} needs another name"
                    )
            known = self.module_dict.get(name)
            if known is not None and f"{known.__module__}.{known.__qualname__}" != owner:
                taken = f"{known.__module__}.{known.__qualname__}"
                raise ValueError(f"{self.kind} {name!r} is taken by {taken}; {owner} needs another name")
            self.module_dict[name] = part
            return part

        return keep

    def get(self, key: str) -> Any:
        """Return the class or function registered under a name, importing it on demand.

        Raises:
            UnknownName: no such name; says the closest one and all.
            PluginError: a plugin's part that failed to load, or a name that two plugins claim.
        """
        if not isinstance(key, str):
            raise UnknownName(f"expected the name of one {self.kind}, a string, got {key!r}")
        import_named_files()
        claims = self._claims(key)
        if key in self.built_in():
            if claims:
                owners = ", ".join(part.owner for part in claims)
                warnings.warn(
                    f"{self.kind} {key!r} is built in and cannot be replaced; that of {owners} is ignored", stacklevel=2
                )
            importlib.import_module(self.built_in()[key].module)
            return self.module_dict[key]
        if len(claims) > 1:
            owners = " and ".join(f"{part.owner} ({part.target})" for part in claims)
            raise PluginError(
                f"{self.kind} {key!r} is claimed by {owners}; uninstall one, or switch it off with "
                f"IQA_ZOO_DISABLE_PLUGINS={claims[0].distribution}"
            )
        if key in self.module_dict:
            return self.module_dict[key]
        if claims:
            return plugins.load(claims[0])
        raise UnknownName(not_one_of(key, self.names(), self.kind))

    def build(self, cfg: Mapping[str, Any], **handed_down: object) -> Any:
        """Make the part ``cfg["type"]`` from its other keys and what is handed down to it.

        Raises:
            UnknownName, PluginError: as :meth:`get`.

        >>> HEADS.build({"type": "linear"}, dim=4).fc.in_features
        4
        """
        arguments = {key: value for key, value in cfg.items() if key != "type"}
        return self.get(cfg["type"])(**arguments, **handed_down)

    def origin(self, name: str) -> str:
        """Who brings a name: ``iqa_zoo``, a distribution with its version, or a module of the user."""
        if name in self.built_in():
            return "iqa_zoo"
        if claims := self._claims(name):  # before the code: a plugin may register its parts by decorator as well
            return " and ".join(part.owner for part in claims)
        return str(self.module_dict[name].__module__)

    def summary(self, name: str) -> str:
        if name in self.built_in():
            return self.built_in()[name].summary
        if claims := self._claims(name):
            return " / ".join(part.summary for part in claims)
        return inspect.cleandoc(self.module_dict[name].__doc__ or "").split("\n\n")[0].replace("\n", " ")

    def components(self) -> list[Component]:
        return [Component(self.slot, name, self.origin(name), self.summary(name)) for name in self.names()]


BACKBONES = PartRegistry("backbone", "backbones", "register_backbone")  # image_BCHW -> Features
QUERIES = PartRegistry("queries", "queries", "register_query")  # Features -> queries_BND
MEMORIES = PartRegistry("memory", "memories", "register_memory")  # Features -> memory_BLD
INTERACTIONS = PartRegistry("interactions", "interactions", "register_interaction")  # (queries, memory) -> queries
HEADS = PartRegistry("head", "heads", "register_head")  # queries_BND -> HeadOutput
LOSSES = PartRegistry("losses", "losses", "register_loss")  # (QualityOutput, mos_B) -> scalar
MODELS = PartRegistry("models", "models", "register_model")  # () -> a complete config dict
DATASETS = PartRegistry("datasets", "data", "register_dataset", group="datasets")  # root -> RatedImages
RELEASED = PartRegistry("released", "released", "register_released")  # () -> ReleasedSystem, of authors' checkpoints
RELEASED.kind = "released system"
STUDIES = PartRegistry("studies", "studies", "register_study", files="*/study.py")  # StudySpec -> StudyResult

# Slots of a model config, in the order in which data flows.
SLOTS = {r.slot: r for r in (BACKBONES, QUERIES, MEMORIES, INTERACTIONS, HEADS, LOSSES)}
REGISTRIES = {**SLOTS, MODELS.slot: MODELS, DATASETS.slot: DATASETS, RELEASED.slot: RELEASED, STUDIES.slot: STUDIES}

register_backbone = BACKBONES.register
register_query = QUERIES.register
register_memory = MEMORIES.register
register_interaction = INTERACTIONS.register
register_head = HEADS.register
register_loss = LOSSES.register
register_model = MODELS.register
register_dataset = DATASETS.register
register_released = RELEASED.register
register_study = STUDIES.register


def registry_of(slot: str) -> PartRegistry:
    """Return the registry of a slot, by its config key (``"head"``) or its folder (``"heads"``).

    Raises:
        UnknownName: no such slot.
    """
    for registry in REGISTRIES.values():
        if slot in (registry.slot, registry.group, registry.kind):
            return registry
    raise UnknownName(not_one_of(slot, REGISTRIES, "slot"))


def clashes(part: plugins.PluginPart) -> list[str]:
    """What keeps a plugin's name from being used: it is built in, or another plugin claims it."""
    if part.name in registry_of(part.group).built_in():
        return [f"ignored: {part.name!r} is built in and cannot be replaced"]
    others = [p for p in plugins.installed_parts() if (p.group, p.name) == (part.group, part.name) and p != part]
    return [f"cannot be used: {other.owner} claims the same name" for other in others]


def list_components(slot: str | None = None) -> list[Component]:
    """List the registered parts as (slot, name, origin, summary); imports neither torch nor any plugin.

    Args:
        slot: one slot of a model, or ``"datasets"``; all slots of a model where left out.

    >>> [part.name for part in list_components("head") if part.origin == "iqa_zoo"]
    ['cosine', 'ffn', 'linear', 'mlp', 'moe', 'patch_weighted', 'ridge']
    """
    registries = [registry_of(slot)] if slot else list(SLOTS.values())
    return [component for registry in registries for component in registry.components()]


def list_models(pattern: str | None = None) -> list[str]:
    """List the model names, all or those that match a shell pattern.

    >>> list_models("lifeiqa*")
    ['lifeiqa', 'lifeiqa_released', 'lifeiqa_small', 'lifeiqa_tiny']
    """
    from fnmatch import fnmatch

    return [name for name in MODELS.names() if pattern is None or fnmatch(name, pattern)]
