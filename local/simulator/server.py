"""The simulator as an object: start it, use its `url`, stop it."""

import threading
from types import TracebackType

from local.simulator.admin import SimulatorAdmin
from local.simulator.clock import SimulatedClock
from local.simulator.gateway import routes
from local.simulator.settings import SIM_KEY, Settings
from local.simulator.wire import Server
from local.simulator.world import World


class Simulator:
    """HiAPI on a loopback port, and Pixapi beside it: `with Simulator(time_scale=60) as sim: sim.url, sim.pixapi_url, sim.admin`.

    `time_scale` is simulated seconds per second, 0 freezes simulated time until it is told to jump. `latency_s` is
    how long generating takes, in simulated seconds; `callback_timeout_s` how long a receiver may take, in real ones.
    """

    def __init__(
        self,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        time_scale: float = 1.0,
        api_key: str = SIM_KEY,
        webhook_secret: str | None = None,
        latency_s: float = 2.0,
        callback_timeout_s: float = 10.0,
    ) -> None:
        settings = Settings(
            latency_s=latency_s,
            webhook_secret=webhook_secret or None,
            api_keys={api_key: "main"},
            callback_timeout_s=callback_timeout_s,
        )
        self.world = World(settings, clock=SimulatedClock(scale=time_scale))
        self.world.routes = routes()
        self._server = Server((host, port), self.world)
        self.url = self.world.origin = f"http://{host}:{self._server.server_address[1]}"
        self.pixapi_url = f"{self.url}/pixapi"
        self.admin = SimulatorAdmin(self.url)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), name="simulator", daemon=True)

    def start(self) -> "Simulator":
        """Begin to answer."""
        self.world.agenda.start()
        self._thread.start()
        return self

    def stop(self) -> None:
        """End at once: open connections are cut, callbacks that were to come are not sent."""
        self.world.close()
        if self._thread.is_alive():
            self._server.shutdown()
        self._server.hang_up()
        self._server.server_close()
        self.admin.close()

    def __enter__(self) -> "Simulator":
        return self.start()

    def __exit__(self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None) -> None:
        self.stop()
