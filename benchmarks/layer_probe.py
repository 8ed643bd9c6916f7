"""The same as ``iqa-zoo layer-probe``."""

import sys

from iqa_zoo.cli import main

if __name__ == "__main__":
    sys.exit(main(["layer-probe", *sys.argv[1:]]))
