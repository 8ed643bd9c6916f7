import numpy as np
import pytest

from iqa_zoo.data import koniq10k as module
from iqa_zoo.data.koniq10k import koniq10k
from iqa_zoo.errors import InputError

NAMES = ("10004473376.jpg", "10007357496.jpg", "10007903636.jpg")
SCORES = """"image_name","c1","c2","c3","c4","c5","c_total","MOS","SD","MOS_zscore"
"10004473376.jpg",0,0,25,73,7,105,3.828,0.5,70.64
"10007357496.jpg",0,3,45,47,1,96,3.479,0.6,61.23
"10007903636.jpg",1,0,20,73,2,96,3.78,0.55,68.75
"""
SETS = """image_name,c1,c2,c3,c4,c5,c_total,MOS,SD,set
10004473376.jpg,0,0,25,73,7,105,70.64,10,training
10007357496.jpg,0,3,45,47,1,96,61.23,11,validation
10007903636.jpg,1,0,20,73,2,96,68.75,12,test
"""


@pytest.fixture
def root(tmp_path, draw, expect):
    expect(module, images=3)
    draw(tmp_path, *(f"1024x768/{name}" for name in NAMES))
    (tmp_path / "koniq10k_scores_and_distributions.csv").write_text(SCORES)
    return tmp_path


def test_official_layout_without_a_split(root):
    data = koniq10k(root)
    assert data.names == NAMES
    assert data.mos.tolist() == [70.64, 61.23, 68.75]
    assert data.official_split is None
    # The deviations of the raw ratings: 25 x 3, 73 x 4, 7 x 5, and so on.
    raw = [np.std(np.repeat(range(1, 6), c), ddof=1) for c in ((0, 0, 25, 73, 7), (0, 3, 45, 47, 1), (1, 0, 20, 73, 2))]
    means = [np.average(range(1, 6), weights=c) for c in ((0, 0, 25, 73, 7), (0, 3, 45, 47, 1), (1, 0, 20, 73, 2))]
    slope = np.polyfit(means, data.mos, 1)[0]
    assert raw[0] == pytest.approx(0.5273, abs=1e-4)
    assert data.deviations == pytest.approx(slope * np.array(raw))
    assert data.ratings.tolist() == [105, 96, 96]
    assert data.ratings_note == ""
    assert data.higher_is_better


def test_official_split(root):
    (root / "koniq10k_distributions_sets.csv").write_text(SETS)
    data = koniq10k(root)
    assert data.mos.tolist() == [70.64, 61.23, 68.75]
    assert data.official_split == ("train", "validation", "test")
    assert data.ratings.tolist() == [105, 96, 96]


def test_shares_of_ratings_give_the_deviations_of_their_numbers(root):
    counted = koniq10k(root).deviations
    lines = SCORES.splitlines()
    for i, line in enumerate(lines[1:], 1):
        cells = line.split(",")
        lines[i] = ",".join([cells[0], *(repr(int(cell) / int(cells[6])) for cell in cells[1:6]), *cells[6:]])
    (root / "koniq10k_scores_and_distributions.csv").write_text("\n".join(lines))
    assert koniq10k(root).deviations == pytest.approx(counted)


def test_without_numbers_of_ratings_there_are_no_deviations(root):
    scores = "image_name,MOS_zscore\n" + "\n".join(f"{name},{50 + i}" for i, name in enumerate(NAMES))
    (root / "koniq10k_scores_and_distributions.csv").write_text(scores)
    data = koniq10k(root)
    assert data.mos.tolist() == [50, 51, 52]
    assert data.deviations is data.ratings is None


def test_numbers_of_ratings_that_cannot_be_are_refused(root):
    file = root / "koniq10k_scores_and_distributions.csv"
    file.write_text(SCORES.replace("0,0,25,73,7,105", "0,0,0,0,0,105"))
    with pytest.raises(InputError, match="line 2: c1 to c5 and c_total are no numbers of ratings"):
        koniq10k(root)
    file.write_text(SCORES.replace(",105,", ",1,"))
    with pytest.raises(InputError, match="line 2: c1 to c5 and c_total are no numbers of ratings"):
        koniq10k(root)


def test_the_smaller_images_can_be_chosen(root, draw):
    draw(root, *(f"512x384/{name}" for name in NAMES))
    assert {path.parent.name for path in koniq10k(root).paths} == {"1024x768"}
    small = koniq10k(root, folder="512x384")
    assert {path.parent.name for path in small.paths} == {"512x384"}
    assert small.names == NAMES


def test_what_is_wrong_is_named(root):
    (root / "koniq10k_distributions_sets.csv").write_text(SETS.replace("test", "tset"))
    with pytest.raises(InputError, match=r"10007903636\.jpg is in set 'tset'; known: training, validation, test"):
        koniq10k(root)
    (root / "1024x768" / NAMES[0]).unlink()
    (root / "koniq10k_distributions_sets.csv").unlink()
    with pytest.raises(InputError, match=r"1 of 3 images are missing: .*10004473376\.jpg"):
        koniq10k(root)
