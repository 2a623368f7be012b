"""Fair queues: a standard queue whose messages name their tenants keeps none of them waiting behind another's crowd."""

from harness import check, equal, refused, true
from queue_world import INVALID_VALUE, bodies


@check
def a_quiet_tenant_does_not_wait_behind_a_noisy_one(world):
    url = world.queue()
    world.send_all(url, [f"noisy {n}" for n in range(120)], MessageGroupId="noisy")
    world.receive_all(url, 60)
    world.send(url, "quiet", MessageGroupId="quiet")
    # 60 of the noisy tenant's are in flight and 60 wait: the quiet one's turn comes within the next two receives.
    soon = world.receive_all(url, 20)
    true("quiet" in bodies(soon), "the quiet tenant's message among the next 20 of 61")


@check
def tenants_are_told_and_block_nobody(world):
    url = world.queue()
    world.send_all(url, ["a", "b", "c"], MessageGroupId="tenant")
    messages = []
    for _ in range(3):
        messages += world.receive_all(url, 1)
    # Unlike in a FIFO queue, one in flight does not keep the others back.
    equal(sorted(bodies(messages)), ["a", "b", "c"])
    equal({m["Attributes"]["MessageGroupId"] for m in messages}, {"tenant"})
    true(all("SequenceNumber" not in m["Attributes"] for m in messages), "no sequence numbers")
    refused(INVALID_VALUE, world.send, url=url, body="x", MessageGroupId="x" * 129)
