"""Found by a child process's Python on its way up: there it is later than here, by DARKROOM_LATER_S seconds."""

import os
import time

_now, _later = time.time, float(os.environ.get("DARKROOM_LATER_S", "0"))


def _time() -> float:
    """Unix seconds, of another moment."""
    return _now() + _later


time.time = _time
