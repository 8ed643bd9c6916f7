"""How Sphinx builds the documentation: ``sphinx-build -W -n docs docs/_build``.

The reference, the results and the model cards are written by ``generate.py`` at the start of every build.
"""

import re
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

import generate  # noqa: E402

from iqa_zoo import __version__  # noqa: E402

project = "iqa_zoo"
author = "The iqa_zoo developers"
project_copyright = author
release = __version__

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx_copybutton",
    "sphinx_design",
]
exclude_patterns = ["_build"]
smartquotes = False  # options begin with two hyphens
myst_enable_extensions = ["colon_fence", "deflist", "attrs_inline"]
myst_heading_anchors = 4
# The generated pages contain cards and records, whose headings start at any level.
suppress_warnings = ["myst.header"]

# Names in docstrings that belong to other libraries, and those of modules that the reference does not document. What
# `iqa_zoo.NAME` names must exist.
nitpick_ignore_regex = [
    (r"py:.*", r"(?!iqa_zoo\.).*"),
    (r"py:.*", r"iqa_zoo\.\w+\..*"),
    (r"py:mod", r"iqa_zoo\.\w+"),
]
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_typehints_format = "short"
python_use_unqualified_type_names = True
napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_use_ivar = True

html_theme = "furo"
html_title = f"iqa_zoo {release}"
html_static_path = ["_static"]
html_css_files = ["wide.css"]
html_show_sourcelink = False
html_show_sphinx = False
copybutton_exclude = ".linenos, .gp, .go"


def escape_docstring(app, what, name, obj, options, lines):
    """Escape what reStructuredText reads as markup and docstrings do not mean so: |x|, and a letter after a literal."""
    for i, line in enumerate(lines):
        lines[i] = re.sub(r"(``[^`]+``)(?=\w)", r"\1\\ ", line.replace("|", r"\|"))


def shorten_signature(app, what, name, obj, options, signature, result):
    """Show ``int`` where an annotation also declares a range; the table of keys has the range."""
    if not signature:
        return None
    return re.sub(r"[~.\w]*Annotated\[([^,\]]+), [~.\w]*Range\([^)]*\)\]", r"\1", signature), result


def setup(app):
    app.connect("builder-inited", lambda app: generate.write_pages(Path(app.srcdir) / "generated"))
    app.connect("autodoc-process-docstring", escape_docstring)
    app.connect("autodoc-process-signature", shorten_signature)
