"""
Imported first by every worker process: makes the standard library cooperative.

Nothing of psycopg may be imported before, or its waits would block all greenlets.
"""

import os
import warnings

os.environ["PSYCOPG_WAIT_FUNC"] = "wait_selector"
# That eventlet is only maintained is known, and is nameko's affair; nobody who starts a worker can act on it.
warnings.filterwarnings("ignore", message="(?s).*Eventlet is deprecated")

import eventlet  # noqa: E402

eventlet.monkey_patch()
