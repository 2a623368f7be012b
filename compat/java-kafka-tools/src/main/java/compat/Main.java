package compat;

import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.UUID;

import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.serialization.StringSerializer;

/** Apache Kafka's console tools, each by its own main class, against the broker that HEADWATER_KAFKA names. */
public final class Main {
    static final String BROKER = System.getenv("HEADWATER_KAFKA");

    private static final String TOOLS = "org.apache.kafka.tools.";
    private static final String TOPICS = TOOLS + "TopicCommand";
    private static final String CONFIGS = "kafka.admin.ConfigCommand";

    private interface Check {
        void run() throws Exception;
    }

    private Main() {
    }

    public static void main(String[] wanted) {
        Map<String, Check> checks = new LinkedHashMap<>();
        checks.put("kafka-topics makes, describes, grows and deletes topics", Main::topics);
        checks.put("kafka-configs tells topics", Main::topicConfigs);
        checks.put("kafka-configs tells brokers and their loggers", Main::brokerConfigs);
        checks.put("kafka-configs keeps quotas", Main::quotas);
        checks.put("kafka-client-metrics keeps subscriptions", Main::clientMetrics);
        checks.put("kafka-delete-records and kafka-get-offsets agree", Main::records);
        checks.put("kafka-log-dirs tells sizes", Main::logDirs);
        checks.put("kafka-leader-election finds nothing to do", Main::elections);
        checks.put("kafka-reassign-partitions moves nothing", Main::reassignments);
        checks.put("kafka-cluster, -features, -metadata-quorum, -broker-api-versions describe one node", Main::cluster);
        int failed = 0;
        for (Map.Entry<String, Check> check : checks.entrySet()) {
            if (wanted.length > 0 && !check.getKey().contains(wanted[0])) {
                continue;
            }
            try {
                check.getValue().run();
                System.out.println("ok   " + check.getKey());
            } catch (Throwable error) {
                failed++;
                System.out.println("FAIL " + check.getKey());
                error.printStackTrace(System.out);
            }
        }
        System.exit(failed == 0 ? 0 : 1);
    }

    private static Tool tool(String name, String arguments) throws Exception {
        return Tool.run(name.contains(".") ? name : TOOLS + name, arguments);
    }

    private static String topic(int partitions) throws Exception {
        String name = "tools-" + UUID.randomUUID().toString().substring(0, 8);
        tool(TOPICS, "--create --topic " + name + " --partitions " + partitions + " --replication-factor 1")
            .says("Created topic " + name);
        return name;
    }

    private static void fill(String topic, int count) {
        Map<String, Object> config = Map.of("bootstrap.servers", BROKER);
        try (var producer = new KafkaProducer<>(config, new StringSerializer(), new StringSerializer())) {
            for (int number = 0; number < count; number++) {
                producer.send(new ProducerRecord<>(topic, 0, null, "value " + number));
            }
        }
    }

    private static String file(String content) throws Exception {
        Path path = Files.createTempFile("kafka-tools", ".json");
        path.toFile().deleteOnExit();
        Files.write(path, content.getBytes(StandardCharsets.UTF_8));
        return path.toString();
    }

    private static void topics() throws Exception {
        String name = topic(2);
        tool(TOPICS, "--describe --topic " + name).says("PartitionCount: 2", "Leader: 1", "Replicas: 1", "Isr: 1");
        tool(TOPICS, "--alter --topic " + name + " --partitions 5").says();
        tool(TOPICS, "--describe --topic " + name).says("PartitionCount: 5", "Partition: 4");
        tool(TOPICS, "--alter --topic " + name + " --partitions 5").fails("already has 5 partition(s)");
        tool(TOPICS, "--alter --topic " + name + " --partitions 3").fails("would not be an increase");
        tool(TOPICS, "--create --topic " + name).fails("already exists");
        tool(TOPICS, "--create --topic " + name + "-3 --replication-factor 3").fails("Replication factor");
        tool(TOPICS, "--list").says(name);
        tool(TOPICS, "--describe --unavailable-partitions").says().silent(name);
        tool(TOPICS, "--delete --topic " + name).says();
        tool(TOPICS, "--list").says().silent(name);
        tool(TOPICS, "--describe --topic " + name).fails("does not exist as expected");
    }

    private static void topicConfigs() throws Exception {
        String of = " --entity-type topics --entity-name " + topic(1);
        tool(CONFIGS, "--alter --add-config retention.ms=3600000,cleanup.policy=[compact,delete]" + of).says("Completed");
        tool(CONFIGS, "--describe" + of).says(
            "retention.ms=3600000", "DEFAULT_CONFIG:log.retention.ms=604800000", "cleanup.policy=compact,delete");
        tool(CONFIGS, "--alter --delete-config cleanup.policy" + of).says("Completed");
        tool(CONFIGS, "--describe" + of).says("retention.ms=3600000").silent("cleanup.policy");
        tool(CONFIGS, "--describe --all" + of).says("segment.bytes=1073741824", "max.message.bytes=1048588");
        tool(CONFIGS, "--alter --add-config no.such=1" + of).fails("Unknown topic config name: no.such");
        tool(CONFIGS, "--alter --add-config retention.ms=soon" + of).fails("InvalidConfigurationException");
    }

    private static void brokerConfigs() throws Exception {
        tool(CONFIGS, "--describe --all --entity-type brokers --entity-name 1").says("node.id=1", "listeners=PLAINTEXT://");
        String cluster = " --entity-type brokers --entity-default";
        tool(CONFIGS, "--alter --add-config message.max.bytes=2000000" + cluster).says("Completed");
        tool(CONFIGS, "--describe" + cluster).says("message.max.bytes=2000000", "DYNAMIC_DEFAULT_BROKER_CONFIG");
        tool(CONFIGS, "--alter --delete-config message.max.bytes" + cluster).says("Completed");
        tool(CONFIGS, "--describe" + cluster).says().silent("message.max.bytes");
        tool(CONFIGS, "--alter --add-config fetch.max.bytes=5000000" + cluster).fails("Cannot update these configs");
        tool(CONFIGS, "--describe --entity-type broker-loggers --entity-name 1").says("root=");
        tool(CONFIGS, "--alter --entity-type groups --entity-name tools --add-config consumer.session.timeout.ms=50000")
            .says("Completed");
        tool(CONFIGS, "--describe --entity-type groups --entity-name tools").says("consumer.session.timeout.ms=50000");
        tool(CONFIGS, "--alter --entity-type groups --entity-name tools --delete-config consumer.session.timeout.ms")
            .says("Completed");
        tool(CONFIGS, "--alter --entity-type groups --entity-name tools --add-config consumer.session.timeout.ms=1")
            .fails("must be greater than or equal to group.consumer.min.session.timeout.ms");
    }

    private static void quotas() throws Exception {
        String of = " --entity-type users --entity-name tools-user --entity-type clients --entity-default";
        tool(CONFIGS, "--alter --add-config producer_byte_rate=1000000,request_percentage=50" + of).says("Completed");
        tool(CONFIGS, "--describe" + of).says("producer_byte_rate=1000000.0", "request_percentage=50.0");
        tool(CONFIGS, "--describe --entity-type users --entity-type clients").says("tools-user");
        tool(CONFIGS, "--alter --delete-config producer_byte_rate,request_percentage" + of).says("Completed");
        tool(CONFIGS, "--describe" + of).says().silent("producer_byte_rate");
        tool(CONFIGS, "--alter --add-config producer_byte_rate=-1" + of).fails("must be greater than 0");
    }

    private static void clientMetrics() throws Exception {
        String name = " --name tools-metrics";
        tool("ClientMetricsCommand", "--alter --metrics org.apache.kafka.producer. --interval 60000" + name).says("Altered");
        tool("ClientMetricsCommand", "--describe" + name).says("interval.ms=60000", "metrics=org.apache.kafka.producer.");
        tool("ClientMetricsCommand", "--list").says("tools-metrics");
        tool("ClientMetricsCommand", "--delete" + name).says("Deleted");
        tool("ClientMetricsCommand", "--list").says().silent("tools-metrics");
    }

    private static void records() throws Exception {
        String name = topic(2);
        fill(name, 10);
        tool("GetOffsetShell", "--topic " + name).says(name + ":0:10", name + ":1:0");
        String upTo = file("{\"version\":1,\"partitions\":[{\"topic\":\"" + name + "\",\"partition\":0,\"offset\":4}]}");
        tool("DeleteRecordsCommand", "--offset-json-file " + upTo).says(name + "-0", "low_watermark: 4");
        tool("GetOffsetShell", "--time earliest --topic " + name).says(name + ":0:4");
        tool("GetOffsetShell", "--time max-timestamp --topic " + name).says(name + ":0:");
        String beyond = file("{\"version\":1,\"partitions\":[{\"topic\":\"" + name + "\",\"partition\":0,\"offset\":99}]}");
        tool("DeleteRecordsCommand", "--offset-json-file " + beyond).says("OffsetOutOfRangeException");
    }

    private static void logDirs() throws Exception {
        String name = topic(1);
        fill(name, 100);
        Tool told = tool("LogDirsCommand", "--describe --topic-list " + name);
        told.says("\"partition\":\"" + name + "-0\"", "\"error\":null").silent("\"size\":0,");
    }

    private static void elections() throws Exception {
        String name = topic(1);
        tool("LeaderElectionCommand", "--election-type preferred --topic " + name + " --partition 0")
            .says("Valid replica already elected for partitions " + name + "-0");
        tool("LeaderElectionCommand", "--election-type unclean --all-topic-partitions").says();
        tool("LeaderElectionCommand", "--election-type preferred --topic tools-nowhere --partition 0").fails("tools-nowhere");
    }

    private static void reassignments() throws Exception {
        String name = topic(1);
        String reassign = "reassign.ReassignPartitionsCommand";
        String here = file(plan(name, 1));
        tool(TOOLS + reassign, "--execute --reassignment-json-file " + here).says("Successfully started partition reassignment");
        tool(TOOLS + reassign, "--verify --reassignment-json-file " + here).says("Reassignment of partition " + name + "-0 is completed.");
        tool(TOOLS + reassign, "--list").says("No partition reassignments found.");
        tool(TOOLS + reassign, "--cancel --reassignment-json-file " + here).says("None of the specified partition reassignments are active");
        tool(TOOLS + reassign, "--execute --reassignment-json-file " + file(plan(name, 7))).fails("Unknown broker id 7");
        String topics = file("{\"version\":1,\"topics\":[{\"topic\":\"" + name + "\"}]}");
        tool(TOOLS + reassign, "--generate --broker-list 1 --topics-to-move-json-file " + topics).says("Proposed partition reassignment");
    }

    private static String plan(String topic, int broker) {
        return "{\"version\":1,\"partitions\":[{\"topic\":\"" + topic + "\",\"partition\":0,\"replicas\":[" + broker + "]}]}";
    }

    private static void cluster() throws Exception {
        tool("ClusterTool", "cluster-id").says("Cluster ID: ");
        tool("ClusterTool", "list-endpoints").says("unfenced", "broker");
        tool("ClusterTool", "unregister --id 7").fails();
        tool("FeatureCommand", "describe").says();
        tool("FeatureCommand", "upgrade --feature metadata.version=20").fails("Invalid update version 20 for feature metadata.version");
        tool("MetadataQuorumCommand", "describe --status").says("LeaderId:               1", "CurrentObservers:       []");
        tool("MetadataQuorumCommand", "describe --replication").says("Leader");
        tool("BrokerApiVersionsCommand", "").says("DescribeConfigs(32): 1 to 4", "AlterClientQuotas(49): 0 to 1");
    }
}
