package compat;

import static compat.Check.equal;
import static compat.Check.until;
import static compat.Kit.SERVER;
import static compat.Kit.consumer;
import static compat.Kit.partitions;
import static compat.Kit.producer;
import static compat.Kit.topic;

import java.nio.file.Files;
import java.time.Duration;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.kstream.Grouped;
import org.apache.kafka.streams.kstream.Materialized;
import org.apache.kafka.streams.kstream.Produced;

/** Kafka Streams counts words: a repartition topic, a state store and its compacted changelog, a restart without its files. */
final class WordCount {
    private WordCount() {}

    static void addTo(Check check) {
        check.that("Kafka Streams counts words at least once", () -> count("at_least_once"))
                .that("Kafka Streams counts words exactly once", () -> count("exactly_once_v2"));
    }

    private static KafkaStreams started(String name, String guarantee, String source, String target) throws Exception {
        StreamsBuilder builder = new StreamsBuilder();
        builder.<String, String>stream(source)
                .flatMapValues(line -> Arrays.asList(line.split(" ")))
                .groupBy((key, word) -> word, Grouped.as("words"))
                .count(Materialized.as("counts"))
                .toStream()
                .mapValues(count -> "" + count)
                .to(target, Produced.with(Serdes.String(), Serdes.String()));
        Properties settings = new Properties();
        settings.put("application.id", name);
        settings.put("bootstrap.servers", SERVER);
        settings.put("processing.guarantee", guarantee);
        settings.put("commit.interval.ms", 100);
        // Started again, it takes its own place: Streams does not leave its group, which would wait for the old member.
        settings.put("group.instance.id", "one");
        settings.put("default.key.serde", Serdes.StringSerde.class);
        settings.put("default.value.serde", Serdes.StringSerde.class);
        settings.put("statestore.cache.max.bytes", 0);
        // A folder of its own each time: the state comes back from the changelog.
        var folder = Files.createTempDirectory("streams");
        folder.toFile().deleteOnExit();
        settings.put("state.dir", folder.toString());
        KafkaStreams streams = new KafkaStreams(builder.build(), settings);
        streams.start();
        until("the application runs", () -> streams.state() == KafkaStreams.State.RUNNING);
        return streams;
    }

    private static void say(String source, String... lines) throws Exception {
        try (var producer = producer()) {
            for (String line : lines) {
                producer.send(new ProducerRecord<>(source, line)).get();
            }
        }
    }

    private static void count(String guarantee) throws Exception {
        String name = "words-" + guarantee.replace('_', '-');
        String source = topic(name + "-lines", 2);
        String target = topic(name + "-counted", 1);
        say(source, "to be or not to be", "that is the question");
        Map<String, String> counts = new HashMap<>();
        int seen = 0;
        try (var consumer = consumer("isolation.level", "read_committed")) {
            consumer.assign(partitions(target, 1));
            KafkaStreams streams = started(name, guarantee, source, target);
            seen = read(consumer, counts, Map.of("to", "2", "be", "2", "question", "1"));
            streams.close(Duration.ofSeconds(20));
            say(source, "to see the sea");
            streams = started(name, guarantee, source, target);
            seen += read(consumer, counts, Map.of("to", "3", "the", "2", "sea", "1"));
            streams.close(Duration.ofSeconds(20));
        }
        if (guarantee.startsWith("exactly")) {
            equal("each word counted once", seen, 14);
        }
        try (Admin admin = Kit.admin()) {
            ConfigResource changelog =
                    new ConfigResource(ConfigResource.Type.TOPIC, name + "-counts-changelog");
            var config = admin.describeConfigs(List.of(changelog)).all().get().get(changelog);
            equal("the changelog", config.get("cleanup.policy").value(), "compact");
        }
    }

    private static int read(
            org.apache.kafka.clients.consumer.KafkaConsumer<String, String> consumer,
            Map<String, String> counts,
            Map<String, String> expected)
            throws Exception {
        int[] seen = {0};
        until("the counts are " + expected + ", saw " + counts, () -> {
            for (var record : consumer.poll(Duration.ofMillis(100))) {
                counts.put(record.key(), record.value());
                seen[0]++;
            }
            return counts.entrySet().containsAll(expected.entrySet());
        });
        return seen[0];
    }
}
