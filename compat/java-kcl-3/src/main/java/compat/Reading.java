package compat;

import java.util.HashSet;
import java.util.List;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import software.amazon.awssdk.services.kinesis.model.ResourceNotFoundException;

/** One worker reads all there is, then what comes, and after its restart what came meanwhile. */
final class Reading {
    private static final int SHARDS = 4;

    private final Stream stream;
    private final Worker.Mode mode;

    Reading(Aws aws, Worker.Mode mode) {
        this.mode = mode;
        this.stream = new Stream(aws, "reading-" + mode).create(SHARDS);
    }

    static List<String> texts(String name, int count) {
        return IntStream.range(0, count).mapToObj(i -> name + " " + i).collect(Collectors.toList());
    }

    private Worker worker(Seen seen) {
        return new Worker(stream.aws, stream.name, stream.name, "reader", mode,
            Processor.Checkpoints.BATCHES, seen::add);
    }

    void run() {
        HashSet<String> put = new HashSet<>(stream.put(SHARDS, texts("before", 2000)));
        Seen first = new Seen();
        try (Worker worker = worker(first)) {
            Assert.until(stream.name + ": what was there", () -> first.distinct().equals(put),
                () -> first.distinct().size());
            put.addAll(stream.put(SHARDS, texts("live", 100)));
            Assert.until(stream.name + ": what came", () -> first.distinct().equals(put),
                () -> first.distinct().size());
        }
        first.inOrder();
        Assert.equal(stream.name + ": each record once", first.texts().size(), put.size());
        Assert.equal(stream.name + ": shards read", stream.checkpoints().keySet(), new HashSet<>(stream.open()));
        Assert.ok(stream.name + ": all records once, in order");
        if (mode == Worker.Mode.POLLING) {
            metrics(put.size());
        } else {
            consumer();
        }

        HashSet<String> later = new HashSet<>(stream.put(SHARDS, texts("later", 100)));
        Seen second = new Seen();
        try (Worker worker = worker(second)) {
            Assert.until(stream.name + ": what came meanwhile", () -> second.distinct().containsAll(later),
                () -> second.distinct().size());
        }
        second.inOrder();
        Assert.equal(stream.name + ": nothing from before the checkpoints", second.distinct(), later);
        Assert.ok(stream.name + ": a restarted worker goes on from its checkpoints");
    }

    /** The KCL counts the records it handed over, by CloudWatch. */
    private void metrics(int records) {
        Assert.until("RecordsProcessed adds up", () -> counted() == records, this::counted);
        Assert.ok("the worker's metrics tell how many records it processed");
    }

    private double counted() {
        var found = stream.aws.cloudWatch.listMetrics(r -> r.namespace(stream.name)
            .metricName("RecordsProcessed")).join().metrics();
        var now = java.time.Instant.now();
        double sum = 0;
        for (var metric : found) {
            // Each shard's own: the KCL sends the same numbers without the shard as well.
            if (metric.dimensions().stream().noneMatch(d -> d.name().equals("ShardId"))) {
                continue;
            }
            var answer = stream.aws.cloudWatch.getMetricStatistics(r -> r.namespace(stream.name)
                .metricName("RecordsProcessed").dimensions(metric.dimensions()).period(3600)
                .startTime(now.minusSeconds(7200)).endTime(now.plusSeconds(3600))
                .statisticsWithStrings("Sum")).join();
            sum += answer.datapoints().stream().mapToDouble(point -> point.sum()).sum();
        }
        return sum;
    }

    /** The KCL registers a consumer of the application's name, and leaves it. */
    private void consumer() {
        String arn = stream.aws.kinesis.describeStreamSummary(r -> r.streamName(stream.name)).join()
            .streamDescriptionSummary().streamARN();
        try {
            stream.aws.kinesis.describeStreamConsumer(r -> r.streamARN(arn).consumerName(stream.name)).join();
        } catch (java.util.concurrent.CompletionException failure) {
            Assert.isTrue("a consumer named " + stream.name,
                !(failure.getCause() instanceof ResourceNotFoundException));
            throw failure;
        }
        Assert.ok("the application is a consumer of the stream");
    }
}
