# SPDX-License-Identifier: PostgreSQL
"""A repository in two directories, ``local`` and ``second``."""

import copy

from .repository import Repository


class TwoStores(Repository):
    """As Repository; ``second`` is the other store's directory."""

    def __init__(self, pg, second=None, **options):
        self.second = second
        super().__init__(pg, **{"store": "local, second", **options})
        if second is None:
            self.second = self.directory / "second"
        self.second.mkdir(exist_ok=True)
        self.configure()

    def configure(self, **options):
        super().configure(**options)
        with open(self.config, "a", encoding="utf-8") as file:
            file.write(f"\n[store second]\nurl = file://{self.second}\n")

    def in_second(self):
        """The same repository, seen in the other store: paths, not programs."""
        seen = copy.copy(self)
        seen.store = self.second
        return seen

    def stores(self):
        return (self, self.in_second())
