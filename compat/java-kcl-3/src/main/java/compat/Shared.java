package compat;

import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Function;
import java.util.stream.Collectors;
import java.util.stream.IntStream;

/**
 * A worker of the KCL and one of our own library share the leases of one application: they balance, and whoever is left
 * goes on after the other's checkpoints, which lie inside of aggregated records.
 */
final class Shared {
    private static final int SHARDS = 4;
    /** Rounds until one goes undisturbed. */
    private static final int ATTEMPTS = 5;

    private final Stream stream;
    /** Where the program of our own worker is. */
    private final String ours;
    private final AtomicInteger round = new AtomicInteger();

    Shared(Aws aws, String ours) {
        this.stream = new Stream(aws, "shared").create(SHARDS);
        this.ours = ours;
    }

    private Set<String> of(WorkerProcess worker) {
        return stream.owners().entrySet().stream().filter(lease -> lease.getValue().equals(worker.name))
            .map(Map.Entry::getKey).collect(Collectors.toSet());
    }

    void run() throws InterruptedException {
        try (var kcl = new WorkerProcess(stream, "kcl")) {
            // Once it has all, it has certainly been alone: then the other must get some from it.
            Assert.until("the KCL's worker has all leases", () -> of(kcl).size() == SHARDS, stream::owners);
            try (var our = WorkerProcess.ours(ours, stream, "ours")) {
                balance(kcl, our);
                Assert.ok("a worker of ours gets its share of a KCL worker's leases");
                List<Round> rounds = read(kcl, our);
                kcl.kill();
                takeOver(our, kcl, rounds);
                Assert.ok("it takes over from a KCL worker that is killed, from the checkpoints on");
                try (var next = new WorkerProcess(stream, "kcl-2")) {
                    balance(next, our);
                    Assert.ok("a KCL worker gets its share of our worker's leases");
                    rounds = read(next, our);
                    our.kill();
                    takeOver(next, our, rounds);
                    Assert.ok("it takes over from a worker of ours that is killed, from the checkpoints on");
                    stopped(next);
                }
            }
        }
    }

    /** A worker of ours that stops gives its leases back, and the KCL's worker goes on from the checkpoints. */
    private void stopped(WorkerProcess kcl) throws InterruptedException {
        try (var our = WorkerProcess.ours(ours, stream, "ours-2")) {
            balance(kcl, our);
            List<Round> rounds = read(kcl, our);
            our.stop();
            takeOver(kcl, our, rounds);
            Assert.ok("it takes over from a worker of ours that stops, from the checkpoints on");
        }
    }

    /** Waits until each has half of the leases, and each shard just one reader. */
    private void balance(WorkerProcess one, WorkerProcess other) {
        Assert.until("two leases each", () -> of(one).size() == 2 && of(other).size() == 2, stream::owners);
        // Whom a lease is taken from goes on reading until it notices.
        Assert.until("each shard is read by one worker", () -> {
            Set<String> probes = Set.copyOf(stream.put(SHARDS,
                Reading.texts("probe " + round.incrementAndGet(), SHARDS)));
            Assert.until("a probe of each shard is read", () -> union(one, other).containsAll(probes),
                () -> union(one, other));
            return probes.stream().filter(one.seen.distinct()::contains).count() == SHARDS / 2
                && probes.stream().filter(other.seen.distinct()::contains).count() == SHARDS / 2;
        }, stream::owners);
    }

    /** What was put into one shard: up to the checkpoint, and after it. */
    private record Round(List<String> early, List<String> late) {
        java.util.stream.Stream<String> texts() {
            return java.util.stream.Stream.concat(early.stream(), late.stream());
        }
    }

    /** A round in which no lease moved. One may, at any time, and what follows its checkpoint is then read by both. */
    private List<Round> read(WorkerProcess one, WorkerProcess other) {
        for (int attempt = 0; attempt < ATTEMPTS; attempt++) {
            List<Round> rounds = put(one, other);
            Map<String, Long> readers = java.util.stream.Stream.concat(one.seen.texts().stream(), other.seen.texts().stream())
                .collect(Collectors.groupingBy(Function.identity(), Collectors.counting()));
            if (rounds.stream().flatMap(Round::texts).allMatch(text -> readers.get(text) == 1)) {
                return rounds;
            }
            balance(one, other);
        }
        throw new AssertionError("leases moved in each of " + ATTEMPTS + " rounds: " + stream.owners());
    }

    /** Puts records into each shard, with a checkpoint amid an aggregated one, and waits until all are read. */
    private List<Round> put(WorkerProcess one, WorkerProcess other) {
        String name = "round " + round.incrementAndGet();
        List<Round> rounds = IntStream.range(0, SHARDS).mapToObj(slot -> {
            List<String> early = new ArrayList<>(Reading.texts(name + " early " + slot, 12));
            early.add(name + " " + slot + Processor.Checkpoints.MARK);
            return new Round(early, Reading.texts(name + " late " + slot, 12));
        }).collect(Collectors.toList());
        // Ten by themselves; two, the mark and two more in one; ten by themselves.
        stream.put(SHARDS, inTurn(rounds, round -> round.early().subList(0, 10)));
        stream.putAggregated(rounds.stream().map(round -> {
            List<String> inside = new ArrayList<>(round.early().subList(10, 13));
            inside.addAll(round.late().subList(0, 2));
            return inside;
        }).collect(Collectors.toList()));
        stream.put(SHARDS, inTurn(rounds, round -> round.late().subList(2, 12)));
        Set<String> all = rounds.stream().flatMap(Round::texts).collect(Collectors.toSet());
        Assert.until("both read their part", () -> union(one, other).containsAll(all),
            () -> union(one, other).size());
        return rounds;
    }

    /** The texts of each slot, one of each at a time, as {@link Stream#put} deals them out. */
    private static List<String> inTurn(List<Round> rounds, Function<Round, List<String>> part) {
        return IntStream.range(0, part.apply(rounds.get(0)).size()).boxed()
            .flatMap(at -> rounds.stream().map(round -> part.apply(round).get(at)))
            .collect(Collectors.toList());
    }

    /** That {@code left} has all leases, and has read of the shards of {@code gone} what follows its checkpoints alone. */
    private void takeOver(WorkerProcess left, WorkerProcess gone, List<Round> rounds) {
        Set<String> byGone = gone.seen.distinct();
        List<Round> moved = rounds.stream().filter(round -> byGone.contains(round.early().get(0)))
            .collect(Collectors.toList());
        Assert.equal("shards of the worker that is gone", moved.size(), SHARDS / 2);
        Assert.until("the other has all leases", () -> of(left).size() == SHARDS, stream::owners);
        List<String> after = stream.put(SHARDS, Reading.texts("after " + round.incrementAndGet(), SHARDS * 5));
        Assert.until("all that came then is read", () -> left.seen.distinct().containsAll(after),
            () -> left.seen.texts().size());
        List<String> texts = left.seen.texts();
        for (Round round : rounds) {
            // In order; a lease that it lost and took again for a moment may have brought something twice.
            List<String> expected = new ArrayList<>(moved.contains(round) ? List.of() : round.early());
            expected.addAll(round.late());
            List<String> seen = texts.stream()
                .filter(text -> round.early().contains(text) || round.late().contains(text))
                .distinct().collect(Collectors.toList());
            Assert.equal("what it read of a shard", seen, expected);
        }
    }

    private static Set<String> union(WorkerProcess one, WorkerProcess other) {
        Set<String> texts = new HashSet<>(one.seen.distinct());
        texts.addAll(other.seen.distinct());
        return texts;
    }
}
