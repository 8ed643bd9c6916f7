"""The same as ``iqa-zoo scaling``."""

import sys

from iqa_zoo.cli import main

if __name__ == "__main__":
    sys.exit(main(["scaling", *sys.argv[1:]]))
