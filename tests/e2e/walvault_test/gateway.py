# SPDX-License-Identifier: PostgreSQL
"""One more S3 gateway to the Ceph of a run, for tests that kill it and start it again.

What it had answered is durable in Ceph's own daemons, which go on; everything it
was about to do is lost with it.
"""

import signal
import subprocess
import threading
import time

from .cases import at_end
from .ports import free_ports, is_open
from .services import place
from .waiting import wait_until


class Gateway:
    """Has its own port; as a section's ``endpoint`` it leads to the same buckets."""

    def __init__(self):
        self.at = place("ceph")
        (self.port,) = free_ports(1)
        self.endpoint = f"http://127.0.0.1:{self.port}"
        self._process = None
        self._weather = None
        self._calm = threading.Event()
        self.outages = 0
        at_end(self._end)
        self.start()

    def section(self, bucket, **options):
        """The bucket's section, through this gateway."""
        return bucket.section(endpoint=self.endpoint, ca_file=None, **options)

    def start(self):
        self._process = subprocess.Popen(
            [
                *("radosgw", "-n", "client.rgw", "-c", self.at["conf"], "-f"),
                f"--rgw_frontends=beast endpoint=127.0.0.1:{self.port}",
            ],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        wait_until(lambda: is_open(self.port), "the gateway to answer", timeout=60)

    def kill(self):
        self._process.send_signal(signal.SIGKILL)
        self._process.wait()
        self.outages += 1

    def storm(self, up, down):
        """Kills it and starts it again, over and over, until ``calm()``."""

        def blow():
            while not self._calm.wait(up):
                self.kill()
                time.sleep(down)
                self.start()

        self._calm.clear()
        self._weather = threading.Thread(target=blow, daemon=True)
        self._weather.start()

    def calm(self):
        """It runs, and stays."""
        self._calm.set()
        if self._weather:
            self._weather.join()
            self._weather = None

    def _end(self):
        self.calm()
        self._process.kill()
        self._process.wait()
