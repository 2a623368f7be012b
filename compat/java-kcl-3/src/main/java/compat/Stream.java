package compat;

import java.math.BigInteger;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletionException;
import java.util.stream.Collectors;
import software.amazon.awssdk.core.SdkBytes;
import software.amazon.awssdk.services.dynamodb.model.AttributeValue;
import software.amazon.awssdk.services.dynamodb.model.ResourceNotFoundException;
import software.amazon.awssdk.services.kinesis.model.PutRecordsRequestEntry;
import software.amazon.awssdk.services.kinesis.model.Shard;
import software.amazon.awssdk.services.kinesis.model.ShardFilterType;
import software.amazon.awssdk.services.kinesis.model.StreamStatus;

/** A stream, and what the application of the same name has written into its lease table. */
final class Stream {
    private static final BigInteger HASHES = BigInteger.ONE.shiftLeft(128);

    final Aws aws;
    final String name;

    Stream(Aws aws, String name) {
        this.aws = aws;
        this.name = name;
    }

    Stream create(int shards) {
        aws.kinesis.createStream(r -> r.streamName(name).shardCount(shards)).join();
        active();
        return this;
    }

    void active() {
        Assert.until(name + " is ACTIVE", () -> aws.kinesis.describeStreamSummary(r -> r.streamName(name))
            .join().streamDescriptionSummary().streamStatus() == StreamStatus.ACTIVE, () -> "another state");
    }

    /** The shards that are open, in order of their hash keys. */
    List<String> open() {
        return aws.kinesis.listShards(r -> r.streamName(name)
                .shardFilter(f -> f.type(ShardFilterType.AT_LATEST))).join().shards().stream()
            .sorted((a, b) -> start(a).compareTo(start(b)))
            .map(Shard::shardId).collect(Collectors.toList());
    }

    private static BigInteger start(Shard shard) {
        return new BigInteger(shard.hashKeyRange().startingHashKey());
    }

    /** Puts {@code texts} in their order, spread over {@code slots} equal parts of the hash keys in turn. */
    List<String> put(int slots, List<String> texts) {
        List<PutRecordsRequestEntry> entries = new ArrayList<>();
        for (int i = 0; i < texts.size(); i++) {
            BigInteger hash = HASHES.multiply(BigInteger.valueOf(i % slots)).divide(BigInteger.valueOf(slots));
            entries.add(PutRecordsRequestEntry.builder().partitionKey("slot " + i % slots)
                .explicitHashKey(hash.toString()).data(SdkBytes.fromUtf8String(texts.get(i))).build());
        }
        for (int from = 0; from < entries.size(); from += 500) {
            var part = entries.subList(from, Math.min(from + 500, entries.size()));
            var answer = aws.kinesis.putRecords(r -> r.streamName(name).records(part)).join();
            Assert.equal("records that failed", answer.failedRecordCount(), 0);
        }
        return texts;
    }

    /** Puts one record into each of the slots, which holds the texts of that slot as the KPL aggregates them. */
    void putAggregated(List<List<String>> slots) {
        for (int slot = 0; slot < slots.size(); slot++) {
            BigInteger hash = HASHES.multiply(BigInteger.valueOf(slot)).divide(BigInteger.valueOf(slots.size()));
            SdkBytes data = SdkBytes.fromByteArray(Aggregate.of(slots.get(slot), hash.toString()));
            aws.kinesis.putRecord(r -> r.streamName(name).partitionKey("aggregate")
                .explicitHashKey(hash.toString()).data(data)).join();
        }
    }

    void split(String shard) {
        String middle = HASHES.shiftRight(1).toString();
        aws.kinesis.splitShard(r -> r.streamName(name).shardToSplit(shard).newStartingHashKey(middle)).join();
        active();
    }

    void merge(String shard, String neighbour) {
        aws.kinesis.mergeShards(r -> r.streamName(name).shardToMerge(shard)
            .adjacentShardToMerge(neighbour)).join();
        active();
    }

    /** The rows of the lease table, none before the first worker has made it. */
    private List<Map<String, AttributeValue>> rows() {
        try {
            return aws.dynamo.scan(r -> r.tableName(name).consistentRead(true)).join().items();
        } catch (CompletionException failure) {
            if (failure.getCause() instanceof ResourceNotFoundException) {
                return List.of();
            }
            throw failure;
        }
    }

    /** Leases by their shards: the KCL 3 keeps other things in the same table, which have no checkpoint. */
    Map<String, Map<String, AttributeValue>> leases() {
        return rows().stream().filter(item -> item.containsKey("checkpoint"))
            .collect(Collectors.toMap(item -> item.get("leaseKey").s(), item -> item));
    }

    /** The owner of each lease, "nobody" where it has none or is still being handed over. */
    Map<String, String> owners() {
        return leases().entrySet().stream().collect(Collectors.toMap(Map.Entry::getKey,
            lease -> lease.getValue().containsKey("checkpointOwner") ? "nobody"
                : text(lease.getValue(), "leaseOwner", "nobody")));
    }

    /** How far each shard has been read. */
    Map<String, String> checkpoints() {
        return leases().entrySet().stream().collect(Collectors.toMap(Map.Entry::getKey,
            lease -> text(lease.getValue(), "checkpoint", "none")));
    }

    private static String text(Map<String, AttributeValue> item, String name, String otherwise) {
        AttributeValue value = item.get(name);
        return value == null || value.s() == null ? otherwise : value.s();
    }
}
