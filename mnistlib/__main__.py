"""Entry point of ``python -m mnistlib``, for users and for a cluster's node."""

import sys

from mnistlib.cli import main

sys.exit(main())
