"""Checks of CloudWatch's metrics by boto3's core, each over every protocol; and a restart.

    main.py checks | published | write FILE | verify FILE

The endpoint comes from HEADWATER_ENDPOINT, the key from the usual variables. One line is printed for each check.
"""

import sys
import traceback

import checks_data
import checks_put
import checks_read
import client
import kept
import published


def run():
    failures = 0
    for module in (checks_put, checks_read, checks_data):
        for check in module.CHECKS:
            for protocol in client.PROTOCOLS:
                name = f"{check.__name__.replace('_', ' ')} ({protocol})"
                try:
                    check(client.make_client(protocol))
                    print(f"ok: {name}")
                except Exception:
                    failures += 1
                    print(f"FAILED: {name}\n{traceback.format_exc()}")
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    action, *rest = sys.argv[1:]
    {"checks": run, "published": published.check, "write": kept.write, "verify": kept.verify}[action](*rest)
