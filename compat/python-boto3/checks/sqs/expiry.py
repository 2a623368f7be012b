"""Retention: the one limit that takes a minute to see."""

import time

from harness import check, equal
from queue_world import bodies


@check
def messages_are_kept_for_the_retention_period_and_no_longer(world):
    url = world.queue(MessageRetentionPeriod=60)
    kept = world.queue(MessageRetentionPeriod=60)
    sent = time.monotonic()
    for queue in (url, kept):
        world.send_all(queue, ["waiting", "given back"])
        message = world.receive_one(queue)
        world.hide(queue, message, 62)
    # A longer period holds for messages that are there already.
    world.set(kept, MessageRetentionPeriod=1_209_600)
    time.sleep(50 - (time.monotonic() - sent))  # a retention period is a time that must pass
    equal(world.counts(url), [1, 1, 0])
    # Neither what waited nor what comes back from its receiver too late is given out again.
    time.sleep(11)
    world.nothing(url, wait=4)
    equal(world.counts(url), [0, 0, 0])
    equal(len(bodies(world.receive_all(kept, 2))), 2)
