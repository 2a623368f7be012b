package compat;

import static org.apache.kafka.clients.consumer.AcknowledgeType.ACCEPT;
import static org.apache.kafka.clients.consumer.AcknowledgeType.REJECT;
import static org.apache.kafka.clients.consumer.AcknowledgeType.RELEASE;

import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicInteger;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.AlterConfigOp;
import org.apache.kafka.clients.admin.ConfigEntry;
import org.apache.kafka.clients.admin.ListShareGroupOffsetsSpec;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.ConsumerRecords;
import org.apache.kafka.clients.consumer.KafkaShareConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.common.serialization.StringSerializer;

/** Share groups, each check with a topic and a group of its own. */
public final class Main {
    private static final String SERVER = System.getenv("HEADWATER_KAFKA");
    private static final Duration PATIENCE = Duration.ofSeconds(60);

    public static void main(String[] parts) throws Exception {
        for (String part : parts) {
            switch (part) {
                case "share" -> {
                    twoDivideOnePartition();
                    whatIsSaidOfARecordHolds();
                    aRecordIsGivenUpInTheEnd();
                    onlyCommittedRecordsShow();
                    aLockLapses();
                    administratorsSeeAndMove();
                }
                case "before" -> beforeTheKill();
                case "after" -> afterTheKill();
                default -> throw new IllegalArgumentException(part);
            }
        }
    }

    private static void twoDivideOnePartition() throws Exception {
        prepare("divide", Map.of());
        produce("divide", 0, 400, "zstd");
        Map<String, Integer> seen = new ConcurrentHashMap<>();
        AtomicInteger[] counts = {new AtomicInteger(), new AtomicInteger()};
        List<Thread> threads = new ArrayList<>();
        for (AtomicInteger count : counts) {
            Thread thread = new Thread(() -> {
                long until = System.nanoTime() + PATIENCE.toNanos();
                try (var consumer = consumer("divide", "implicit", 5)) {
                    while (seen.size() < 400 && System.nanoTime() < until) {
                        for (var record : consumer.poll(Duration.ofMillis(200))) {
                            seen.merge(record.value(), 1, Integer::sum);
                            count.incrementAndGet();
                        }
                        // Without it, what the last poll gave would be let go of when the consumer is closed.
                        consumer.commitSync();
                    }
                }
            });
            thread.start();
            threads.add(thread);
        }
        for (Thread thread : threads) {
            thread.join();
        }
        expect(seen.size() == 400, "all records arrive: " + seen.size());
        expect(seen.values().stream().allMatch(times -> times == 1), "each once");
        expect(counts[0].get() > 0 && counts[1].get() > 0, "both have some: " + counts[0] + " " + counts[1]);
        done("two consumers divide one partition: " + counts[0] + " and " + counts[1]);
    }

    private static void whatIsSaidOfARecordHolds() throws Exception {
        prepare("say", Map.of());
        produce("say", 0, 3, "none");
        try (var consumer = consumer("say", "explicit", 500)) {
            List<ConsumerRecord<String, String>> first = take(consumer, 3);
            expect(first.size() == 3, "three records at once");
            consumer.acknowledge(first.get(0), ACCEPT);
            consumer.acknowledge(first.get(1), RELEASE);
            consumer.acknowledge(first.get(2), REJECT);
            committed(consumer);
            List<ConsumerRecord<String, String>> again = take(consumer, 1);
            expect(again.size() == 1 && again.get(0).value().equals("1"), "the released one comes back");
            expect(again.get(0).deliveryCount().orElse((short) 0) == 2, "as its second delivery");
            consumer.acknowledge(again.get(0), ACCEPT);
            committed(consumer);
            expect(consumer.poll(Duration.ofSeconds(2)).isEmpty(), "and nothing else");
        }
        done("accepted, released, rejected");
    }

    private static void aRecordIsGivenUpInTheEnd() throws Exception {
        prepare("limit", Map.of());
        produce("limit", 0, 1, "none");
        try (var consumer = consumer("limit", "explicit", 500)) {
            for (int delivery = 1; delivery <= 5; delivery++) {
                var record = take(consumer, 1).get(0);
                expect(record.deliveryCount().orElse((short) 0) == delivery, "delivery " + delivery);
                consumer.acknowledge(record, RELEASE);
                committed(consumer);
            }
            expect(consumer.poll(Duration.ofSeconds(2)).isEmpty(), "given up after five deliveries");
            produce("limit", 1, 1, "none");
            var next = take(consumer, 1).get(0);
            expect(next.value().equals("1"), "the next goes on");
            consumer.acknowledge(next);
        }
        done("given up after five deliveries");
    }

    private static void onlyCommittedRecordsShow() throws Exception {
        prepare("committed", Map.of("share.isolation.level", "read_committed"));
        Properties settings = producing("none");
        settings.put("transactional.id", "share-" + System.nanoTime());
        try (var producer = new KafkaProducer<String, String>(settings);
                var consumer = consumer("committed", "implicit", 500)) {
            producer.initTransactions();
            producer.beginTransaction();
            producer.send(new ProducerRecord<>("committed", "aborted")).get();
            expect(consumer.poll(Duration.ofSeconds(2)).isEmpty(), "nothing of an open transaction");
            producer.abortTransaction();
            producer.beginTransaction();
            producer.send(new ProducerRecord<>("committed", "kept")).get();
            expect(consumer.poll(Duration.ofSeconds(1)).isEmpty(), "nothing of an aborted one");
            producer.commitTransaction();
            var records = take(consumer, 1);
            expect(records.size() == 1 && records.get(0).value().equals("kept"), "what was committed");
        }
        done("committed records alone");
    }

    private static void aLockLapses() throws Exception {
        prepare("lock", Map.of("share.record.lock.duration.ms", "15000"));
        produce("lock", 0, 1, "none");
        try (var holder = consumer("lock", "explicit", 500)) {
            expect(take(holder, 1).size() == 1, "one has it");
            try (var other = consumer("lock", "implicit", 500)) {
                var record = take(other, 1).get(0);
                expect(record.deliveryCount().orElse((short) 0) == 2, "another gets it when the lock lapses");
            }
        }
        done("a lock lapses");
    }

    private static void administratorsSeeAndMove() throws Exception {
        prepare("admin", Map.of());
        produce("admin", 0, 10, "none");
        TopicPartition partition = new TopicPartition("admin", 0);
        var specs = Map.of("admin", new ListShareGroupOffsetsSpec().topicPartitions(List.of(partition)));
        try (Admin admin = admin()) {
            try (var consumer = consumer("admin", "explicit", 500)) {
                take(consumer, 10).forEach(record -> consumer.acknowledge(record, ACCEPT));
                committed(consumer);
                var group = admin.describeShareGroups(List.of("admin")).all().get().get("admin");
                expect(group.members().size() == 1, "a member: " + group);
                expect(group.members().iterator().next().assignment().topicPartitions().contains(partition), "which reads it");
            }
            var listed = admin.listGroups().all().get();
            expect(listed.stream().anyMatch(group -> group.groupId().equals("admin")
                    && group.type().map(Object::toString).orElse("").equals("Share")), "listed: " + listed);
            var offsets = admin.listShareGroupOffsets(specs).partitionsToOffsetInfo("admin").get();
            expect(offsets.get(partition).startOffset() == 10, "all are done with: " + offsets);
            admin.alterShareGroupOffsets("admin", Map.of(partition, 7L)).all().get();
            try (var consumer = consumer("admin", "implicit", 500)) {
                expect(take(consumer, 3).get(0).value().equals("7"), "from where it was told to");
            }
            admin.deleteShareGroupOffsets("admin", Set.of("admin")).all().get();
            admin.deleteShareGroups(List.of("admin")).all().get();
            listed = admin.listGroups().all().get();
            expect(listed.stream().noneMatch(group -> group.groupId().equals("admin")), "deleted: " + listed);
        }
        done("administrators see and move share groups");
    }

    private static void beforeTheKill() throws Exception {
        prepare("kill", Map.of("share.record.lock.duration.ms", "15000"));
        produce("kill", 0, 100, "lz4");
        // Never closed: what it has and did not acknowledge is its when the server is killed.
        var consumer = consumer("kill", "explicit", 20);
        int accepted = 0;
        while (accepted < 60) {
            for (var record : consumer.poll(Duration.ofSeconds(1))) {
                consumer.acknowledge(record, ACCEPT);
                accepted += 1;
            }
            committed(consumer);
        }
        expect(accepted == 60, "sixty are accepted: " + accepted);
        System.out.println("ok before");
        System.out.flush();
        Runtime.getRuntime().halt(0);
    }

    private static void afterTheKill() throws Exception {
        Set<String> seen = new HashSet<>();
        try (var consumer = consumer("kill", "implicit", 500)) {
            long until = System.nanoTime() + PATIENCE.toNanos();
            while (seen.size() < 40 && System.nanoTime() < until) {
                consumer.poll(Duration.ofSeconds(1)).forEach(record -> seen.add(record.value()));
            }
            consumer.poll(Duration.ofSeconds(2)).forEach(record -> seen.add(record.value()));
        }
        expect(seen.size() == 40, "forty are left: " + seen.size());
        expect(seen.stream().allMatch(value -> Integer.parseInt(value) >= 60), "none that was accepted");
        done("what was accepted stays so");
    }

    private static void prepare(String name, Map<String, String> configs) throws Exception {
        try (Admin admin = admin()) {
            admin.createTopics(List.of(new NewTopic(name, 1, (short) 1))).all().get();
            Map<String, String> all = new HashMap<>(configs);
            all.put("share.auto.offset.reset", "earliest");
            List<AlterConfigOp> operations = new ArrayList<>();
            all.forEach((key, value) -> operations.add(
                    new AlterConfigOp(new ConfigEntry(key, value), AlterConfigOp.OpType.SET)));
            var group = new ConfigResource(ConfigResource.Type.GROUP, name);
            admin.incrementalAlterConfigs(Map.of(group, operations)).all().get();
        }
    }

    private static void produce(String topic, int first, int count, String compression) throws Exception {
        try (var producer = new KafkaProducer<String, String>(producing(compression))) {
            for (int at = first; at < first + count; at++) {
                producer.send(new ProducerRecord<>(topic, Integer.toString(at)));
            }
        }
    }

    private static Properties producing(String compression) {
        Properties settings = new Properties();
        settings.put("bootstrap.servers", SERVER);
        settings.put("compression.type", compression);
        settings.put("linger.ms", "20");
        settings.put("key.serializer", StringSerializer.class.getName());
        settings.put("value.serializer", StringSerializer.class.getName());
        return settings;
    }

    private static Admin admin() {
        return Admin.create(Map.of("bootstrap.servers", SERVER));
    }

    /** A member of the group of the topic's name. */
    private static KafkaShareConsumer<String, String> consumer(String topic, String mode, int records) {
        Properties settings = new Properties();
        settings.put("bootstrap.servers", SERVER);
        settings.put("group.id", topic);
        settings.put("share.acknowledgement.mode", mode);
        settings.put("share.acquire.mode", "record_limit");
        settings.put("max.poll.records", Integer.toString(records));
        settings.put("key.deserializer", StringDeserializer.class.getName());
        settings.put("value.deserializer", StringDeserializer.class.getName());
        var consumer = new KafkaShareConsumer<String, String>(settings);
        consumer.subscribe(List.of(topic));
        return consumer;
    }

    /** So many records, polled for until they are there. */
    private static List<ConsumerRecord<String, String>> take(KafkaShareConsumer<String, String> consumer, int count) {
        List<ConsumerRecord<String, String>> taken = new ArrayList<>();
        long until = System.nanoTime() + PATIENCE.toNanos();
        while (taken.size() < count && System.nanoTime() < until) {
            ConsumerRecords<String, String> records = consumer.poll(Duration.ofSeconds(1));
            records.forEach(taken::add);
        }
        expect(taken.size() >= count, count + " records, not " + taken.size());
        return taken;
    }

    private static void committed(KafkaShareConsumer<String, String> consumer) {
        consumer.commitSync().forEach((partition, error) ->
                expect(error.isEmpty(), "acknowledged: " + partition + " " + error));
    }

    private static void expect(boolean holds, String what) {
        if (!holds) {
            throw new AssertionError(what);
        }
    }

    private static void done(String what) {
        System.out.println("ok " + what);
    }
}
