"""Log scalars of a training in the run's folder and with experiment trackers, through mmengine's backends."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from typing import Any

from mmengine.visualization import Visualizer

from iqa_zoo.errors import InputError, not_one_of

# mmengine's backend by the name that --track takes. All but the first need a package of their own.
TRACKERS = {
    "tensorboard": "TensorboardVisBackend",
    "wandb": "WandbVisBackend",
    "mlflow": "MLflowVisBackend",
    "clearml": "ClearMLVisBackend",
    "neptune": "NeptuneVisBackend",
    "dvclive": "DVCLiveVisBackend",
    "aim": "AimVisBackend",
}
_PACKAGES = {"dvclive": ("dvclive", "pygit2")}  # where the package is not named like the tracker


class ScalarLog(Visualizer):
    """Log scalars; a backend that fails is dropped and the training continues.

    Attributes:
        problems: one line for each dropped backend.
    """

    def __init__(self, name: str = "log", **settings: Any):  # mmengine needs the name in the signature
        super().__init__(name, **settings)
        self.problems: list[str] = []

    def add_scalars(self, scalar_dict: dict[str, Any], step: int = 0, file_path: str | None = None) -> None:
        self._call("add_scalars", scalar_dict, step, file_path)

    def close(self) -> None:
        self._call("close")

    def _call(self, method: str, *arguments: Any) -> None:
        for name, backend in list(self._vis_backends.items()):
            try:
                getattr(backend, method)(*arguments)
            except Exception as error:  # a tracker can fail in any way, and no log is worth a training
                del self._vis_backends[name]
                self.problems.append(f"the log of {name} ended early: {error}")


def make_log_settings(trackers: Sequence[str]) -> dict[str, Any]:
    """Return the Runner's ``visualizer``: it logs in the run's folder and with trackers, named as in ``TRACKERS``."""
    backends = [dict(type="LocalVisBackend"), *(dict(type=TRACKERS[name]) for name in trackers)]
    return dict(type=ScalarLog, vis_backends=backends)


def check_trackers(trackers: Sequence[str]) -> None:
    """Check that trackers exist and that their packages are installed.

    Raises:
        InputError: names the tracker, and the package to install.
    """
    for tracker in trackers:
        if tracker not in TRACKERS:
            raise InputError(not_one_of(tracker, TRACKERS, "tracker"))
        packages = _PACKAGES.get(tracker, (tracker,))
        if not all(map(find_spec, packages)):
            raise InputError(f"the tracker {tracker!r} needs a package: pip install {' '.join(packages)}")
