"""Which tunings are refused before any work, and which studies take one."""

import pytest

from iqa_zoo.errors import InputError
from iqa_zoo.registry import STUDIES
from iqa_zoo.studies.study import find_study, plan_study


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (dict(tune=0), "--tune is the number of trials of every decoder.*give 2 or more, got 0"),
        (dict(tune=-3), "give 2 or more, got -3"),
        (dict(tune=1), "the first with the default recipe; give 2 or more, got 1"),
        (dict(tune="many"), "--tune: expected int"),
        (dict(tune=2.5), "--tune: expected int"),
        (dict(tune_once=True), "--tune-once needs --tune N"),
        (dict(tune=4, protocol="end-to-end"), "leave it out with --protocol end-to-end"),
        (dict(tune=4, no_train=True), "and with --no-train"),
    ],
)
def test_a_tuning_that_cannot_be_is_refused(settings, message):
    with pytest.raises(InputError, match=message):
        plan_study("compare", ["lifeiqa_tiny"], data="demo", **settings)


@pytest.mark.parametrize("name", sorted(set(STUDIES.built_in()) - {"compare"}))
def test_a_study_that_does_not_tune_refuses_it(name, plan_command, capsys):
    study = find_study(name)
    assert not study.tunes
    models = ["lifeiqa_tiny", "deiqt"][: int(max(study.takes_models[0], min(1, study.takes_models[1])))]
    with pytest.raises(InputError, match=f"{name}: unknown setting 'tune'"):
        plan_study(name, models, tune=4)
    with pytest.raises(SystemExit):
        plan_command(name, *models, "--tune", 4)
    assert "unrecognized arguments: --tune" in capsys.readouterr().err


def test_a_kept_run_is_not_tuned(exit_code, capsys):
    assert exit_code("compare", "--from", "run", "--tune", 4) == 2
    assert "--tune trains, and --from prints a run that was kept" in capsys.readouterr().err


def test_tuning_changes_the_identity_of_a_study():
    plans = [plan_study("compare", ["lifeiqa_tiny"], data="demo", **more)
             for more in ({}, dict(tune=4), dict(tune=8), dict(tune=8, tune_once=True))]  # fmt: skip
    assert len({plan.identity() for plan in plans}) == 4
