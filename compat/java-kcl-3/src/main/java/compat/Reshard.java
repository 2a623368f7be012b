package compat;

import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;

/** A shard is split and its halves are merged, before a worker starts and while it reads. */
final class Reshard {
    private final Stream stream;
    private final Worker.Mode mode;
    private final Set<String> put = new HashSet<>();
    private final Map<String, Set<String>> parents = new HashMap<>();

    Reshard(Aws aws, Worker.Mode mode) {
        this.mode = mode;
        this.stream = new Stream(aws, "reshard-" + mode).create(1);
    }

    /** From one open shard to two and back to one, with records at each step. */
    private void splitAndMerge(String name) {
        String first = stream.open().get(0);
        put.addAll(stream.put(2, Reading.texts(name + " whole", 100)));
        stream.split(first);
        put.addAll(stream.put(2, Reading.texts(name + " halves", 100)));
        List<String> halves = stream.open();
        stream.merge(halves.get(0), halves.get(1));
        put.addAll(stream.put(2, Reading.texts(name + " merged", 100)));
        halves.forEach(half -> parents.put(half, Set.of(first)));
        parents.put(stream.open().get(0), Set.copyOf(halves));
    }

    void run() {
        splitAndMerge("before");
        Seen seen = new Seen();
        Worker worker = new Worker(stream.aws, stream.name, stream.name, "reader", mode,
            Processor.Checkpoints.BATCHES, seen::add);
        try {
            Assert.until(stream.name + ": what was there", () -> seen.distinct().equals(put),
                () -> seen.distinct().size());
            splitAndMerge("live");
            Assert.until(stream.name + ": what came", () -> seen.distinct().equals(put),
                () -> seen.distinct().size() + " of " + put.size());
            Assert.until(stream.name + ": closed shards end", () -> seen.ended().size() == 6,
                () -> seen.ended().size());
            Map<String, String> checkpoints = stream.checkpoints();
            // The KCL removes the leases of finished shards in time.
            seen.ended().forEach(shard -> Assert.equal("checkpoint of " + shard,
                checkpoints.getOrDefault(shard, "SHARD_END"), "SHARD_END"));
        } finally {
            worker.stop();
        }
        seen.inOrder();
        Assert.equal(stream.name + ": each record once", seen.texts().size(), put.size());
        parentsFirst(seen);
        Assert.ok(stream.name + ": parents are read to their end before their children");
    }

    private void parentsFirst(Seen seen) {
        Set<String> ended = new HashSet<>();
        for (Seen.Event event : seen.events()) {
            if (event.isEnd()) {
                ended.add(event.shard());
            }
            Set<String> wanted = parents.getOrDefault(event.shard(), Set.of());
            Assert.isTrue(wanted + " end before " + event, ended.containsAll(wanted));
        }
    }
}
