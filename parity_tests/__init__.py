"""The proof that the computations agree: the tests, their tolerances and shared helpers.

Subfolders mirror the paths that they test; README.md says where a new test goes.
"""

import os

# Tests run in as many processes as there are cores, so a second thread in each would only wait. NumPy reads these once,
# when it is loaded.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("OMP_NUM_THREADS", "1")
