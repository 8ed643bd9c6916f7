"""Kind C: input that is cut or passed over without a word, in label files and in matching names to files."""

import os
import unicodedata

import openpyxl
import pytest
from PIL import Image

from iqa_zoo.data.agiqa3k import agiqa3k
from iqa_zoo.data.csiq import csiq
from iqa_zoo.data.kadid10k import kadid10k
from iqa_zoo.data.koniq10k import koniq10k
from iqa_zoo.data.koniqpp import koniqpp
from iqa_zoo.data.pipal import pipal
from iqa_zoo.data.spaq import spaq
from iqa_zoo.data.table import table
from iqa_zoo.data.tid2013 import tid2013
from iqa_zoo.errors import InputError


def draw(root, *names):
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (8, 8)).save(root / name)


@pytest.fixture
def root(tmp_path):
    draw(tmp_path, "000.png", "001.png", "002.png")
    return tmp_path


def write_and_read(root, text, **options):
    (root / "s.csv").write_text(text, encoding="utf-8")
    return table(root, **options)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("image,mos\n000.png,1,7\n001.png,2\n", r"s\.csv, line 2: 3 values under 2 columns.*decimals with a point"),
        ("image,mos,\n000.png,1,7\n001.png,2,\n", r"s\.csv, line 2: 3 values under 2 columns"),
        ("image,mos,,\n\n000.png,1,7,\n", r"s\.csv, line 3: 4 values under 2 columns"),
        ("image,mos\n000.png\n", r"s\.csv, line 2: 1 values under 2 columns"),
        ("image,mos,mos\n000.png,1,2\n", r"s\.csv has the column 'mos' twice"),
        ("image,mos,note,note\n000.png,1,a,b\n", r"s\.csv has the column 'note' twice"),
        ("image,MOS,Mos\n000.png,1,2\n", r"s\.csv has the columns MOS and Mos; which is 'mos'"),
        ("image,mos,Split,SPLIT\n000.png,1,test,train\n", r"has the columns Split and SPLIT; which is 'split'"),
        ('image,mos\n000.png,"1,7"\n001.png,2\n', r"line 2: the score of 000\.png is '1,7', not a number; write 1\.7"),
        ("image;mos\n000.png;1,7\n001.png;2,5\n", r"line 2: the score of 000\.png is '1,7', not a number; write 1\.7"),
        ("image,mos\n000.png,1_7\n001.png,2\n", r"line 2: the score of 000\.png is '1_7', not a number"),
        ("image,mos\n000.png,٣\n001.png,2\n", r"line 2: the score of 000\.png is '٣', not a number"),
        ("image,mos\n000.png,inf\n001.png,2\n", r"line 2: the score of 000\.png is 'inf', not a number"),
        ("image,mos\n000.png,1e999\n001.png,2\n", r"line 2: the score of 000\.png is '1e999', not a number"),
        ("image,mos\n000.png,n/a\n001.png,2\n", r"line 2: the score of 000\.png is 'n/a', not a number"),
        ("image,mos\n000.png,\n001.png,2\n", r"line 2: the score of 000\.png is empty; fill it in"),
        ('image,mos\n"000.png,1\n001.png,2\n', r"line 2: not a line of a table: .*a quote is opened and not closed"),
        ('image,mos\n"000"x.png,1\n001.png,2\n', "line 2: not a line of a table: "),
    ],
)
def test_a_line_that_would_be_cut_is_an_error_with_file_and_line(root, text, message):
    with pytest.raises(InputError, match=message):
        write_and_read(root, text)


def test_what_cuts_nothing_is_read(root):
    exact = write_and_read(root, "image,MOS,mos\n000.png,1,2\n001.png,3,4\n")
    assert exact.mos.tolist() == [2, 4]  # the exact name counts first
    padded = write_and_read(root, "image,mos,,\n000.png,1,,\n001.png,2,,\n,,,\n")
    assert padded.mos.tolist() == [1, 2]
    spaced = write_and_read(root, 'image, mos, note\n000.png, 1.5 , "x, y"\n001.png, 2e-1, z\n')
    assert spaced.mos.tolist() == [1.5, 0.2]


def test_scores_keep_their_precision(root):
    scores = [0.1234567890123456, 0.12345678901234561]
    lines = [f"00{index}.png,{score!r}" for index, score in enumerate(scores)]
    assert write_and_read(root, "\n".join(["image,mos", *lines])).mos.tolist() == scores


@pytest.mark.parametrize(("line", "given"), [("2,5 i01_01_1.bmp", "2,5"), ("2.5 my i01_01_1.bmp", "my")])
def test_a_decimal_comma_or_a_space_in_a_text_file_without_header(tmp_path, line, given):
    draw(tmp_path, "distorted_images/i01_01_1.bmp")
    (tmp_path / "mos_with_names.txt").write_text(f"{line}\n")
    with pytest.raises(InputError, match=rf"mos_with_names\.txt, line 1: .*{given}.* has 3 values, not 2"):
        tid2013(tmp_path, subset=True)


def test_a_decimal_comma_in_the_text_files_of_kadid_and_csiq(tmp_path):
    draw(tmp_path, "images/I01_01_01.png", "dst_imgs/1600.AWGN.1.png")
    (tmp_path / "kadid10k_label.txt").write_text("I01_01_01.png, 4,2\n")
    (tmp_path / "csiq_label.txt").write_text("1600.AWGN.1.png 0,1\n")
    with pytest.raises(InputError, match=r"kadid10k_label\.txt, line 1: .* has 3 values, not 2"):
        kadid10k(tmp_path, subset=True)
    with pytest.raises(InputError, match=r"csiq_label\.txt, line 1: .* has 3 values, not 2"):
        csiq(tmp_path, subset=True)


def write_sheet(path, rows):
    book = openpyxl.Workbook()
    for row in rows:
        book.active.append(row)
    book.save(path)


def test_formulas_without_values_are_not_empty_rows(root):
    write_sheet(root / "s.xlsx", [["image", "mos"], ["000.png", 1], ['="001"&".png"', "=1+1"]])
    with pytest.raises(InputError, match=r"s\.xlsx, row 3: the column 'image' holds a formula whose value is not in"):
        table(root)


def test_a_wrong_size_in_a_spreadsheet_cuts_no_rows(root):
    write_sheet(root / "s.xlsx", [["image", "mos"], ["000.png", 1], ["001.png", 2]])
    import zipfile

    with zipfile.ZipFile(root / "s.xlsx") as book:
        parts = {name: book.read(name) for name in book.namelist()}
    sheet = parts["xl/worksheets/sheet1.xml"]
    assert b'<dimension ref="A1:B3"' in sheet
    parts["xl/worksheets/sheet1.xml"] = sheet.replace(b'ref="A1:B3"', b'ref="A1:B2"')
    with zipfile.ZipFile(root / "s.xlsx", "w") as book:
        for name, content in parts.items():
            book.writestr(name, content)
    assert table(root).names == ("000.png", "001.png")


def test_a_column_that_comes_twice_in_a_spreadsheet(root):
    write_sheet(root / "s.xlsx", [["image", "mos", "mos"], ["000.png", 1, 2], ["001.png", 2, 1]])
    with pytest.raises(InputError, match=r"s\.xlsx has the column 'mos' twice"):
        table(root)


@pytest.mark.parametrize("value", [True, "1,5", None, "#DIV/0!"])
def test_a_cell_without_a_number(root, value):
    write_sheet(root / "s.xlsx", [["image", "mos"], ["000.png", value], ["001.png", 2]])
    with pytest.raises(InputError, match=r"s\.xlsx, row 2: the score of 000\.png is "):
        table(root)


def test_the_exact_name_wins_over_another_suffix(tmp_path):
    draw(tmp_path, *(f"TestImage/0000{index}.{suffix}" for index in (1, 2) for suffix in ("jpg", "gif")))
    labels = tmp_path / "MOS and Image attribute scores.csv"
    labels.write_text("Image name,MOS\n00001.jpg,1\n00002.jpg,2\n")
    assert spaq(tmp_path, subset=True).names == ("00001.jpg", "00002.jpg")
    (tmp_path / "TestImage" / "00002.jpg").rename(tmp_path / "TestImage" / "00002.txt")
    assert spaq(tmp_path, subset=True).names == ("00001.jpg", "00002.gif")
    draw(tmp_path, "TestImage/00002.png")
    with pytest.raises(InputError, match=r"00002\.jpg may be .*00002\.gif or .*00002\.png"):
        spaq(tmp_path, subset=True)


def test_the_folder_of_the_distortion_wins_over_a_longer_name(tmp_path):
    draw(tmp_path, "dst_imgs/AWGN/1600.AWGN.1.png", "dst_imgs/AWGN_small/1600.AWGN.1.png")
    (tmp_path / "csiq_label.txt").write_text("1600.AWGN.1.png 0.1\n")
    assert csiq(tmp_path, subset=True).paths == (tmp_path / "dst_imgs/AWGN/1600.AWGN.1.png",)
    (tmp_path / "dst_imgs/AWGN/1600.AWGN.1.png").unlink()
    with pytest.raises(InputError, match="1 of 1 images are missing"):
        csiq(tmp_path, subset=True)


def test_the_exact_name_wins_over_another_letter_case(tmp_path):
    draw(tmp_path, "1024x768/a.jpg", "1024x768/A.jpg", "1024x768/b.JPG")
    labels = tmp_path / "koniq10k_scores_and_distributions.csv"
    labels.write_text("image_name,MOS_zscore\na.jpg,10\nA.jpg,20\nB.jpg,30\n")
    assert koniq10k(tmp_path, subset=True).names == ("a.jpg", "A.jpg", "b.JPG")
    labels.write_text("image_name,MOS_zscore\nA.JPG,10\n")
    with pytest.raises(InputError, match=r"A\.JPG may be .*/A\.jpg or .*/a\.jpg"):
        koniq10k(tmp_path, subset=True)


def test_the_exact_name_wins_over_another_unicode_form(tmp_path):
    composed, decomposed = (unicodedata.normalize(form, "caf\u00e9.jpg") for form in ("NFC", "NFD"))
    draw(tmp_path, f"1024x768/{decomposed}")
    labels = tmp_path / "koniq10k_scores_and_distributions.csv"
    labels.write_text(f"image_name,MOS_zscore\n{composed},10\n", encoding="utf-8")
    assert koniq10k(tmp_path, subset=True).names == (decomposed,)
    draw(tmp_path, f"1024x768/{composed}")
    if len(os.listdir(tmp_path / "1024x768")) == 2:  # some file systems take both names for one
        assert koniq10k(tmp_path, subset=True).names == (composed,)


def test_one_name_in_two_folders_is_an_error_that_names_both(tmp_path):
    draw(tmp_path, "Distortion_1/A0001_00_00.bmp", "Distortion_3/A0001_00_00.bmp")
    (tmp_path / "Train_Label").mkdir()
    (tmp_path / "Train_Label" / "A0001.txt").write_text("A0001_00_00.bmp,1500\n")
    with pytest.raises(InputError, match=r"may be .*Distortion_1/A0001_00_00\.bmp or .*Distortion_3/A0001_00_00\.bmp"):
        pipal(tmp_path, subset=True)
    draw(tmp_path, "one/a.jpg", "two/a.jpg")
    (tmp_path / "data.csv").write_text("name,prompt,mos_quality\na.jpg,a corgi,1\n")
    with pytest.raises(InputError, match=r"a\.jpg may be .*one/a\.jpg or .*two/a\.jpg"):
        agiqa3k(tmp_path, subset=True)


def test_two_folders_of_one_name_in_other_letters(tmp_path):
    draw(tmp_path, "DISTORTED_images/i01_01_1.bmp", "Distorted_Images/i01_01_1.bmp")
    (tmp_path / "mos_with_names.txt").write_text("2.5 i01_01_1.bmp\n")
    with pytest.raises(InputError, match="distorted_images may be .*DISTORTED_images or .*Distorted_Images"):
        tid2013(tmp_path, subset=True)
    draw(tmp_path, "distorted_images/i01_01_1.bmp")
    assert tid2013(tmp_path, subset=True).paths == (tmp_path / "distorted_images/i01_01_1.bmp",)


def test_only_images_count_as_images(tmp_path):
    draw(tmp_path, "512x384/00001.png")
    (tmp_path / "512x384" / "00001.txt").touch()
    (tmp_path / "512x384" / "._00001.png").touch()
    (tmp_path / "MOS and Image attribute scores.csv").write_text("Image name,MOS\n00001.jpg,1\n")
    assert spaq(tmp_path, subset=True).names == ("00001.png",)


def test_an_image_with_two_defect_rows(tmp_path):
    draw(tmp_path, "512x384/1.jpg")
    (tmp_path / "koniq10k_scores_and_distributions.csv").write_text("image_name,MOS_zscore\n1.jpg,10\n")
    rows = "1.jpg,0.1,0.2,0.6,0.1\n1.JPG,0.6,0.2,0.1,0.1\n"
    (tmp_path / "koniq++database.csv").write_text("filename,artifacts,blur,contrast,colors\n" + rows)
    with pytest.raises(InputError, match=r"koniq\+\+database\.csv, line 3: 1\.JPG is listed twice"):
        koniqpp(tmp_path, subset=True)


@pytest.mark.parametrize("again", ["000.png", "./000.png", "link.png", "in/../000.png"])
def test_one_file_listed_twice(root, again):
    (root / "in").mkdir()
    (root / "link.png").symlink_to("000.png")
    with pytest.raises(InputError, match=r"s\.csv, line 4: .* is listed twice, before in line 2"):
        write_and_read(root, f"image,mos\n000.png,1\n001.png,2\n{again},3\n")


def test_a_subset_does_not_leave_out_what_is_there_under_another_name(root):
    with pytest.raises(InputError, match=r"lists 1 images that are not on disk: .*002\.PNG; .*002\.png is there"):
        write_and_read(root, "image,mos\n000.png,1\n001.png,2\n002.PNG,3\n", subset=True)
    assert len(write_and_read(root, "image,mos\n000.png,1\n001.png,2\n003.PNG,3\n", subset=True)) == 2


def test_columns_are_named_by_options(root):
    text = "filename,score,group,kind,set\n000.png,1,a,blur,train\n001.png,2,b,noise,test\n"
    names = dict(image="filename", mos="Score", reference="group", distortion="kind", split="set")
    data = write_and_read(root, text, **names)
    assert data.mos.tolist() == [1, 2]
    assert (data.references, data.distortions) == (("a", "b"), ("blur", "noise"))
    assert data.official_split == ("train", "test")
    with pytest.raises(InputError, match=r"has no column 'groop'; did you mean 'group'\? .* image=COLUMN mos=COLUMN"):
        write_and_read(root, text, **(names | {"reference": "groop"}))
