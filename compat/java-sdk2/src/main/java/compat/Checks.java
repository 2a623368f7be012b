package compat;

import static compat.Assert.equal;
import static compat.Assert.isTrue;
import static compat.Assert.ok;
import static compat.Assert.refused;
import static compat.Assert.until;

import java.math.BigInteger;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import software.amazon.awssdk.core.SdkBytes;
import software.amazon.awssdk.services.kinesis.KinesisAsyncClient;
import software.amazon.awssdk.services.kinesis.model.ChildShard;
import software.amazon.awssdk.services.kinesis.model.GetRecordsResponse;
import software.amazon.awssdk.services.kinesis.model.InvalidArgumentException;
import software.amazon.awssdk.services.kinesis.model.PutRecordResponse;
import software.amazon.awssdk.services.kinesis.model.PutRecordsRequestEntry;
import software.amazon.awssdk.services.kinesis.model.Record;
import software.amazon.awssdk.services.kinesis.model.ResourceInUseException;
import software.amazon.awssdk.services.kinesis.model.ResourceNotFoundException;
import software.amazon.awssdk.services.kinesis.model.ShardFilterType;
import software.amazon.awssdk.services.kinesis.model.ShardIteratorType;
import software.amazon.awssdk.services.kinesis.model.StreamStatus;

/** Create, put, iterate, reshard and delete, with one client on a stream of its own. */
final class Checks {
    static final String FIRST = "shardId-000000000000";
    static final String MIDDLE = BigInteger.TWO.pow(127).toString();
    static final List<String> EVERYTHING = List.of("0", "1", "2", "3", "4");

    final KinesisAsyncClient client;
    final String stream;
    final String arn;

    Checks(KinesisAsyncClient client, String stream) {
        this.client = client;
        this.stream = stream;
        this.arn = "arn:aws:kinesis:" + Main.REGION + ":" + Main.ACCOUNT + ":stream/" + stream;
    }

    void create() {
        client.createStream(r -> r.streamName(stream).shardCount(1)).join();
        active();
        isTrue("the stream is listed", client.listStreams().join().streamNames().contains(stream));
        refused("a second stream of the name", ResourceInUseException.class,
            () -> client.createStream(r -> r.streamName(stream).shardCount(1)).join());
        var description = client.describeStream(r -> r.streamARN(arn)).join().streamDescription();
        Duration age = Duration.between(description.streamCreationTimestamp(), Instant.now());
        isTrue("created about now, saw an age of " + age, age.abs().toSeconds() < 60);
        equal("its range", description.shards().get(0).hashKeyRange().endingHashKey(),
            BigInteger.TWO.pow(128).subtract(BigInteger.ONE).toString());
        ok("create, describe and list");
    }

    void active() {
        until("the stream is ACTIVE", () -> client.describeStreamSummary(r -> r.streamName(stream))
            .join().streamDescriptionSummary().streamStatus() == StreamStatus.ACTIVE);
    }

    PutRecordResponse put(String data, String hashKey) {
        return client.putRecord(r -> r.streamName(stream).partitionKey("k")
            .explicitHashKey(hashKey).data(SdkBytes.fromUtf8String(data))).join();
    }

    static List<String> texts(List<Record> records) {
        return records.stream().map(record -> record.data().asUtf8String()).collect(Collectors.toList());
    }

    /** All records from an iterator on, and the last answer; three records a call. */
    GetRecordsResponse read(String iterator, List<Record> into) {
        for (;;) {
            String here = iterator;
            GetRecordsResponse answer =
                client.getRecords(r -> r.shardIterator(here).limit(3)).join();
            into.addAll(answer.records());
            iterator = answer.nextShardIterator();
            boolean caughtUp = answer.records().isEmpty() && answer.millisBehindLatest() == 0;
            if (iterator == null || caughtUp) {
                return answer;
            }
        }
    }

    List<String> from(ShardIteratorType type, String number, Instant time) {
        String iterator = client.getShardIterator(r -> r.streamName(stream).shardId(FIRST)
            .shardIteratorType(type).startingSequenceNumber(number).timestamp(time))
            .join().shardIterator();
        List<Record> records = new ArrayList<>();
        read(iterator, records);
        return texts(records);
    }

    void putAndIterate() {
        PutRecordResponse first = put("0", null);
        List<PutRecordsRequestEntry> entries = EVERYTHING.stream().skip(1)
            .map(text -> PutRecordsRequestEntry.builder().partitionKey("k" + text)
                .data(SdkBytes.fromUtf8String(text)).build())
            .collect(Collectors.toList());
        var puts = client.putRecords(r -> r.streamARN(arn).records(entries)).join();
        equal("records that failed", puts.failedRecordCount(), 0);
        String number = puts.records().get(1).sequenceNumber();
        isTrue("sequence numbers grow",
            new BigInteger(number).compareTo(new BigInteger(first.sequenceNumber())) > 0);

        equal("TRIM_HORIZON", from(ShardIteratorType.TRIM_HORIZON, null, null), EVERYTHING);
        equal("LATEST", from(ShardIteratorType.LATEST, null, null), List.of());
        equal("AT_SEQUENCE_NUMBER",
            from(ShardIteratorType.AT_SEQUENCE_NUMBER, number, null), List.of("2", "3", "4"));
        equal("AFTER_SEQUENCE_NUMBER",
            from(ShardIteratorType.AFTER_SEQUENCE_NUMBER, number, null), List.of("3", "4"));
        equal("AT_TIMESTAMP, long ago",
            from(ShardIteratorType.AT_TIMESTAMP, null, Instant.ofEpochMilli(1459799926480L)), EVERYTHING);
        List<Record> records = new ArrayList<>();
        read(iterator(FIRST), records);
        Instant arrived = records.get(0).approximateArrivalTimestamp();
        equal("AT_TIMESTAMP of the first record",
            from(ShardIteratorType.AT_TIMESTAMP, null, arrived), EVERYTHING);
        refused("a wrong iterator", InvalidArgumentException.class,
            () -> client.getRecords(r -> r.shardIterator("nonsense")).join());
        ok("put and iterate by each type");
    }

    String iterator(String shard) {
        return client.getShardIterator(r -> r.streamName(stream).shardId(shard)
            .shardIteratorType(ShardIteratorType.TRIM_HORIZON)).join().shardIterator();
    }

    void reshard() {
        client.splitShard(r -> r.streamName(stream).shardToSplit(FIRST).newStartingHashKey(MIDDLE)).join();
        active();
        put("low", "0");
        put("high", MIDDLE);
        client.mergeShards(r -> r.streamName(stream).shardToMerge("shardId-000000000001")
            .adjacentShardToMerge("shardId-000000000002")).join();
        active();
        put("merged", null);

        // From the first shard on, by the children that each closed shard names.
        List<String> seen = new ArrayList<>();
        Set<String> done = new HashSet<>();
        ArrayDeque<String> queue = new ArrayDeque<>(List.of(FIRST));
        while (!queue.isEmpty()) {
            String shard = queue.poll();
            if (!done.add(shard)) {
                continue;
            }
            List<Record> records = new ArrayList<>();
            GetRecordsResponse last = read(iterator(shard), records);
            seen.addAll(texts(records));
            for (ChildShard child : last.childShards()) {
                if (done.containsAll(child.parentShards())) {
                    queue.add(child.shardId());
                }
            }
        }
        equal("the parent's records first", seen.subList(0, 5), EVERYTHING);
        equal("then the children's", Set.copyOf(seen.subList(5, 7)), Set.of("low", "high"));
        equal("then the merged shard's", seen.subList(7, seen.size()), List.of("merged"));
        var open = client.listShards(r -> r.streamName(stream)
            .shardFilter(f -> f.type(ShardFilterType.AT_LATEST))).join().shards();
        equal("open shards", open.stream().map(s -> s.shardId()).collect(Collectors.toList()),
            Stream.of("shardId-000000000003").collect(Collectors.toList()));
        ok("split, merge and read in order");
    }

    void remove() {
        client.deleteStream(r -> r.streamName(stream).enforceConsumerDeletion(true)).join();
        client.waiter().waitUntilStreamNotExists(r -> r.streamName(stream),
            o -> o.waitTimeout(Duration.ofSeconds(30))).join();
        refused("a deleted stream", ResourceNotFoundException.class,
            () -> client.listShards(r -> r.streamName(stream)).join());
        ok("delete");
    }
}
