"""Runs the checks of one suite against a running server and exits non-zero if any fails.

    run.py [--suite NAME] [--only TEXT] [--operations FILE]

The endpoint comes from HEADWATER_ENDPOINT. One line is printed for each check. With --operations,
the names of all operations called are written to FILE, one a line, in alphabetical order.
"""

import argparse
import concurrent.futures
import importlib
import os
import sys
import time
import traceback

import harness
import queue_world

# What each suite's checks stand in, and how many of them run at once: those of queues wait for timeouts most of the time.
WORLDS = {
    "sqs": (queue_world.QueueWorld, 24),
    "sqs-auth": (queue_world.QueueWorld, 6),
}
SUITES = {
    "main": [
        "streams", "listing", "puts", "put_limits", "iterators", "reads", "shards", "reshard", "scaling",
        "settings", "capacity", "consumers", "fanout", "tags", "policies", "identity", "validation",
        "dry_run", "unsupported", "transport",
        "beyond", "queues.life", "queues.records", "queues.dead_letters",
    ],
    # Needs a server that was started with `--limits aws`.
    "limits": ["limits"],
    # Needs a server that was started with `--auth on` and the key that checks/auth.py names.
    "auth": ["auth"],
    "sqs": [
        "sqs.expiry", "sqs.moves", "sqs.dead_letters", "sqs.queues", "sqs.attributes", "sqs.messages", "sqs.message_limits",
        "sqs.waiting", "sqs.visibility", "sqs.batches", "sqs.fifo", "sqs.fifo_groups", "sqs.fair", "sqs.purge",
        "sqs.tags", "sqs.permissions", "sqs.wire",
    ],
    # Needs the same server as the suite auth.
    "sqs-auth": ["sqs.auth"],
}
# Suites that must call every operation that botocore's model of a service has.
COMPLETE = {"sqs": "sqs"}


def told(error):
    """What went wrong and in which line of which check."""
    frames = traceback.extract_tb(error.__traceback__)
    lines = [f"  {frame.name}, line {frame.lineno}: {frame.line}"
             for frame in frames if os.sep + "checks" + os.sep in frame.filename]
    return "\n".join(lines + [f"{type(error).__name__}: {error}"])


def run_one(check, world, endpoint):
    """Returns the check's duration in seconds and its failure, if any, as text."""
    start = time.monotonic()
    try:
        check(world(endpoint))
        failure = None
    except Exception as error:  # a check may fail in any way; the report names it and the run goes on
        failure = told(error)
    return time.monotonic() - start, failure


def uncalled(service):
    """Operations of the service that no check has called."""
    model = harness.make_client("http://127.0.0.1", "0" * 12, service=service).meta.service_model
    return sorted(set(model.operation_names) - set(harness.operations_called()))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--suite", choices=SUITES, default="main")
    parser.add_argument("--only", default="")
    parser.add_argument("--operations")
    arguments = parser.parse_args()
    endpoint = os.environ["HEADWATER_ENDPOINT"]
    for name in SUITES[arguments.suite]:
        importlib.import_module(f"checks.{name}")
    checks = [c for c in harness.CHECKS if arguments.only in f"{c.__module__}.{c.__name__}"]
    if not checks:
        sys.exit(f"no check has {arguments.only!r} in its name")

    failed = []
    world, workers = WORLDS.get(arguments.suite, (harness.World, 6))
    with concurrent.futures.ThreadPoolExecutor(workers) as pool:
        running = {pool.submit(run_one, check, world, endpoint): check for check in checks}
        for done in concurrent.futures.as_completed(running):
            check = running[done]
            name = f"{check.__module__.removeprefix('checks.')}: {check.__name__.replace('_', ' ')}"
            seconds, failure = done.result()
            print(f"{'FAIL' if failure else 'ok  '} {name} ({seconds:.2f} s)", flush=True)
            if failure:
                failed.append((name, failure))
    for name, failure in sorted(failed):
        print(f"\n--- {name}\n{failure}", flush=True)
    missed = uncalled(COMPLETE[arguments.suite]) if arguments.suite in COMPLETE and not arguments.only else []
    if missed:
        print(f"\nFAIL operations that no check calls: {', '.join(missed)}")
    if arguments.operations:
        with open(arguments.operations, "w", encoding="utf-8") as file:
            file.writelines(f"{name}\n" for name in harness.operations_called())
    print(f"\n{len(checks) - len(failed)} passed, {len(failed)} failed")
    sys.exit(1 if failed or missed else 0)


if __name__ == "__main__":
    main()
