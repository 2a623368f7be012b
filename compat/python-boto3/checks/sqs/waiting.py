"""Delays and long polls: who waits how long."""

import concurrent.futures
import time

from harness import check, equal, true
from queue_world import bodies


def seconds(function):
    """What the call answers and how long it took."""
    start = time.monotonic()
    answer = function()
    return answer, time.monotonic() - start


@check
def a_long_poll_wakes_when_a_message_arrives(world):
    url = world.queue()
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        poll = pool.submit(lambda: (world.receive(url, wait=20), time.monotonic()))
        time.sleep(2)
        true(not poll.done(), "the poll waits")
        sent = time.monotonic()
        world.send(url, "wake up")
        messages, woken = poll.result()
    equal(bodies(messages), ["wake up"])
    true(woken - sent < 10, f"awake within 10 s of the send, took {woken - sent:.2f} s")


@check
def a_long_poll_of_an_empty_queue_lasts_its_time(world):
    url = world.queue()
    messages, took = seconds(lambda: world.receive(url, wait=2))
    equal(messages, [])
    true(1.9 <= took < 15, f"2 s, took {took:.2f} s")
    messages, took = seconds(lambda: world.receive(url))
    equal(messages, [])
    true(took < 10, f"a short poll answers at once, took {took:.2f} s")


@check
def a_queue_may_make_long_polls_its_default(world):
    url = world.queue(ReceiveMessageWaitTimeSeconds=2)
    _, took = seconds(lambda: world.sqs.receive_message(QueueUrl=url))
    true(1.9 <= took < 15, f"2 s by the queue's own setting, took {took:.2f} s")
    patient = world.queue(ReceiveMessageWaitTimeSeconds=20)
    _, took = seconds(lambda: world.sqs.receive_message(QueueUrl=patient, WaitTimeSeconds=0))
    true(took < 10, f"a request's 0 is a short poll, took {took:.2f} s")


@check
def one_message_wakes_one_of_many_pollers(world):
    url = world.queue()
    with concurrent.futures.ThreadPoolExecutor(5) as pool:
        polls = [pool.submit(world.receive, url, 10, 4) for _ in range(5)]
        time.sleep(1)
        world.send(url, "one")
        seen = sum((bodies(poll.result()) for poll in polls), [])
    equal(seen, ["one"])


@check
def pollers_share_what_arrives(world):
    url = world.queue()
    sent = [str(n) for n in range(40)]
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        polls = [pool.submit(world.receive_all, url, 10, 30) for _ in range(4)]
        world.send_all(url, sent)
        seen = sum((bodies(poll.result()) for poll in polls), [])
    equal(sorted(seen), sorted(sent))


@check
def a_poller_that_went_away_takes_nothing_with_it(world):
    """A client that gave up in mid-poll must not swallow the message that comes next."""
    import http.client
    import urllib.parse

    url = world.queue()
    address = urllib.parse.urlsplit(world.endpoint)
    connection = http.client.HTTPConnection(address.hostname, address.port, timeout=10)
    scope = f"{world.account}/20300101/{world.region}/sqs/aws4_request"
    body = urllib.parse.urlencode({"Action": "ReceiveMessage", "WaitTimeSeconds": "20", "QueueUrl": url})
    connection.request("POST", "/", body, {
        "Content-Type": "application/x-www-form-urlencoded",
        "Authorization": f"AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature=0",
    })
    time.sleep(0.5)
    connection.sock.close()
    connection.close()
    time.sleep(0.5)
    world.send(url, "for whoever is there")
    equal(world.receive_one(url, seconds=5)["Body"], "for whoever is there")


@check
def a_delayed_message_is_seen_after_its_delay(world):
    url = world.queue()
    sent = time.monotonic()
    world.send(url, "later", DelaySeconds=2)
    world.send(url, "now")
    equal(bodies(world.receive_all(url, 1)), ["now"])
    equal(world.counts(url), [0, 1, 1])
    message = world.receive_one(url)
    took = time.monotonic() - sent
    equal(message["Body"], "later")
    true(1.9 <= took < 15, f"2 s, took {took:.2f} s")
    # It was sent when it was sent, not when it was seen.
    told = message["Attributes"]
    waited = int(told["ApproximateFirstReceiveTimestamp"]) - int(told["SentTimestamp"])
    true(waited >= 1900, f"received 2 s after it was sent, saw {waited} ms")


@check
def a_queue_delays_what_does_not_say_otherwise(world):
    url = world.queue(DelaySeconds=2)
    sent = time.monotonic()
    world.send(url, "default")
    world.send(url, "at once", DelaySeconds=0)
    equal(bodies(world.receive_all(url, 1)), ["at once"])
    equal(bodies(world.receive_all(url, 1)), ["default"])
    took = time.monotonic() - sent
    true(1.9 <= took < 15, f"2 s, took {took:.2f} s")


@check
def a_fifo_queue_delays_all_or_none(world):
    url = world.fifo(DelaySeconds=2, ContentBasedDeduplication="true")
    sent = time.monotonic()
    # In one batch: a poll that woke between the two would hold the first and with it the group.
    world.send_all(url, ["a", "b"], MessageGroupId="g")
    equal(bodies(world.receive(url, wait=10)), ["a", "b"])
    took = time.monotonic() - sent
    true(1.9 <= took < 15, f"2 s, took {took:.2f} s")


@check
def a_changed_delay_of_a_standard_queue_is_for_new_messages(world):
    url = world.queue()
    world.send(url, "old")
    world.set(url, DelaySeconds=900)
    world.send(url, "new")
    equal(bodies(world.receive_all(url, 1)), ["old"])
    world.set(url, DelaySeconds=0)
    equal(world.counts(url), [0, 1, 1])
