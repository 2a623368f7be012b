package compat;

import java.util.HashSet;
import java.util.Set;

/** What an application finds after the server was killed: its leases, its checkpoints, the records since. */
final class Restart {
    private static final int SHARDS = 2;

    private final Stream stream;

    Restart(Aws aws) {
        this.stream = new Stream(aws, "restart");
    }

    private Worker worker(Seen seen) {
        return new Worker(stream.aws, stream.name, stream.name, "reader", Worker.Mode.POLLING,
            Processor.Checkpoints.BATCHES, seen::add);
    }

    void before() {
        stream.create(SHARDS);
        Set<String> put = new HashSet<>(stream.put(SHARDS, Reading.texts("before", 200)));
        Seen seen = new Seen();
        try (Worker worker = worker(seen)) {
            Assert.until("what was there", () -> seen.distinct().equals(put), () -> seen.distinct().size());
        }
        stream.put(SHARDS, Reading.texts("meanwhile", 100));
        Assert.ok("read and checkpointed");
    }

    void after() {
        Set<String> expected = new HashSet<>(Reading.texts("meanwhile", 100));
        expected.addAll(stream.put(SHARDS, Reading.texts("after", 100)));
        Seen seen = new Seen();
        try (Worker worker = worker(seen)) {
            Assert.until("what came since the checkpoints", () -> seen.distinct().containsAll(expected),
                () -> seen.distinct().size());
        }
        seen.inOrder();
        Assert.equal("nothing from before the checkpoints", seen.distinct(), expected);
        Assert.ok("checkpoints and records survive a kill of the server");
    }
}
