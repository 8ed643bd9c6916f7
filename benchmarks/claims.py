"""The same as ``iqa-zoo claims``."""

import sys

from iqa_zoo.cli import main

if __name__ == "__main__":
    sys.exit(main(["claims", *sys.argv[1:]]))
