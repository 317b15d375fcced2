"""`python -m video_triplet`: the command `video-triplet` where no console script is on the path."""

from __future__ import annotations

import sys

from video_triplet.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
