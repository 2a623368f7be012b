"""Runs the checks against a running server and exits non-zero if any fails.

    run.py [--suite main|limits] [--only TEXT]

The endpoint comes from HEADWATER_ENDPOINT. One line is printed for each check.
"""

import argparse
import concurrent.futures
import importlib
import os
import sys
import time
import traceback

import harness

SUITES = {
    "main": ["tables", "settings", "items", "updates", "reads", "indexes", "batches", "transactions", "unsupported"],
    # Needs a server that was started with `--limits aws`.
    "limits": ["limits"],
}
WORKERS = 6


def told(error):
    """What went wrong and in which line of which check."""
    frames = traceback.extract_tb(error.__traceback__)
    lines = [f"  {frame.name}, line {frame.lineno}: {frame.line}"
             for frame in frames if os.sep + "checks" + os.sep in frame.filename]
    return "\n".join(lines + [f"{type(error).__name__}: {error}"])


def run_one(check, endpoint):
    """Returns the check's duration in seconds and its failure, if any, as text."""
    start = time.monotonic()
    try:
        check(harness.World(endpoint))
        failure = None
    except Exception as error:  # a check may fail in any way; the report names it and the run goes on
        failure = told(error)
    return time.monotonic() - start, failure


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--suite", choices=SUITES, default="main")
    parser.add_argument("--only", default="")
    arguments = parser.parse_args()
    endpoint = os.environ["HEADWATER_ENDPOINT"]
    for name in SUITES[arguments.suite]:
        importlib.import_module(f"checks.{name}")
    checks = [c for c in harness.CHECKS if arguments.only in f"{c.__module__}.{c.__name__}"]
    if not checks:
        sys.exit(f"no check has {arguments.only!r} in its name")
    failed = []
    with concurrent.futures.ThreadPoolExecutor(WORKERS) as pool:
        running = {pool.submit(run_one, check, endpoint): check for check in checks}
        for done in concurrent.futures.as_completed(running):
            check = running[done]
            name = f"{check.__module__.removeprefix('checks.')}: {check.__name__.replace('_', ' ')}"
            seconds, failure = done.result()
            print(f"{'FAIL' if failure else 'ok  '} {name} ({seconds:.2f} s)", flush=True)
            if failure:
                failed.append((name, failure))
    for name, failure in sorted(failed):
        print(f"\n--- {name}\n{failure}", flush=True)
    print(f"\n{len(checks) - len(failed)} passed, {len(failed)} failed")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
