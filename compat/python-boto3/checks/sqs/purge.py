"""PurgeQueue: all that is there goes, whatever its state, once a minute."""

from harness import check, equal, refused, true
from queue_world import PREFIX, bodies


@check
def a_purge_takes_what_waits_is_in_flight_and_delayed(world):
    for url, more in ((world.queue(), {}), (world.fifo(ContentBasedDeduplication="true"), {"MessageGroupId": "g"})):
        world.send_all(url, map(str, range(15)), **more)
        if not more:
            world.send(url, "later", DelaySeconds=1)
        held = world.receive_all(url, 3)
        world.sqs.purge_queue(QueueUrl=url)
        equal(world.counts(url), [0, 0, 0])
        world.nothing(url, wait=2)
        # Its handles are of no message, which is no error to delete.
        world.delete(url, held[0])
        world.send(url, "new", **more)
        equal(bodies(world.receive_all(url, 1)), ["new"])


@check
def a_second_purge_within_a_minute_is_refused(world):
    url, other = world.queue(), world.queue()
    world.sqs.purge_queue(QueueUrl=url)
    error = refused(PREFIX + "PurgeQueueInProgress", world.sqs.purge_queue, QueueUrl=url)
    kind = world.sqs.exceptions.PurgeQueueInProgress
    true(isinstance(error, kind), f"PurgeQueueInProgress, saw {type(error)}")
    world.sqs.purge_queue(QueueUrl=other)
