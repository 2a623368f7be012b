"""Drives a server with the KCL for Python: the MultiLangDaemon, in Java, with a processor in Python.

Arguments: a folder to work in. HEADWATER_ENDPOINT says where the server is.
"""

import glob
import os
import signal
import subprocess
import sys
import time

import amazon_kclpy
import boto3

ACCOUNT = "510000000004"
REGION = "eu-central-1"
STREAM = "kcl-python"
RECORDS = 600

PROPERTIES = """\
executableName = {python} -B {processor}
streamName = {stream}
applicationName = {stream}
AwsCredentialsProvider = DefaultCredentialsProvider
initialPositionInStream = TRIM_HORIZON
regionName = {region}
failoverTimeMillis = 3000
shardSyncIntervalMillis = 1000
idleTimeBetweenReadsInMillis = 200
"""


class Daemon:
    """The daemon and its processors, from their start to their end."""

    def __init__(self, work):
        here = os.path.dirname(os.path.abspath(__file__))
        self.seen = os.path.join(work, "seen")
        self.log_path = os.path.join(work, "log")
        properties = os.path.join(work, "kcl.properties")
        with open(properties, "w", encoding="utf-8") as file:
            file.write(PROPERTIES.format(python=sys.executable, processor=os.path.join(here, "processor.py"),
                                         stream=STREAM, region=REGION))
        jars = glob.glob(os.path.join(os.path.dirname(amazon_kclpy.__file__), "jars", "*.jar"))
        environment = dict(
            os.environ,
            SEEN=self.seen,
            AWS_ENDPOINT_URL=os.environ["HEADWATER_ENDPOINT"],
            AWS_ACCESS_KEY_ID=ACCOUNT,
            AWS_SECRET_ACCESS_KEY="secret",
        )
        self.log = open(self.log_path, "w", encoding="utf-8")
        self.process = subprocess.Popen(
            ["java", "-Xmx256m", "-XX:TieredStopAtLevel=1", "-cp", ":".join(sorted(jars)),
             "software.amazon.kinesis.multilang.MultiLangDaemon", "--properties-file", properties],
            env=environment, stdout=self.log, stderr=self.log)

    def records(self):
        """What the processors wrote: shard, sequence number, text."""
        if not os.path.exists(self.seen):
            return []
        with open(self.seen, encoding="utf-8") as file:
            lines = [line for line in file if line.endswith("\n")]
        return [tuple(line.rstrip("\n").split("\t")) for line in lines]

    def until(self, texts):
        """Waits until all of `texts` have been seen, for at most 90 s."""
        deadline = time.monotonic() + 90
        while not texts <= {text for _, _, text in self.records()}:
            if time.monotonic() > deadline or self.process.poll() is not None:
                with open(self.log_path, encoding="utf-8") as log:
                    print("".join(log.readlines()[-60:]))
                sys.exit(f"FAIL {len(self.records())} records seen, exit {self.process.poll()}")
            time.sleep(0.1)

    def stop(self):
        """SIGTERM: the daemon ends in an orderly manner."""
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(60)
        self.log.close()


def check(what, holds):
    if not holds:
        sys.exit(f"FAIL {what}")


def put(kinesis, name, count):
    texts = [f"{name} {n}" for n in range(count)]
    for first in range(0, count, 500):
        answer = kinesis.put_records(StreamName=STREAM, Records=[
            {"PartitionKey": text, "Data": text.encode()} for text in texts[first:first + 500]])
        check("all are put", answer["FailedRecordCount"] == 0)
    return set(texts)


def in_order(records):
    """Each shard's sequence numbers grow."""
    last = {}
    for shard, number, text in records:
        check(f"{text} comes in order", last.get(shard, -1) < int(number))
        last[shard] = int(number)
    return len(last)


def main():
    work = sys.argv[1]
    kinesis = boto3.client("kinesis", region_name=REGION, endpoint_url=os.environ["HEADWATER_ENDPOINT"],
                           aws_access_key_id=ACCOUNT, aws_secret_access_key="secret")
    kinesis.create_stream(StreamName=STREAM, ShardCount=2)
    kinesis.get_waiter("stream_exists").wait(StreamName=STREAM, WaiterConfig={"Delay": 1})
    texts = put(kinesis, "before", RECORDS)
    daemon = Daemon(work)
    try:
        daemon.until(texts)
        texts |= put(kinesis, "live", 100)
        daemon.until(texts)
    finally:
        daemon.stop()
    records = daemon.records()
    check(f"{len(records)} records, each once", len(records) == len(texts))
    check("both shards are read", in_order(records) == 2)
    print("ok   a processor in Python reads all records once, in order")


main()
