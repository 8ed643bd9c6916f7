import csv
import io

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from iqa_zoo.data.labels.delimited import read_csv, read_lines
from iqa_zoo.errors import InputError


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_separators_and_encodings(tmp_path, separator, encoding):
    text = 'Image, MOS ,note\na.png,1.5,"x"\n\nb.png,2,\n'.replace(",", separator)
    (tmp_path / "l.csv").write_bytes(text.encode(encoding))
    rows = read_csv(tmp_path / "l.csv", ("image", "mos"), ("note", "split"))
    assert [row.values for row in rows] == [
        {"image": "a.png", "mos": "1.5", "note": "x"},
        {"image": "b.png", "mos": "2", "note": ""},
    ]
    assert [row.place for row in rows] == ["line 2", "line 4"]


cell = st.text(st.characters(blacklist_categories=("Cs", "Cc")), max_size=12).map(str.strip)


@pytest.mark.slow
@given(
    st.lists(st.tuples(cell.filter(bool), cell), min_size=1, max_size=6),
    st.sampled_from(",;\t"),
    st.sampled_from(["\n", "\r\n", "\r"]),
    st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]),
    st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
    st.booleans(),
)
@example([('say "hi", you', "x;y\tz")], ",", "\r", "utf-16", csv.QUOTE_MINIMAL, True)
def test_what_a_csv_writer_writes_comes_back(
    tmp_path_factory, rows, delimiter, end, encoding, quoting, names_separator
):
    text = io.StringIO()
    writer = csv.writer(text, delimiter=delimiter, lineterminator=end, quoting=quoting)
    writer.writerows([["image", "note"], *rows])
    content = (f"sep={delimiter}{end}" if names_separator else "") + text.getvalue()
    path = tmp_path_factory.mktemp("labels") / "l.csv"
    path.write_bytes(content.encode(encoding))
    read = read_csv(path, ("image", "note"))
    assert [(row.text("image"), row.optional_text("note")) for row in read] == rows


def test_the_header_decides_about_the_separator(tmp_path):
    (tmp_path / "l.csv").write_text("image;a,b,c,d;mos\nx.png;1,2,3;4\n")
    assert read_csv(tmp_path / "l.csv", ("image", "mos"))[0].number("mos") == 4


def test_a_quoted_line_break_keeps_line_numbers(tmp_path):
    (tmp_path / "l.csv").write_text('image,note,mos\na.png,"two\nlines",1\nb.png,,x\n')
    first, second = read_csv(tmp_path / "l.csv", ("image", "mos"))
    assert (first.place, second.place) == ("line 2", "line 4")


def test_missing_columns_and_values(tmp_path):
    file = tmp_path / "l.csv"
    file.write_text("image,moss\n")
    with pytest.raises(InputError, match=r"l\.csv has no column 'mos'; did you mean 'moss'\? it has image, moss"):
        read_csv(file, ("image", "mos"))
    file.write_text("image,mos\na.png\n")
    with pytest.raises(InputError, match=r"l\.csv, line 2: 1 values under 2 columns"):
        read_csv(file, ("image", "mos"))


def test_lines(tmp_path):
    (tmp_path / "l.txt").write_text("a.png 1.5\r\n\n , \nb.png, 2\nc.png,3")
    rows = read_lines(tmp_path / "l.txt", ("image", "score"))
    assert [(row.text("image"), row.number("score"), row.place) for row in rows] == [
        ("a.png", 1.5, "line 1"),
        ("b.png", 2, "line 4"),
        ("c.png", 3, "line 5"),
    ]
    (tmp_path / "l.txt").write_text("a.png 1,5\n")
    with pytest.raises(InputError, match=r"l\.txt, line 1: 'a\.png 1,5' has 3 values, not 2 \(image, score\)"):
        read_lines(tmp_path / "l.txt", ("image", "score"))
