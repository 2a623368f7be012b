"""Runs Celery workers against a server's SQS and gives them tasks: results, retries, countdowns, order, a killed worker.

The endpoint comes from HEADWATER_ENDPOINT; the argument is an empty folder to work in.
"""

import os
import signal
import subprocess
import sys
import time

FOLDER = sys.argv[1]
os.environ["RESULTS"] = FOLDER

import boto3  # noqa: E402: the application reads RESULTS when it is imported
import tasks  # noqa: E402

HERE = os.path.dirname(os.path.abspath(__file__))


def equal(what, seen, expected):
    if seen != expected:
        raise AssertionError(f"{what}: expected {expected}, saw {seen}")


def until(what, look, seconds=30):
    deadline = time.monotonic() + seconds
    while not look():
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds} s: {what}")
        time.sleep(0.05)


def journal():
    try:
        with open(os.path.join(FOLDER, "journal"), encoding="utf-8") as file:
            return file.read().splitlines()
    except FileNotFoundError:
        return []


class Worker:
    """A worker of two processes, in a process group of its own."""

    def __init__(self, name, queues="celery", processes=2):
        self.log = open(os.path.join(FOLDER, f"{name}.log"), "w+", encoding="utf-8")
        self.process = subprocess.Popen(
            [sys.executable, "-B", "-m", "celery", "--app", "tasks", "worker", "--loglevel", "INFO",
             "--queues", queues, "--concurrency", str(processes), "--without-gossip", "--without-mingle",
             "--hostname", f"{name}@compat"],
            cwd=HERE, stdout=self.log, stderr=subprocess.STDOUT, start_new_session=True,
        )

    def kill(self):
        """Ends all of its processes where they stand."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def stop(self):
        """A warm shutdown: what was begun is ended."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.kill()
                raise

    def told(self):
        self.log.seek(0)
        return "".join(self.log.readlines()[-40:])


def results():
    numbers = range(60)
    sums = [tasks.add.delay(number, 1) for number in numbers]
    equal("sums", [result.get(timeout=60) for result in sums], [number + 1 for number in numbers])
    print("ok   60 tasks have their results")
    value = {"text": "ünïcödé ∑ <&>", "list": [1, None, {"a": 1.5}], "long": "x" * 300_000}
    equal("a value", tasks.echo.delay(value).get(timeout=30), value)
    print("ok   what a task is given comes back as it was")


def retries():
    equal("retries", tasks.flaky.delay().get(timeout=30), 2)
    equal("tries", [line for line in journal() if line.startswith("flaky")], ["flaky 0", "flaky 1", "flaky 2"])
    print("ok   a task that fails is tried again")


def countdown():
    start = time.time()
    ran = tasks.when.apply_async(countdown=3).get(timeout=30) - start
    if not 2.9 <= ran < 6:
        raise AssertionError(f"a task in 3 s, took {ran:.1f} s")
    print("ok   a task with a countdown runs when it is due")


def in_order():
    worker = Worker("ordered", "ordered.fifo", processes=1)
    try:
        for number in range(8):
            tasks.ordered.delay(number)
        until("all ordered tasks ran", lambda: sum(line.startswith("ordered") for line in journal()) == 8)
        equal("their order", [line for line in journal() if line.startswith("ordered")],
              [f"ordered {number}" for number in range(8)])
    except BaseException:
        print(worker.told())
        raise
    finally:
        worker.stop()
    print("ok   tasks of a FIFO queue run in their order")


def killed(worker):
    """A worker dies in the middle of a task that is acknowledged late: another gets it, and it alone."""
    result = tasks.slow.delay(2)
    until("the slow task began", lambda: any(line.startswith("slow") for line in journal()))
    worker.kill()
    other = Worker("second")
    try:
        ran_in = result.get(timeout=60)
        begun = [line for line in journal() if line.startswith("slow")]
        equal("times it was begun", len(begun), 2)
        equal("who ended it", begun[1], f"slow {ran_in}")
        queue_is_empty("celery-celery")
    except BaseException:
        print(other.told())
        raise
    finally:
        other.stop()
    print("ok   the task of a killed worker is another's")


def queue_is_empty(name):
    sqs = boto3.client(
        "sqs", endpoint_url=os.environ["HEADWATER_ENDPOINT"], region_name="us-east-2",
        aws_access_key_id="600000000002", aws_secret_access_key="secret",
    )
    url = sqs.get_queue_url(QueueName=name)["QueueUrl"]
    kinds = [f"ApproximateNumberOfMessages{kind}" for kind in ("", "NotVisible", "Delayed")]

    def look():
        told = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=kinds)["Attributes"]
        return all(told[kind] == "0" for kind in kinds)

    until(f"{name} is empty", look)


def main():
    worker = Worker("first")
    try:
        results()
        retries()
        countdown()
        queue_is_empty("celery-celery")
        print("ok   nothing is left in the queue")
        in_order()
        killed(worker)
    except BaseException as error:
        print(f"FAIL {type(error).__name__}: {error}\n{worker.told()}")
        sys.exit(1)
    finally:
        if worker.process.poll() is None:
            worker.kill()


if __name__ == "__main__":
    main()
