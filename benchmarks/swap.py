"""The same as ``iqa-zoo swap``."""

import sys

from iqa_zoo.cli import main

if __name__ == "__main__":
    sys.exit(main(["swap", *sys.argv[1:]]))
