"""The same as ``iqa-zoo cross-dataset``."""

import sys

from iqa_zoo.cli import main

if __name__ == "__main__":
    sys.exit(main(["cross-dataset", *sys.argv[1:]]))
