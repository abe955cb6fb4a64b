#!/usr/bin/env python3
"""What a long file costs on its way up and down: CPU per MiB beside nginx, and memory.

    python3 bench/files.py                 # 512 MiB, three rounds, target/release/weir
    python3 bench/files.py --mib 64 --rounds 1 --weir target/debug/weir   # does it run?

The simulated provider holds one file of each system; a machine needs three times the file's length free.
"""

import argparse
import http.client
import json
import pathlib
import statistics
import tempfile
import time

from measure.processes import Processes, cpu_us
from measure.redis import Redis
from measure.systems import MEMORY, NGINX, Stage, System

MIB = 1 << 20
BOUNDARY = "bench"
HEAD = (
    f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="purpose"\r\n\r\nuser_data\r\n'
    f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="f"\r\n\r\n'
).encode()
END = f"\r\n--{BOUNDARY}--\r\n".encode()
START_SECONDS, PATIENCE_SECONDS = 60, 600


def resident_mib(pid: int, what: str) -> float:
    for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(f"{what}:"):
            return int(line.split()[1]) / 1024
    return 0.0


def call(system: System, method: str, path: str, body=None, headers=None) -> http.client.HTTPResponse:
    connection = http.client.HTTPConnection("127.0.0.1", system.port, timeout=PATIENCE_SECONDS)
    connection.request(method, path, body, {"authorization": "Bearer bench", **(headers or {})})
    return connection.getresponse()


def answers(system: System) -> None:
    """Waits until it does."""
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            if call(system, "GET", "/v1/files").status == 200:
                return
        except OSError:
            pass
        if time.monotonic() > deadline:
            raise SystemExit(f"{system.name} does not answer")
        time.sleep(0.2)


def upload(system: System, mib: int) -> str:
    piece = b"0123456789abcde\n" * (MIB // 16)

    def form():
        yield HEAD
        for _ in range(mib):
            yield piece
        yield END

    headers = {
        "content-type": f"multipart/form-data; boundary={BOUNDARY}",
        "content-length": str(len(HEAD) + mib * MIB + len(END)),
    }
    answer = call(system, "POST", "/v1/files", form(), headers)
    told = json.loads(answer.read())
    if answer.status != 200 or told["bytes"] != mib * MIB:
        raise SystemExit(f"{system.name}: {answer.status} {told}")
    return told["id"]


def download(system: System, id: str, mib: int) -> None:
    answer = call(system, "GET", f"/v1/files/{id}/content")
    length = 0
    while piece := answer.read(MIB):
        length += len(piece)
    if answer.status != 200 or length != mib * MIB:
        raise SystemExit(f"{system.name}: {answer.status}, {length} bytes came")


def measured(system: System, work) -> tuple[float, float, object]:
    """CPU in µs, and by how many MiB the process that grew most has grown."""
    pids = system.pids()
    before = {pid: resident_mib(pid, "VmRSS") for pid in pids}
    for pid in pids:
        pathlib.Path(f"/proc/{pid}/clear_refs").write_text("5")
    begun = cpu_us(pids)
    done = work()
    cpu = cpu_us(pids) - begun
    grown = max(resident_mib(pid, "VmHWM") - was for pid, was in before.items())
    return cpu, grown, done


def one_round(weir: pathlib.Path, mib: int) -> dict:
    found = {}
    with tempfile.TemporaryDirectory() as folder, Processes(pathlib.Path(folder)) as processes:
        stage = Stage(processes, weir, True, body_mib=mib + 1)
        redis = Redis(processes, stage.system_core, "services")
        for system in [stage.nginx(), stage.all_in_one(MEMORY, None), stage.services(redis)]:
            answers(system)
            upload(system, 1)
            up, up_grown, id = measured(system, lambda: upload(system, mib))
            down, down_grown, _ = measured(system, lambda: download(system, id, mib))
            call(system, "DELETE", f"/v1/files/{id}").read()
            processes.check_alive()
            found[system.name] = (up / mib, down / mib, max(up_grown, down_grown))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--mib", type=int, default=512)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--weir", type=pathlib.Path, default=pathlib.Path("target/release/weir"))
    options = parser.parse_args()
    rounds = [one_round(options.weir.resolve(), options.mib) for _ in range(options.rounds)]
    print(f"a file of {options.mib} MiB, medians of {options.rounds}")
    print("| system | up, CPU µs/MiB | × nginx | down, CPU µs/MiB | × nginx | grew by MiB |")
    print("|---|---|---|---|---|---|")
    for name in rounds[0]:
        cells = []
        for at in (0, 1):
            cost = statistics.median(one[name][at] for one in rounds)
            ratio = statistics.median(one[name][at] / one[NGINX][at] for one in rounds)
            cells += [f"{cost:.0f}", f"{ratio:.2f}"]
        grown = max(one[name][2] for one in rounds)
        print(f"| {name} | {' | '.join(cells)} | {grown:.0f} |")


if __name__ == "__main__":
    main()
