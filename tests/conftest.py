"""What `make test` leaves to `make chaos`: the long campaigns against real emulators and killed processes."""

import os

collect_ignore = [] if os.environ.get("DARKROOM_CHAOS") else ["chaos/emulators"]
