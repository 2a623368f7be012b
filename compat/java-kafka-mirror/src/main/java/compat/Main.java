package compat;

import java.net.ServerSocket;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.concurrent.Callable;
import java.util.concurrent.TimeUnit;
import java.util.stream.IntStream;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.NewPartitions;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.common.serialization.StringSerializer;

/** Moves topics from one server to another with MirrorMaker 2, and looks at what arrives. */
public final class Main {
    private static final long PATIENCE_MS = 120_000;
    private static final String SOURCE = System.getenv("HEADWATER_KAFKA");
    private static final String TARGET = System.getenv("HEADWATER_KAFKA_TARGET");
    private static final int RECORDS = 900;
    private static final int LATER = 30;

    private static long last = System.currentTimeMillis();

    private Main() {}

    public static void main(String[] args) throws Exception {
        Path folder = Path.of(args[0]).toAbsolutePath();
        try (Admin source = admin(SOURCE); Admin target = admin(TARGET)) {
            fill(source);
            Process mirror = mirror(folder);
            try {
                run(source, target);
            } catch (Throwable error) {
                List<String> log = Files.readAllLines(folder.resolve("mirror.log"));
                log.subList(Math.max(0, log.size() - 60), log.size()).forEach(System.err::println);
                throw error;
            } finally {
                mirror.destroy();
                if (!mirror.waitFor(PATIENCE_MS, TimeUnit.MILLISECONDS)) {
                    mirror.destroyForcibly();
                }
            }
        }
    }

    /** A compacted topic of three partitions, one with a transaction that was aborted, and a group that has read one. */
    private static void fill(Admin source) throws Exception {
        NewTopic orders = new NewTopic("orders", 3, (short) 1)
                .configs(Map.of("cleanup.policy", "compact,delete", "retention.ms", "864000000", "max.message.bytes", "3000000"));
        source.createTopics(List.of(orders, new NewTopic("payments", 1, (short) 1))).all().get();
        Map<String, Object> zipped = Map.of("compression.type", "zstd", "linger.ms", 5);
        try (var producer = producer(SOURCE, zipped)) {
            for (int n = 0; n < RECORDS; n++) {
                producer.send(record("orders", n));
            }
        }
        try (var producer = producer(SOURCE, Map.of("transactional.id", "pay"))) {
            producer.initTransactions();
            for (int part = 0; part < 3; part++) {
                producer.beginTransaction();
                for (int n = 0; n < 10; n++) {
                    producer.send(record("payments", part * 10 + n));
                }
                if (part == 1) {
                    producer.flush();
                    producer.abortTransaction();
                } else {
                    producer.commitTransaction();
                }
            }
        }
        try (var consumer = consumer(SOURCE, Map.of("group.id", "billing"))) {
            consumer.subscribe(List.of("orders"));
            int read = 0;
            while (read < RECORDS) {
                read += consumer.poll(Duration.ofSeconds(1)).count();
                consumer.commitSync();
            }
        }
    }

    private static void run(Admin source, Admin target) throws Exception {
        until("the topics are there", () -> target.listTopics().names().get().containsAll(Set.of("orders", "payments")));
        told("topics are made under their own names");
        untilTheSame(source, "orders");
        untilTheSame(source, "payments");
        told("records arrive with keys, headers and times, in order, and none that was aborted");
        until("configurations arrive", () -> configs(target, "orders").equals(configs(source, "orders")));
        told("configurations arrive");
        groupGoesOn(source, target);
        told("a group goes on where it was");
        source.createPartitions(Map.of("payments", NewPartitions.increaseTo(4))).all().get();
        until("partitions are added", () -> partitions(target, "payments").size() == 4);
        try (var producer = producer(SOURCE, Map.of())) {
            for (int n = 0; n < 200; n++) {
                producer.send(record("payments", 1_000 + n));
            }
        }
        untilTheSame(source, "payments");
        told("partitions that are added follow");
    }

    /** A group that had read all reads what comes then from the target, and nothing again. */
    private static void groupGoesOn(Admin source, Admin target) throws Exception {
        until("the group's offsets arrive", () -> recordsBefore(committed(target)).equals(offsets(committed(source))));
        try (var producer = producer(SOURCE, Map.of())) {
            for (int n = 0; n < LATER; n++) {
                producer.send(record("orders", RECORDS + n));
            }
        }
        untilTheSame(source, "orders");
        Set<String> seen = new TreeSet<>();
        try (var consumer = consumer(TARGET, Map.of("group.id", "billing"))) {
            consumer.subscribe(List.of("orders"));
            until(LATER + " records are read", () -> {
                consumer.poll(Duration.ofMillis(500)).forEach(record -> seen.add(record.value()));
                return seen.size() >= LATER;
            });
        }
        Set<String> expected = new TreeSet<>();
        IntStream.range(RECORDS, RECORDS + LATER).forEach(n -> expected.add("value-" + n));
        if (!seen.equals(expected)) {
            throw new AssertionError("the group read " + seen);
        }
    }

    /** How many records lie before these offsets on the target: its own have gaps, where transactions ended. */
    private static Map<TopicPartition, Long> recordsBefore(Map<TopicPartition, OffsetAndMetadata> offsets) {
        Map<TopicPartition, Long> counts = new HashMap<>();
        try (var consumer = consumer(TARGET, Map.of("isolation.level", "read_committed"))) {
            consumer.assign(offsets.keySet());
            consumer.seekToBeginning(offsets.keySet());
            Map<TopicPartition, Long> ends = consumer.endOffsets(offsets.keySet());
            while (offsets.keySet().stream().anyMatch(partition -> consumer.position(partition) < ends.get(partition))) {
                for (ConsumerRecord<String, String> record : consumer.poll(Duration.ofMillis(200))) {
                    TopicPartition partition = new TopicPartition(record.topic(), record.partition());
                    if (record.offset() < offsets.get(partition).offset()) {
                        counts.merge(partition, 1L, Long::sum);
                    }
                }
            }
        }
        return counts;
    }

    private static Map<TopicPartition, Long> offsets(Map<TopicPartition, OffsetAndMetadata> committed) {
        Map<TopicPartition, Long> offsets = new HashMap<>();
        committed.forEach((partition, offset) -> offsets.put(partition, offset.offset()));
        return offsets;
    }

    private static Map<TopicPartition, OffsetAndMetadata> committed(Admin admin) throws Exception {
        return admin.listConsumerGroupOffsets("billing").partitionsToOffsetAndMetadata().get();
    }

    private static void untilTheSame(Admin source, String topic) throws Exception {
        Map<Integer, List<String>> expected = content(SOURCE, partitions(source, topic));
        until("the records of " + topic + " arrive", () -> {
            try (Admin target = admin(TARGET)) {
                return content(TARGET, partitions(target, topic)).equals(expected);
            }
        });
    }

    /** All that a reader of committed records sees, by partition. */
    private static Map<Integer, List<String>> content(String server, List<TopicPartition> partitions) {
        Map<Integer, List<String>> content = new TreeMap<>();
        try (var consumer = consumer(server, Map.of("isolation.level", "read_committed"))) {
            consumer.assign(partitions);
            consumer.seekToBeginning(partitions);
            Map<TopicPartition, Long> ends = consumer.endOffsets(partitions);
            while (partitions.stream().anyMatch(partition -> consumer.position(partition) < ends.get(partition))) {
                for (ConsumerRecord<String, String> record : consumer.poll(Duration.ofMillis(200))) {
                    content.computeIfAbsent(record.partition(), partition -> new ArrayList<>()).add(shown(record));
                }
            }
        }
        return content;
    }

    private static String shown(ConsumerRecord<String, String> record) {
        StringBuilder shown = new StringBuilder(record.key() + "=" + record.value() + "@" + record.timestamp());
        record.headers().forEach(header -> shown.append(' ').append(header.key()).append(':').append(Arrays.toString(header.value())));
        return shown.toString();
    }

    private static List<TopicPartition> partitions(Admin admin, String topic) throws Exception {
        int count = admin.describeTopics(List.of(topic)).allTopicNames().get().get(topic).partitions().size();
        return IntStream.range(0, count).mapToObj(index -> new TopicPartition(topic, index)).toList();
    }

    private static Map<String, String> configs(Admin admin, String topic) throws Exception {
        ConfigResource resource = new ConfigResource(ConfigResource.Type.TOPIC, topic);
        Map<String, String> configs = new TreeMap<>();
        admin.describeConfigs(List.of(resource)).all().get().get(resource).entries()
                .forEach(entry -> configs.put(entry.name(), entry.value()));
        return configs;
    }

    private static ProducerRecord<String, String> record(String topic, int n) {
        ProducerRecord<String, String> record =
                new ProducerRecord<>(topic, null, 1_700_000_000_000L + n, "key-" + n, "value-" + n);
        record.headers().add("number", new byte[] {(byte) n}).add("empty", new byte[0]).add("none", null);
        return record;
    }

    private static Admin admin(String server) {
        return Admin.create(Map.of("bootstrap.servers", server));
    }

    private static KafkaProducer<String, String> producer(String server, Map<String, Object> more) {
        Map<String, Object> settings = new HashMap<>(more);
        settings.put("bootstrap.servers", server);
        return new KafkaProducer<>(settings, new StringSerializer(), new StringSerializer());
    }

    private static KafkaConsumer<String, String> consumer(String server, Map<String, Object> more) {
        Map<String, Object> settings = new HashMap<>(more);
        settings.put("bootstrap.servers", server);
        settings.put("auto.offset.reset", "earliest");
        settings.put("enable.auto.commit", false);
        return new KafkaConsumer<>(settings, new StringDeserializer(), new StringDeserializer());
    }

    private static Process mirror(Path folder) throws Exception {
        int port;
        try (ServerSocket socket = new ServerSocket(0)) {
            port = socket.getLocalPort();
        }
        Path settings = folder.resolve("mirror.properties");
        Files.writeString(settings, """
                clusters=old,new
                old.bootstrap.servers=%s
                new.bootstrap.servers=%s
                old->new.enabled=true
                new->old.enabled=false
                topics=orders,payments
                groups=billing
                replication.policy.class=org.apache.kafka.connect.mirror.IdentityReplicationPolicy
                exactly.once.source.support=enabled
                dedicated.mode.enable.internal.rest=true
                listeners=http://127.0.0.1:%d
                replication.factor=1
                checkpoints.topic.replication.factor=1
                heartbeats.topic.replication.factor=1
                offset-syncs.topic.replication.factor=1
                offset.storage.replication.factor=1
                status.storage.replication.factor=1
                config.storage.replication.factor=1
                offset.lag.max=0
                new.offset.flush.interval.ms=1000
                sync.group.offsets.enabled=true
                sync.group.offsets.interval.seconds=1
                emit.checkpoints.interval.seconds=1
                emit.heartbeats.enabled=false
                sync.topic.acls.enabled=false
                refresh.topics.interval.seconds=1
                refresh.groups.interval.seconds=1
                sync.topic.configs.interval.seconds=1
                old.consumer.isolation.level=read_committed
                old.consumer.auto.offset.reset=earliest
                tasks.max=2
                """.formatted(SOURCE, TARGET, port));
        String java = Path.of(System.getProperty("java.home"), "bin", "java").toString();
        ProcessBuilder builder = new ProcessBuilder(
                java, "-Xmx384m", "-XX:TieredStopAtLevel=1", "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn", "-cp",
                System.getProperty("java.class.path"), "org.apache.kafka.connect.mirror.MirrorMaker", settings.toString());
        return builder.redirectErrorStream(true).redirectOutput(folder.resolve("mirror.log").toFile()).start();
    }

    private static void told(String what) {
        long now = System.currentTimeMillis();
        System.out.printf("%s (%.1f s) ... ok%n", what, (now - last) / 1e3);
        last = now;
    }

    private static void until(String what, Callable<Boolean> isSo) throws Exception {
        long deadline = System.currentTimeMillis() + PATIENCE_MS;
        Exception reason = null;
        while (System.currentTimeMillis() < deadline) {
            try {
                if (isSo.call()) {
                    return;
                }
                reason = null;
            } catch (java.util.concurrent.ExecutionException error) {
                // Not there yet.
                reason = error;
            }
            Thread.sleep(200);
        }
        throw new AssertionError("not in good time: " + what, reason);
    }
}
