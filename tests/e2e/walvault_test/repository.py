# SPDX-License-Identifier: PostgreSQL
"""A repository on a local store, with the configuration file that leads to it."""

from .cases import new_directory
from .programs import program, run_program


class Repository:
    """An empty store and a configuration of one cluster, for the Postgres given.

    ``options`` become lines of the cluster's section (None leaves one out);
    ``section``, with the ``url`` of another store than a directory, those of the
    store's. Nothing is written to the store before ``init()``.
    """

    def __init__(self, pg, cluster="main", section=None, **options):
        self.section = section or {}
        self.pg = pg
        self.cluster = cluster
        self.directory = new_directory("repo")
        self.store = self.directory / "store"
        self.store.mkdir()
        self.state_directory = self.directory / "state"
        self.state_directory.mkdir()
        self.config = self.directory / "walvault.conf"
        self.options = {
            "pgdata": pg.data,
            "store": "local",
            "state_dir": self.state_directory,
            **options,
        }
        self.configure()

    @property
    def url(self):
        return self.section.get("url", f"file://{self.store}")

    def configure(self, **options):
        """Rewrites the configuration file with these options changed."""
        self.options.update(options)
        lines = [f"{name} = {value}" for name, value in self.options.items() if value is not None]
        store = [f"{name} = {value}" for name, value in {"url": self.url, **self.section}.items()]
        self.config.write_text(
            "\n".join([f"[cluster {self.cluster}]", *lines, "", "[store local]", *store, ""]),
            encoding="utf-8",
        )

    # -- commands for postgresql.conf --

    def archive_command(self, *options):
        return self._server_command("walpush", *options, "%p")

    def restore_command(self, *options):
        return self._server_command("walfetch", *options, "%f", "%p")

    def _server_command(self, name, *words):
        return " ".join(map(str, [program(name), "--config", self.config, *words]))

    def enable_archiving(self, **settings):
        """Makes the server archive to here; takes effect at its start."""
        self.pg.configure(archive_mode="on", archive_command=self.archive_command(), **settings)

    # -- the programs, run by hand --

    def run(self, name, *words, **options):
        """Runs one of the programs with this configuration; a Result."""
        environment = {"WALVAULT_CONFIG": str(self.config), **options.pop("env", {})}
        return run_program(program(name), *words, env=environment, **options)

    def walvault(self, *words, **options):
        return self.run("walvault", *words, **options)

    def walpush(self, *words, **options):
        """walpush as the archiver would run it: in the data directory."""
        return self.run("walpush", *words, **{"cwd": self.pg.data, **options})

    def walfetch(self, *words, cwd=None, **options):
        """walfetch; ``cwd`` decides its mode (an empty directory: a person's)."""
        return self.run("walfetch", *words, cwd=cwd or self.directory, **options)

    def init(self, *words):
        """Writes marker and identity; the server need not run."""
        return self.walvault("init", *words).expect(0)

    def json(self, *words, status=0):
        """What ``walvault … --json`` prints."""
        return self.walvault(*words, "--json").expect(status).json()

    # -- where things lie in the store --

    def system_directory(self, generation=1):
        return self.store / self.cluster / f"{self.pg.sysid}.{generation}"

    def object_path(self, name, generation=1):
        """The object of a WAL file: segment, .backup or .history."""
        wal = self.system_directory(generation) / "wal"
        if name.endswith(".history"):
            return wal / "history" / name
        return wal / name[:8] / name[8:16] / name

    def objects(self):
        """The keys of everything in the store, sorted."""
        files = (path for path in self.store.rglob("*") if path.is_file())
        return sorted(str(path.relative_to(self.store)) for path in files)
