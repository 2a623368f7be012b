package compat;

import java.util.Collections;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.Collectors;

/** Two workers in processes of their own share the shards, until one is killed and the other has them all. */
final class Handover {
    private static final int SHARDS = 4;

    private final Stream stream;

    Handover(Aws aws) {
        this.stream = new Stream(aws, "handover").create(SHARDS);
    }

    private Set<String> of(String worker) {
        return stream.owners().entrySet().stream().filter(lease -> lease.getValue().equals(worker))
            .map(Map.Entry::getKey).collect(Collectors.toSet());
    }

    void run() throws InterruptedException {
        try (var first = new WorkerProcess(stream, "first")) {
            // Once it has all, it has certainly been alone: then the other must take some from it.
            Assert.until("the first worker has all leases", () -> of("first").size() == SHARDS, stream::owners);
            try (var second = new WorkerProcess(stream, "second")) {
                shared(first, second);
            }
        }
    }

    private void shared(WorkerProcess first, WorkerProcess second) throws InterruptedException {
        Assert.until("two leases each", () -> of("first").size() == 2 && of("second").size() == 2,
            stream::owners);
        settle(first, second);
        Assert.ok("leases balance between two workers");

        // Each shard: 40 records, one that is checkpointed, 40 more.
        Set<String> early = new HashSet<>(stream.put(SHARDS, Reading.texts("early", SHARDS * 40)));
        Set<String> marked = new HashSet<>(stream.put(SHARDS, Reading.texts("marked", SHARDS).stream()
            .map(text -> text + Processor.Checkpoints.MARK).collect(Collectors.toList())));
        Set<String> late = new HashSet<>(stream.put(SHARDS, Reading.texts("late", SHARDS * 40)));
        Set<String> all = new HashSet<>(early);
        all.addAll(marked);
        all.addAll(late);
        Assert.until("both read their part", () -> union(first, second).containsAll(all),
            () -> union(first, second).size());
        int before = second.seen.records().size();
        List<Seen.Event> killed = first.seen.records();
        Set<String> lost = killed.stream().filter(event -> late.contains(event.data()))
            .map(Seen.Event::shard).collect(Collectors.toSet());
        Assert.equal("shards of the worker that is killed", lost.size(), SHARDS / 2);
        first.kill();
        Assert.until("the second worker has all leases", () -> of("second").size() == SHARDS, stream::owners);
        Assert.ok("a killed worker's leases move");

        Set<String> after = new HashSet<>(stream.put(SHARDS, Reading.texts("after", SHARDS * 10)));
        Assert.until("all that came after the kill", () -> second.seen.distinct().containsAll(after),
            () -> second.seen.texts().size());
        List<Seen.Event> again = second.seen.records().subList(before, second.seen.records().size())
            .stream().filter(event -> lost.contains(event.shard()) && !after.contains(event.data()))
            .collect(Collectors.toList());
        for (String shard : lost) {
            Assert.equal("what is read again of " + shard,
                texts(again, shard),
                texts(killed, shard).stream().filter(late::contains).collect(Collectors.toList()));
        }
        second.seen.inOrder();
        Assert.ok("its records are read again from the checkpoint on, in order, and none is lost");
    }

    /** A worker goes on reading what was taken from it until it notices: this waits until each shard has one reader. */
    private void settle(WorkerProcess first, WorkerProcess second) {
        AtomicInteger round = new AtomicInteger();
        Assert.until("each shard is read by one worker", () -> {
            Set<String> probes = Set.copyOf(stream.put(SHARDS,
                Reading.texts("probe " + round.incrementAndGet(), SHARDS)));
            Assert.until("a probe of each shard is read", () -> union(first, second).containsAll(probes),
                () -> union(first, second));
            return probes.stream().filter(first.seen.distinct()::contains).count() == SHARDS / 2
                && probes.stream().filter(second.seen.distinct()::contains).count() == SHARDS / 2;
        }, stream::owners);
    }

    private static List<String> texts(List<Seen.Event> events, String shard) {
        return events.stream().filter(event -> event.shard().equals(shard)).map(Seen.Event::data)
            .collect(Collectors.toList());
    }

    private static Set<String> union(WorkerProcess... workers) {
        Set<String> texts = Collections.synchronizedSet(new HashSet<>());
        for (WorkerProcess worker : workers) {
            texts.addAll(worker.seen.distinct());
        }
        return texts;
    }
}
