"""Print how fast each step is, as a ratio to something named: see ``python benchmarks/speed.py --help``."""

import sys
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
    from benchmarks.speed_rows.command import (
        main,  # here, as a worker of a study imports this file again and needs none of it
    )

    sys.exit(main())
