"""Real servers for the tests, each with a data directory and a loopback port of its own, stopped by pid.

As a program: `servers.py postgres redis` starts them, prints NAME=HOST:PORT lines and `ready`, and stops them when
it is told to end.
"""
import os
import pathlib
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

VICTIMS = pathlib.Path(__file__).resolve().parents[2] / "victims"
patience = 60   # seconds that a server has to start
SBIN = ["/usr/local/sbin", "/usr/sbin", "/sbin"]


class Missing(Exception):
    """What a case needs is not installed."""


def search_path():
    parts = os.environ.get("PATH", "/usr/bin:/bin").split(os.pathsep)
    return os.pathsep.join(parts + [part for part in SBIN if part not in parts])


def find(program):
    if program in ("postgres", "initdb"):  # Debian keeps them out of PATH, by version
        homes = sorted(pathlib.Path("/usr/lib/postgresql").glob("*/bin"), key=lambda home: float(home.parent.name))
        if homes and (homes[-1] / program).exists():
            return str(homes[-1] / program)
    found = shutil.which(program, path=search_path())
    if not found:
        raise Missing(f"{program} is not installed")
    return found


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def stop_process(process, how=signal.SIGTERM, patience=10):
    if process.poll() is not None:
        return
    process.send_signal(how)
    try:
        process.wait(patience)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def run(command, **options):
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **options)
    if done.returncode != 0:
        raise RuntimeError(f"{command[0]} failed with {done.returncode}:\n{done.stdout}")
    return done.stdout


def tree_of(pid):
    """The process and all its descendants."""
    pids, queue = [], [pid]
    while queue:
        current = queue.pop()
        pids.append(current)
        # Sessions end while they are counted.
        try:
            for task in pathlib.Path(f"/proc/{current}/task").glob("*/children"):
                queue.extend(int(child) for child in task.read_text().split())
        except OSError:
            pass
    return pids


class Server:
    """One server: start() returns when it answers. `address` is HOST:PORT, `sockets` its unix socket directory."""

    name = ""
    user = None
    stop_signal = signal.SIGTERM

    def __init__(self, root):
        self.directory = pathlib.Path(root) / self.name
        self.directory.mkdir()
        self.port = free_port()
        self.address = f"127.0.0.1:{self.port}"
        self.process = None
        self.log = self.directory / "log"

    def own(self):
        if self.user and os.geteuid() == 0:
            entry = pwd.getpwnam(self.user)
            os.chown(self.directory, entry.pw_uid, entry.pw_gid)

    def as_user(self, command):
        if not self.user or os.geteuid() != 0:
            return command
        return [find("setpriv"), f"--reuid={self.user}", f"--regid={self.user}", "--init-groups", "--"] + command

    def spawn(self, command):
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                self.as_user(command), cwd=self.directory, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                start_new_session=True, env={**os.environ, "PATH": search_path(), "LC_ALL": "C.UTF-8"})

    def wait_until(self, answers):
        deadline = time.monotonic() + patience
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                break
            if answers():
                return
            time.sleep(0.05)
        raise RuntimeError(f"{self.name} did not start:\n{self.log.read_text(errors='replace')[-2000:]}")

    def answers_tcp(self):
        try:
            socket.create_connection(("127.0.0.1", self.port), 1).close()
            return True
        except OSError:
            return False

    def stop(self):
        if self.process:
            stop_process(self.process, self.stop_signal)

    def pids(self):
        return tree_of(self.process.pid)

    def values(self):
        return {self.name: self.address, f"{self.name}.port": str(self.port), f"{self.name}.dir": str(self.directory)}


class Postgres(Server):
    name = "postgres"
    user = "postgres"
    stop_signal = signal.SIGINT  # fast shutdown: sessions are ended, not waited for

    def start(self):
        self.own()
        data = self.directory / "data"
        run(self.as_user([find("initdb"), "-D", str(data), "-U", "shop", "--auth=trust", "--no-sync",
                          "--encoding=UTF8", "--locale=C"]), cwd=self.directory)
        settings = {
            "listen_addresses": "127.0.0.1", "port": self.port, "unix_socket_directories": self.directory,
            "max_connections": 800, "fsync": "off", "synchronous_commit": "off", "full_page_writes": "off",
            "shared_buffers": "64MB", "autovacuum": "off", "checkpoint_timeout": "30s",
        }
        self.spawn([find("postgres"), "-D", str(data)] + [f"--{key}={value}" for key, value in settings.items()])
        self.wait_until(lambda: subprocess.run(self.psql("postgres", "-c", "SELECT 1"), stdout=subprocess.DEVNULL,
                                               stderr=subprocess.DEVNULL).returncode == 0)
        run(self.psql("postgres", "-c", "CREATE DATABASE shop"))
        run(self.psql("shop", "-f", str(VICTIMS / "schema.postgres.sql")))

    def psql(self, database, *arguments):
        return [find("psql"), "-X", "-q", "-v", "ON_ERROR_STOP=1", "-h", "127.0.0.1", "-p", str(self.port), "-U", "shop",
                "-d", database, *arguments]


class MariaDB(Server):
    name = "mariadb"
    user = "mysql"

    def start(self):
        self.own()
        data = self.directory / "data"
        common = ["--no-defaults", f"--datadir={data}"]
        run(self.as_user([find("mariadb-install-db")] + common + ["--auth-root-authentication-method=normal",
                         "--skip-test-db", "--skip-name-resolve"]), cwd=self.directory,
            env={**os.environ, "PATH": search_path()})
        sock = self.directory / "mysqld.sock"
        self.spawn([find("mariadbd")] + common + [
            "--bind-address=127.0.0.1", f"--port={self.port}", f"--socket={sock}", f"--pid-file={self.directory}/pid",
            "--max-connections=400", "--innodb-flush-log-at-trx-commit=0", "--innodb-buffer-pool-size=32M",
            "--innodb-flush-method=nosync", "--skip-name-resolve", "--skip-log-bin", "--performance-schema=OFF"])
        client = [find("mariadb"), "--no-defaults", f"--socket={sock}", "-u", "root"]
        self.wait_until(lambda: subprocess.run(client + ["-e", "SELECT 1"], stdout=subprocess.DEVNULL,
                                               stderr=subprocess.DEVNULL).returncode == 0)
        run(client + ["-e", "CREATE DATABASE shop; CREATE USER shop@'%'; GRANT ALL ON shop.* TO shop@'%'"])
        with open(VICTIMS / "schema.mariadb.sql", "rb") as schema:
            run(client + ["shop"], stdin=schema)


class Redis(Server):
    name = "redis"

    def start(self):
        self.spawn([find("redis-server"), "--bind", "127.0.0.1", "--port", str(self.port), "--save", "",
                    "--appendonly", "no", "--dir", str(self.directory), "--maxclients", "2000"])
        self.wait_until(self.answers_tcp)


class Nginx(Server):
    name = "nginx"

    def start(self):
        (self.directory / "index.html").write_text("<!doctype html><title>shop</title>" + "<p>open</p>" * 40)
        config = self.directory / "nginx.conf"
        config.write_text(f"""
daemon off;
worker_processes 2;
pid {self.directory}/pid;
error_log {self.directory}/error.log;
{"user root;" if os.geteuid() == 0 else ""}
events {{ worker_connections 1024; }}
http {{
  access_log off;
  client_body_temp_path {self.directory}/body; proxy_temp_path {self.directory}/proxy;
  fastcgi_temp_path {self.directory}/fastcgi; uwsgi_temp_path {self.directory}/uwsgi; scgi_temp_path {self.directory}/scgi;
  keepalive_requests 1000;
  upstream self {{ server 127.0.0.1:{self.port}; keepalive 8; }}
  server {{
    listen 127.0.0.1:{self.port};
    location / {{ root {self.directory}; }}
    location /proxied/ {{ proxy_pass http://self/; proxy_http_version 1.1; proxy_set_header Connection ""; }}
  }}
}}
""")
        self.spawn([find("nginx"), "-p", str(self.directory), "-c", str(config), "-e", str(self.directory / "error.log")])
        self.wait_until(self.answers_tcp)


class Peers(Server):
    """The small line servers that stand for other teams' services (victims/peers.py)."""

    name = "peers"
    kinds = ("broker", "warehouse", "feed", "collector", "exchange")

    def start(self):
        self.ports = {kind: free_port() for kind in self.kinds}
        self.spawn([sys.executable, str(VICTIMS / "peers.py")] + [f"{kind}={port}" for kind, port in self.ports.items()])
        self.port = self.ports[self.kinds[-1]]
        self.wait_until(self.answers_tcp)

    def values(self):
        return {kind: f"127.0.0.1:{port}" for kind, port in self.ports.items()}


KINDS = {kind.name: kind for kind in (Postgres, MariaDB, Redis, Nginx, Peers)}


class Servers:
    """Starts what is asked for, once; stops everything at the end."""

    def __init__(self):
        self.root = pathlib.Path(tempfile.mkdtemp(prefix="unclosed-servers-"))
        self.root.chmod(0o755)
        self.running = {}

    def get(self, name):
        if name not in self.running:
            server = KINDS[name](self.root)
            self.running[name] = server
            try:
                server.start()
            except BaseException:
                server.stop()
                del self.running[name]
                shutil.rmtree(server.directory, ignore_errors=True)
                raise
        return self.running[name]

    def values(self):
        merged = {}
        for server in self.running.values():
            merged.update(server.values())
        return merged

    def stop(self):
        for server in self.running.values():
            server.stop()
        self.running.clear()
        shutil.rmtree(self.root, ignore_errors=True)


def main():
    servers = Servers()

    def end(*_):
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, end)
    try:
        for name in sys.argv[1:]:
            servers.get(name)
        for key, value in servers.values().items():
            print(f"{key}={value}", flush=True)
        print("ready", flush=True)
        while True:
            signal.pause()
    except KeyboardInterrupt:
        pass
    finally:
        servers.stop()


if __name__ == "__main__":
    main()
