#!/usr/bin/env python3
"""Measures Weir beside nginx, in one run, so that a shared and noisy machine matters little.

    python3 bench/run.py [--rounds 3] [--seconds 4] [--out bench/results/DATE.md]

Needs two cores and, beside the release binary, `nginx` and `wrk`. Every system under test runs
pinned to the first core; the load generator and the simulated provider share the second. CPU is
user + system time of all of a system's processes, from /proc, divided by the requests (or stream
chunks) they served. nginx as a plain reverse proxy is 1.0. Loopback only, bounded in time.
"""

import argparse
import contextlib
import dataclasses
import datetime
import json
import os
import pathlib
import re
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parent.parent
TICK = os.sysconf("SC_CLK_TCK")
SYSTEM_CORE, LOAD_CORE = "0", "1"
CHUNKS = 50
CHUNK_INTERVAL_MS = 5


@dataclasses.dataclass
class Sample:
    """One load of one system."""

    requests: int
    seconds: float
    cpu_us: float
    p50_ms: float
    p99_ms: float


@dataclasses.dataclass
class System:
    """Processes that answer on `port`."""

    name: str
    port: int
    pids: list[int]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def children(pid: int) -> list[int]:
    listed = pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [int(child) for child in listed]


def cpu_us(pids: list[int]) -> float:
    total = 0
    for pid in pids:
        fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
        total += int(fields[11]) + int(fields[12])
    return total * 1e6 / TICK


def peak_rss_mib(pids: list[int]) -> float:
    total = 0
    for pid in pids:
        status = pathlib.Path(f"/proc/{pid}/status").read_text()
        total += int(re.search(r"VmHWM:\s+(\d+)", status)[1])
    return total / 1024


def wait_for(port: int, path: str) -> None:
    deadline = time.monotonic() + 15
    while True:
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=1).read()
            return
        except urllib.error.HTTPError:
            return
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)


class Bench:
    """Owns every process it starts and ends them, by id, when it is left."""

    def __init__(self, weir: pathlib.Path, folder: pathlib.Path) -> None:
        self.weir = weir
        self.folder = folder
        self.started: list[subprocess.Popen] = []

    def start(self, core: str, *command: str, env: dict[str, str] | None = None) -> int:
        log = (self.folder / f"process-{len(self.started)}.log").open("wb")
        process = subprocess.Popen(
            ["taskset", "-c", core, *command],
            stdout=log,
            stderr=log,
            env={"PATH": os.environ["PATH"], "BENCH_KEY": "bench", **(env or {})},
        )
        self.started.append(process)
        return process.pid

    def stop(self) -> None:
        for process in reversed(self.started):
            process.send_signal(signal.SIGTERM)
        for process in self.started:
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()

    def sim(self, *flags: str) -> int:
        port = free_port()
        self.start(LOAD_CORE, str(self.weir), "sim", "--listen", f"127.0.0.1:{port}", *flags)
        wait_for(port, "/v1/models")
        return port

    def nginx(self, upstream: int) -> System:
        port = free_port()
        folder = self.folder / f"nginx-{port}"
        folder.mkdir()
        config = folder / "nginx.conf"
        config.write_text(
            f"""
            worker_processes 1; daemon off; pid {folder}/pid; error_log {folder}/error.log;
            events {{ worker_connections 8192; }}
            http {{
              access_log off; client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
              fastcgi_temp_path {folder}/f; uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
              keepalive_requests 1000000000;
              upstream sim {{ server 127.0.0.1:{upstream}; keepalive 1024;
                              keepalive_requests 1000000000; }}
              server {{
                listen 127.0.0.1:{port};
                location / {{
                  proxy_pass http://sim; proxy_http_version 1.1;
                  proxy_set_header Connection ""; proxy_buffering off;
                  client_body_buffer_size 1m;
                }}
              }}
            }}
            """
        )
        master = self.start(SYSTEM_CORE, "nginx", "-c", str(config), "-p", str(folder))
        wait_for(port, "/v1/models")
        return System("nginx", port, [master, *children(master)])

    def weir_memory(self, upstream: int) -> System:
        port, admin = free_port(), free_port()
        config = self.folder / f"weir-{port}.json"
        key = {"name": "bench", "value": "env.BENCH_KEY", "models": ["*"], "weight": 1}
        network = {"base_url": f"http://127.0.0.1:{upstream}"}
        limits = {"concurrency": 1000, "buffer_size": 5000}
        openai = {
            "keys": [key],
            "network_config": network,
            "concurrency_and_buffer_size": limits,
        }
        config.write_text(json.dumps({"providers": {"openai": openai}}))
        listen = ["--listen", f"127.0.0.1:{port}", "--admin", f"127.0.0.1:{admin}"]
        pid = self.start(
            SYSTEM_CORE, str(self.weir), "serve", "--config", str(config), *listen,
            "--log-level", "warn",
        )
        wait_for(port, "/health")
        return System("weir, all in one, memory", port, [pid])


def wrk(system: System, lua: pathlib.Path, connections: int, seconds: int) -> Sample:
    url = f"http://127.0.0.1:{system.port}/v1/chat/completions"
    command = ["taskset", "-c", LOAD_CORE, "wrk", "-t1", f"-c{connections}", f"-d{seconds}s"]
    before = cpu_us(system.pids)
    result = subprocess.run(
        [*command, "--timeout", "20s", "-s", str(lua), url],
        capture_output=True,
        text=True,
        check=True,
        timeout=seconds + 60,
    )
    spent = cpu_us(system.pids) - before
    line = re.search(r"^RESULT (.*)$", result.stdout, re.M)
    if line is None:
        raise SystemExit(f"no result from wrk:\n{result.stdout}{result.stderr}")
    requests, failed, micros, p50, p99 = (float(x) for x in line[1].split())
    if failed:
        raise SystemExit(f"{system.name}: {failed:.0f} of {requests:.0f} requests failed")
    return Sample(int(requests), micros / 1e6, spent / requests, p50 / 1e3, p99 / 1e3)


def script(folder: pathlib.Path, name: str, body: dict, body_bytes: int) -> pathlib.Path:
    """A wrk script that posts one chat request of about `body_bytes`."""
    padding = "x" * max(0, body_bytes - len(json.dumps(body)) - 40)
    body = {**body, "messages": [{"role": "user", "content": f"hello {padding}"}]}
    path = folder / f"{name}.lua"
    path.write_text(
        f"""
        wrk.method = "POST"
        wrk.body = [[{json.dumps(body)}]]
        wrk.headers["content-type"] = "application/json"
        wrk.headers["authorization"] = "Bearer client"
        function done(summary, latency, requests)
          local e = summary.errors
          local failed = e.connect + e.read + e.write + e.status + e.timeout
          io.write(string.format("RESULT %d %d %d %d %d\\n", summary.requests, failed,
            summary.duration, latency:percentile(50), latency:percentile(99)))
        end
        """
    )
    return path


def median(samples: list[Sample], field: str) -> float:
    return statistics.median(getattr(sample, field) for sample in samples)


def measure(bench: Bench, rounds: int, seconds: int) -> tuple[list[str], dict]:
    upstream = bench.sim(
        "--log-requests", "0", "--answer-bytes", "1024",
        "--chunks", str(CHUNKS), "--chunk-interval-ms", str(CHUNK_INTERVAL_MS),
    )
    systems = [bench.nginx(upstream), bench.weir_memory(upstream)]
    direct = System("direct", upstream, [])
    unary = script(bench.folder, "unary", {"model": "gpt-4o-mini"}, 1024)
    stream = script(bench.folder, "stream", {"model": "gpt-4o-mini", "stream": True}, 1024)
    samples: dict[tuple[str, str], list[Sample]] = {}
    for _ in range(rounds + 1):
        for system in [direct, *systems]:
            for kind, lua in [("unary", unary), ("stream", stream)]:
                sample = wrk(system, lua, 64, seconds)
                samples.setdefault((system.name, kind), []).append(sample)
    for kept in samples.values():
        del kept[0]  # the first round warms up pools and caches
    rss = {system.name: peak_rss_mib(system.pids) for system in systems}
    figures = {}
    base = "nginx"
    rows = ["| system | CPU µs/request | × nginx | requests/s per core | × nginx | p50 ms | p99 ms "
            "| CPU µs/chunk | × nginx | peak RSS MiB |", "|" + "---|" * 10]
    for system in systems:
        per_request = median(samples[system.name, "unary"], "cpu_us")
        per_chunk = median(samples[system.name, "stream"], "cpu_us") / CHUNKS
        nginx_request = median(samples[base, "unary"], "cpu_us")
        nginx_chunk = median(samples[base, "stream"], "cpu_us") / CHUNKS
        rps = statistics.median(s.requests / s.seconds for s in samples[system.name, "unary"])
        base_rps = statistics.median(s.requests / s.seconds for s in samples[base, "unary"])
        figures[system.name] = {
            "cpu_ratio": per_request / nginx_request,
            "rps_ratio": rps / base_rps,
            "chunk_ratio": per_chunk / nginx_chunk,
            "rss_mib": rss[system.name],
        }
        rows.append(
            f"| {system.name} | {per_request:.1f} | {per_request / nginx_request:.2f} "
            f"| {rps:,.0f} | {rps / base_rps:.2f} "
            f"| {median(samples[system.name, 'unary'], 'p50_ms'):.2f} "
            f"| {median(samples[system.name, 'unary'], 'p99_ms'):.2f} "
            f"| {per_chunk:.1f} | {per_chunk / nginx_chunk:.2f} | {rss[system.name]:.0f} |"
        )
    rps = statistics.median(s.requests / s.seconds for s in samples["direct", "unary"])
    rows.append(f"| direct to the simulated provider | | | {rps:,.0f} | "
                f"| | {median(samples['direct', 'unary'], 'p50_ms'):.2f} "
                f"| {median(samples['direct', 'unary'], 'p99_ms'):.2f} | | | |")
    return rows, figures


def verdicts(figures: dict) -> list[str]:
    """The figures that the foundation owes, met or missed."""
    weir = figures["weir, all in one, memory"]
    owed = [
        ("CPU µs per request ≤ 1.6 × nginx", weir["cpu_ratio"], weir["cpu_ratio"] <= 1.6),
        ("requests/s per core ≥ 0.65 × nginx", weir["rps_ratio"], weir["rps_ratio"] >= 0.65),
        ("CPU µs per stream chunk ≤ 1.4 × nginx", weir["chunk_ratio"], weir["chunk_ratio"] <= 1.4),
        ("peak RSS ≤ 64 MiB", weir["rss_mib"], weir["rss_mib"] <= 64),
    ]
    return [f"- {text}: {value:.2f}, {'met' if met else 'MISSED'}" for text, value, met in owed]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=4)
    parser.add_argument("--weir", type=pathlib.Path, default=ROOT / "target/release/weir")
    parser.add_argument("--out", type=pathlib.Path)
    options = parser.parse_args()
    if not options.weir.exists():
        sys.exit(f"{options.weir} is missing: run `cargo build --release` or pass --weir")
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(options.weir.resolve(), pathlib.Path(folder))
        with contextlib.ExitStack() as stack:
            stack.callback(bench.stop)
            rows, figures = measure(bench, options.rounds, options.seconds)
    day = datetime.date.today().isoformat()
    text = "\n".join([
        f"# Measured on {day}", "",
        f"{options.rounds} interleaved rounds of {options.seconds} s after one to warm up; medians. "
        f"64 connections, 1 KiB request and answer; streams of {CHUNKS} chunks, one every "
        f"{CHUNK_INTERVAL_MS} ms. Every system pinned to one core, load and simulated provider on "
        "the other.", "", *rows, "", *verdicts(figures), "",
    ])
    print(text)
    if options.out:
        options.out.parent.mkdir(parents=True, exist_ok=True)
        options.out.write_text(text)


if __name__ == "__main__":
    main()
