"""The proof that the computations agree: tests, their tolerances, and the machinery that both stand on.

Subfolders mirror the paths that they test; README.md says where a new test goes.
"""

import os

# Tests run in as many processes as there are cores: a second thread in each only waits. NumPy reads this once, when it
# is loaded.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("OMP_NUM_THREADS", "1")
