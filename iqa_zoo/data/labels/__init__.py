"""Label files: delimited text, spreadsheets and MATLAB files as rows with their place in the file."""

from iqa_zoo.data.labels.delimited import read_lines
from iqa_zoo.data.labels.mat import read_mat
from iqa_zoo.data.labels.rows import LabelRow, MissingColumn
from iqa_zoo.data.labels.table import read_table
from iqa_zoo.data.labels.text import read_text

__all__ = ["LabelRow", "MissingColumn", "read_lines", "read_mat", "read_table", "read_text"]
