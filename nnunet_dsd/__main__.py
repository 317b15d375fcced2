"""`python -m nnunet_dsd`: the command `nnunet-dsd` where no console script is on the path."""

from __future__ import annotations

import sys

from nnunet_dsd.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
