"""The Celery application: its broker is a server's SQS, its results are files in the folder RESULTS."""

import os
import time
import urllib.parse

from celery import Celery

ENDPOINT = urllib.parse.urlsplit(os.environ["HEADWATER_ENDPOINT"])
RESULTS = os.environ["RESULTS"]
# Seconds after which a message whose worker died is another's.
VISIBILITY = 6

app = Celery(
    "compat",
    broker=f"sqs://600000000002:secret@{ENDPOINT.hostname}:{ENDPOINT.port}",
    backend=f"file://{RESULTS}",
)
app.conf.update(
    broker_transport_options={
        "is_secure": False, "region": "us-east-2", "queue_name_prefix": "celery-",
        "visibility_timeout": VISIBILITY, "wait_time_seconds": 5, "polling_interval": 0,
    },
    # Fanout, by which workers are asked things, is SNS's with this broker.
    worker_enable_remote_control=False,
    worker_prefetch_multiplier=1,
    broker_connection_retry_on_startup=True,
    task_routes={"tasks.ordered": {"queue": "ordered.fifo"}},
)


def note(line):
    """Appends a line to the journal of what workers did."""
    with open(os.path.join(RESULTS, "journal"), "a", encoding="utf-8") as file:
        file.write(line + "\n")


@app.task
def add(x, y):
    return x + y


@app.task(bind=True, max_retries=5)
def flaky(self):
    """Fails twice."""
    note(f"flaky {self.request.retries}")
    if self.request.retries < 2:
        raise self.retry(countdown=1)
    return self.request.retries


@app.task
def when():
    return time.time()


@app.task(acks_late=True)
def slow(seconds):
    note(f"slow {os.getpid()}")
    time.sleep(seconds)
    return os.getpid()


@app.task
def ordered(number):
    note(f"ordered {number}")


@app.task
def echo(value):
    return value
