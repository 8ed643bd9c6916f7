from iqa_zoo.data.boxed import read_box
from iqa_zoo.data.livec import RELEASE


def test_the_notice_is_the_part_between_its_marks(load_script, tmp_path):
    lines = [
        "readme",
        "---COPYRIGHT NOTICE STARTS WITH THIS LINE---",
        "free  ",
        "---COPYRIGHT NOTICE ENDS WITH THIS LINE---",
        "contact",
    ]
    (tmp_path / "README_original_ChallengeDB.txt").write_text("\n".join(lines))
    assert load_script("make_box").read_notice(tmp_path).splitlines() == [lines[1], "free", lines[3]]


def test_the_box_is_of_the_backbone_of_the_script(load_script):
    assert read_box(RELEASE.box).backbone == load_script("make_box").BACKBONE
