package compat;

import com.google.common.util.concurrent.ListenableFuture;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import software.amazon.awssdk.services.kinesis.model.Record;
import software.amazon.awssdk.services.kinesis.model.ShardIteratorType;
import software.amazon.kinesis.producer.UserRecordResult;

/** Drives a server with the Kinesis Producer Library, and reads by the SDK and by the KCL what it put. */
public final class Main {
    private static final int RECORDS = 2000;
    private static final int SHARDS = 2;

    /** What an aggregated record begins with: awslabs/amazon-kinesis-producer, aggregation-format.md. */
    private static final byte[] MAGIC = {(byte) 0xF3, (byte) 0x89, (byte) 0x9A, (byte) 0xC2};

    private final Aws aws = new Aws();
    private final Stream stream = new Stream(aws, "kpl").create(SHARDS);

    /** Where the KPL says that each text is. */
    private final Map<String, String> shards = new HashMap<>();

    private Main() {}

    private void put(String work) throws Exception {
        Map<String, ListenableFuture<UserRecordResult>> puts = new HashMap<>();
        try (Producer producer = new Producer(work)) {
            for (int i = 0; i < RECORDS; i++) {
                String text = "record " + i;
                puts.put(text, producer.put(stream.name, "key " + i % 50, text));
            }
            for (var put : puts.entrySet()) {
                UserRecordResult result = put.getValue().get();
                Assert.isTrue(put.getKey() + " is put", result.isSuccessful());
                shards.put(put.getKey(), result.getShardId());
            }
            Assert.ok("the KPL puts all records");
            Assert.until("the KPL's metrics arrive", () -> aws.cloudWatch.listMetrics(r -> r
                .namespace(Producer.NAMESPACE).metricName("UserRecordsPut")).join().hasMetrics(), () -> "none");
            Assert.ok("the KPL's metrics are taken");
        }
        Assert.equal("shards that were put to", new HashSet<>(shards.values()).size(), SHARDS);
    }

    private void readRaw() {
        List<Record> raw = new ArrayList<>();
        for (String shard : stream.open()) {
            String iterator = aws.kinesis.getShardIterator(r -> r.streamName(stream.name).shardId(shard)
                .shardIteratorType(ShardIteratorType.TRIM_HORIZON)).join().shardIterator();
            while (true) {
                String here = iterator;
                var answer = aws.kinesis.getRecords(r -> r.shardIterator(here)).join();
                raw.addAll(answer.records());
                if (answer.millisBehindLatest() == 0 && answer.records().isEmpty()) {
                    break;
                }
                iterator = answer.nextShardIterator();
            }
        }
        Assert.isTrue(raw.size() + " records hold many", !raw.isEmpty() && raw.size() < RECORDS);
        // Records that come before the KPL knows the shards are put one by one.
        Assert.isTrue("records begin with the magic bytes", raw.stream()
            .map(record -> record.data().asByteArray())
            .anyMatch(bytes -> bytes.length > 4 && Arrays.equals(bytes, 0, 4, MAGIC, 0, 4)));
        Assert.ok("read raw, the records are aggregated");
    }

    private void readByKcl() {
        Seen seen = new Seen();
        Set<String> all = shards.keySet();
        try (Worker worker = new Worker(aws, stream.name, stream.name, "reader", Worker.Mode.POLLING,
                Processor.Checkpoints.BATCHES, seen::add)) {
            Assert.until("the KCL reads all", () -> seen.distinct().equals(all), () -> seen.distinct().size());
        }
        seen.inOrder();
        Assert.equal("each record once", seen.texts().size(), all.size());
        Assert.isTrue("records within records have numbers of their own",
            seen.records().stream().anyMatch(record -> record.sub() > 0));
        seen.records().forEach(record ->
            Assert.equal("shard of " + record.data(), record.shard(), shards.get(record.data())));
        Assert.ok("the KCL takes them apart again");
    }

    public static void main(String[] arguments) {
        try {
            Main main = new Main();
            main.put(arguments[0]);
            main.readRaw();
            main.readByKcl();
        } catch (Throwable failure) {
            System.out.println("FAIL " + failure);
            failure.printStackTrace(System.out);
            System.exit(1);
        }
        System.exit(0);
    }
}
