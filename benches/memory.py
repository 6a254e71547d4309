#!/usr/bin/env python3
"""How much memory does perch keep after a wave of long answers, and what does an allocator cost?

A perch gets tweets in bulk, pushes matches (`perch bench backlog`), and is then asked for the same page
of 1,000 tweets over 400 connections that read nothing. They close, and its resident memory is looked at
for a while. Each `--preload` is a library that replaces malloc (LD_PRELOAD); the first run of each
round is without. Runs alternate, so that a busy machine is busy for all of them: compare figures of one
run of this script only.

    cargo build --release
    benches/memory.py --rounds 3 --preload /usr/lib/x86_64-linux-gnu/libmimalloc.so.3

Seed and corpus: tweets of 1.4 kB with random words, seed 1. Linux only.
"""

import argparse
import http.client
import json
import os
import random
import re
import select
import socket
import statistics
import subprocess
import sys
import tempfile
import time

TWEETS_OF_A_REQUEST = 5_000


def corpus(tweets):
    """NDJSON bodies."""
    rng = random.Random(1)
    words = ["".join(rng.choices("abcdefghijklmnopqrstuvwxyz", k=rng.randint(2, 9))) for _ in range(20_000)]
    bodies = []
    for start in range(0, tweets, TWEETS_OF_A_REQUEST):
        lines = []
        for at in range(start, min(start + TWEETS_OF_A_REQUEST, tweets)):
            text = " ".join(rng.choices(words, k=180))
            lines.append(json.dumps({"id_str": str(at + 1), "text": f"rust {text}"}))
        bodies.append("\n".join(lines).encode())
    return bodies


class Perch:
    def __init__(self, binary, preload, settings):
        self.dir = tempfile.TemporaryDirectory()
        env = {name: value for name, value in os.environ.items() if not name.startswith("PERCH_")}
        if preload:
            env["LD_PRELOAD"] = preload
        command = [binary, "serve", "--listen", "127.0.0.1:0", "--index-dir", f"{self.dir.name}/index"]
        for setting in ["source=[]", "limits.requests_per_second=0", *settings]:
            command += ["--set", setting]
        self.process = subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        self.url = self.process.stdout.readline().decode().split()[-1]
        self.port = int(self.url.rsplit(":", 1)[1])

    def anonymous_mb(self):
        """Resident memory without mapped files: those are the index."""
        with open(f"/proc/{self.process.pid}/status") as status:
            return int(re.search(r"RssAnon:\s+(\d+)", status.read())[1]) / 1024

    def cpu_seconds(self):
        with open(f"/proc/{self.process.pid}/stat") as stat:
            fields = stat.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def ask(self, method, path, body=None):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=600)
        connection.request(method, path, body)
        answer = connection.getresponse()
        text = answer.read()
        assert answer.status == 200, (answer.status, text[:200])
        return text

    def held_mb(self):
        text = self.ask("GET", "/metrics").decode()
        found = re.search(r"^perch_response_buffer_bytes ([\d.e+]+)", text, re.M)
        return float(found[1]) / 2**20 if found else 0.0

    def stop(self):
        self.process.kill()
        self.process.wait()
        self.dir.cleanup()


def ingest(perch, bodies):
    """The server's CPU time of one tweet, in µs: other programs don't count."""
    before = perch.cpu_seconds()
    for body in bodies:
        perch.ask("POST", "/api/tweets", body)
    return (perch.cpu_seconds() - before) * 1e6 / (len(bodies) * TWEETS_OF_A_REQUEST)


def push(binary, perch, seconds):
    """The server's CPU time of one delivery, percolation included, in µs."""
    command = [binary, "bench", "backlog", "--url", perch.url, "--sessions", "200", "--duration", str(seconds), "--json"]
    report = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True).stdout
    return json.loads(report)["cpu_us_per_delivery"]


def wave(perch, connections):
    """Memory before, in the wave, and 5 and 30 s after it, in MB."""
    perch.ask("GET", "/api/search?q=rust&n=1000")
    before = perch.anonymous_mb()
    sockets = []
    for at in range(connections):
        client = socket.socket()
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8_192)
        # Several addresses, as of several clients.
        client.bind((f"127.0.0.{2 + at % 100}", 0))
        client.connect(("127.0.0.1", perch.port))
        client.sendall(b"GET /api/search?q=rust&n=1000 HTTP/1.1\r\nHost: localhost\r\n\r\n")
        sockets.append(client)
    held = peak = 0.0
    # Each answer has begun when its first bytes are there.
    waiting = set(sockets)
    while waiting:
        waiting -= set(select.select(list(waiting), [], [], 0.2)[0])
        peak, held = max(peak, perch.anonymous_mb()), max(held, perch.held_mb())
    for client in sockets:
        client.close()
    time.sleep(5)
    after_5 = perch.anonymous_mb()
    time.sleep(25)
    return {"before": before, "held": held, "wave": peak, "after 5 s": after_5, "after 30 s": perch.anonymous_mb()}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--perch", default="target/release/perch")
    parser.add_argument("--preload", action="append", default=[], metavar="LIB")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--tweets", type=int, default=50_000)
    parser.add_argument("--connections", type=int, default=400)
    parser.add_argument("--push-seconds", type=int, default=0, help="0: pushes are not measured")
    parser.add_argument("--default-limits", action="store_true", help="the wave is bounded as it is by default")
    arguments = parser.parse_args()
    settings = ["limits.search_timeout_ms=600000"]
    if not arguments.default_limits:
        settings += [f"limits.response_buffer{part}_mb=4096" for part in ["", "_per_address"]]
    bodies = corpus(arguments.tweets)
    figures = {}
    for round in range(arguments.rounds):
        for preload in [None, *arguments.preload]:
            name = os.path.basename(preload) if preload else "as built"
            perch = Perch(arguments.perch, preload, settings)
            try:
                row = {"µs a tweet": ingest(perch, bodies)}
                if arguments.push_seconds:
                    row["µs a delivery"] = push(arguments.perch, perch, arguments.push_seconds)
                row |= wave(perch, arguments.connections)
            finally:
                perch.stop()
            figures.setdefault(name, []).append(row)
            print(f"# round {round + 1}, {name}: {row}", file=sys.stderr)
    columns = list(next(iter(figures.values()))[0])
    print("| allocator | " + " | ".join(columns) + " | 30 s after / before |")
    print("|---" * (len(columns) + 2) + "|")
    for name, rows in figures.items():
        median = {column: statistics.median(row[column] for row in rows) for column in columns}
        cells = " | ".join(f"{median[column]:.{2 if median[column] < 10 else 0}f}" for column in columns)
        print(f"| {name} | {cells} | {median['after 30 s'] / median['before']:.2f} |")


if __name__ == "__main__":
    main()
