package compat;

import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Properties;
import java.util.Set;
import java.util.UUID;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.DescribeTopicsOptions;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.admin.ScramCredentialInfo;
import org.apache.kafka.clients.admin.ScramMechanism;
import org.apache.kafka.clients.admin.UserScramCredentialUpsertion;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.Metric;
import org.apache.kafka.common.acl.AccessControlEntry;
import org.apache.kafka.common.acl.AccessControlEntryFilter;
import org.apache.kafka.common.acl.AclBinding;
import org.apache.kafka.common.acl.AclBindingFilter;
import org.apache.kafka.common.acl.AclOperation;
import org.apache.kafka.common.acl.AclPermissionType;
import org.apache.kafka.common.errors.SaslAuthenticationException;
import org.apache.kafka.common.errors.TopicAuthorizationException;
import org.apache.kafka.common.resource.PatternType;
import org.apache.kafka.common.resource.ResourcePattern;
import org.apache.kafka.common.resource.ResourcePatternFilter;
import org.apache.kafka.common.resource.ResourceType;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.common.serialization.StringSerializer;

/** Security as Apache Kafka's own clients see it, with Amazon's login module for MSK. */
public final class Main {
    private static final long PATIENCE_S = 30;
    private static final List<String> FAILURES = new ArrayList<>();

    private static String address;
    private static String certificate;

    private interface Step {
        Object run() throws Exception;
    }

    /** What became of a step: its value, or the name of the error behind it. */
    private static Object outcome(Step step) throws InterruptedException {
        try {
            return step.run();
        } catch (InterruptedException e) {
            throw e;
        } catch (ExecutionException e) {
            return e.getCause().getClass().getSimpleName();
        } catch (Exception e) {
            return e.getClass().getSimpleName();
        }
    }

    private static void check(String what, Object expected, Step step) throws InterruptedException {
        Object seen = outcome(step);
        if (expected.equals(seen)) {
            System.out.println("ok   " + what);
        } else {
            System.out.println("FAIL " + what + ": expected " + expected + ", saw " + seen);
            FAILURES.add(what);
        }
    }

    private static Properties over(String mechanism, String jaas) {
        Properties config = new Properties();
        config.put("bootstrap.servers", address);
        config.put("security.protocol", "SASL_SSL");
        config.put("ssl.truststore.type", "PEM");
        config.put("ssl.truststore.location", certificate);
        config.put("sasl.mechanism", mechanism);
        config.put("sasl.jaas.config", jaas);
        config.put("default.api.timeout.ms", "20000");
        config.put("request.timeout.ms", "10000");
        config.put("key.serializer", StringSerializer.class.getName());
        config.put("value.serializer", StringSerializer.class.getName());
        config.put("key.deserializer", StringDeserializer.class.getName());
        config.put("value.deserializer", StringDeserializer.class.getName());
        config.put("auto.offset.reset", "earliest");
        return config;
    }

    private static Properties byIam(String accessKey, String secret) {
        System.setProperty("aws.accessKeyId", accessKey);
        System.setProperty("aws.secretAccessKey", secret);
        Properties config = over("AWS_MSK_IAM", "software.amazon.msk.auth.iam.IAMLoginModule required;");
        config.put("sasl.client.callback.handler.class", "software.amazon.msk.auth.iam.IAMClientCallbackHandler");
        return config;
    }

    /** The same keys, as the signers for other languages send them: in a token. */
    private static Properties bySignedToken(String accessKey, String secret) {
        System.setProperty("aws.accessKeyId", accessKey);
        System.setProperty("aws.secretAccessKey", secret);
        Properties config = over("OAUTHBEARER",
            "org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginModule required;");
        String handler = "software.amazon.msk.auth.iam.IAMOAuthBearerLoginCallbackHandler";
        config.put("sasl.login.callback.handler.class", handler);
        return config;
    }

    private static Properties byScram(String user, String password) {
        return over("SCRAM-SHA-512", "org.apache.kafka.common.security.scram.ScramLoginModule required username=\""
            + user + "\" password=\"" + password + "\";");
    }

    private static Object topics(Properties config) throws Exception {
        try (Admin admin = Admin.create(config)) {
            return admin.listTopics().names().get(PATIENCE_S, TimeUnit.SECONDS).isEmpty() ? "none" : "some";
        }
    }

    private static Object produce(Properties config, String topic) throws Exception {
        try (KafkaProducer<String, String> producer = new KafkaProducer<>(config)) {
            producer.send(new ProducerRecord<>(topic, "hello")).get(PATIENCE_S, TimeUnit.SECONDS);
            return "ok";
        }
    }

    private static Object consume(Properties config, String topic) {
        config.put("group.id", UUID.randomUUID().toString());
        try (KafkaConsumer<String, String> consumer = new KafkaConsumer<>(config)) {
            consumer.subscribe(List.of(topic));
            long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(PATIENCE_S);
            while (System.nanoTime() < deadline) {
                for (var record : consumer.poll(Duration.ofSeconds(1))) {
                    return record.value();
                }
            }
            return "nothing";
        }
    }

    private static AclBinding rule(String principal, AclOperation operation, AclPermissionType permission,
                                   String topic, PatternType pattern) {
        return new AclBinding(new ResourcePattern(ResourceType.TOPIC, topic, pattern),
            new AccessControlEntry("User:" + principal, "*", operation, permission));
    }

    /** Sends until the connection has logged in again, which the broker asks for every few seconds. */
    private static Object logsInAgain(Properties config, String topic) throws Exception {
        try (KafkaProducer<String, String> producer = new KafkaProducer<>(config)) {
            long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(PATIENCE_S);
            while (System.nanoTime() < deadline) {
                producer.send(new ProducerRecord<>(topic, "again")).get(PATIENCE_S, TimeUnit.SECONDS);
                double again = 0;
                double failed = 0;
                for (Metric metric : producer.metrics().values()) {
                    if (metric.metricName().name().equals("successful-reauthentication-total")) {
                        again += (Double) metric.metricValue();
                    }
                    if (metric.metricName().name().equals("failed-reauthentication-total")) {
                        failed += (Double) metric.metricValue();
                    }
                }
                if (failed > 0) {
                    return "failed";
                }
                if (again >= 2) {
                    return "ok";
                }
            }
            return "never";
        }
    }

    private static void acls(Admin admin, String topic) throws Exception {
        Properties eve = byScram("eve", "eve's own");
        var upsertion = new UserScramCredentialUpsertion("eve",
            new ScramCredentialInfo(ScramMechanism.SCRAM_SHA_512, 4096), "eve's own");
        check("a user is made", "ok", () -> {
            admin.alterUserScramCredentials(List.of(upsertion)).all().get(PATIENCE_S, TimeUnit.SECONDS);
            return "ok";
        });
        check("a user sees nothing at first", "none", () -> topics(eve));
        check("or writes", TopicAuthorizationException.class.getSimpleName(), () -> produce(eve, topic));
        AclBinding allow = rule("eve", AclOperation.ALL, AclPermissionType.ALLOW, topic.substring(0, 5),
            PatternType.PREFIXED);
        admin.createAcls(List.of(allow)).all().get(PATIENCE_S, TimeUnit.SECONDS);
        check("what is allowed can be done", "ok", () -> produce(eve, topic));
        check("operations are told", Set.of(AclOperation.READ, AclOperation.WRITE, AclOperation.CREATE,
            AclOperation.DELETE, AclOperation.ALTER, AclOperation.DESCRIBE, AclOperation.DESCRIBE_CONFIGS,
            AclOperation.ALTER_CONFIGS), () -> {
                try (Admin other = Admin.create(eve)) {
                    var options = new DescribeTopicsOptions().includeAuthorizedOperations(true);
                    return other.describeTopics(List.of(topic), options).allTopicNames()
                        .get(PATIENCE_S, TimeUnit.SECONDS).get(topic).authorizedOperations();
                }
            });
        AclBinding deny = rule("eve", AclOperation.WRITE, AclPermissionType.DENY, topic, PatternType.LITERAL);
        admin.createAcls(List.of(deny)).all().get(PATIENCE_S, TimeUnit.SECONDS);
        check("denying beats allowing", TopicAuthorizationException.class.getSimpleName(), () -> produce(eve, topic));
        var about = new AclBindingFilter(new ResourcePatternFilter(ResourceType.TOPIC, topic, PatternType.MATCH),
            AccessControlEntryFilter.ANY);
        check("rules are described", Set.of(allow, deny),
            () -> Set.copyOf(admin.describeAcls(about).values().get(PATIENCE_S, TimeUnit.SECONDS)));
        check("rules are removed", List.of(deny), () ->
            List.copyOf(admin.deleteAcls(List.of(deny.toFilter())).all().get(PATIENCE_S, TimeUnit.SECONDS)));
        check("and no longer hold", "ok", () -> produce(eve, topic));
    }

    public static void main(String[] arguments) throws Exception {
        Path endpoints = Path.of(System.getenv("HEADWATER_ENDPOINTS"));
        certificate = endpoints.resolveSibling("tls").resolve("certificate.pem").toString();
        Matcher found = Pattern.compile("\"SASL_SSL\": \"([^\"]*)\"").matcher(Files.readString(endpoints));
        if (!found.find()) {
            throw new IllegalStateException("there is no listener for SASL_SSL");
        }
        address = found.group(1);
        System.setProperty("aws.region", "eu-central-1");
        String key = arguments[0];
        String secret = arguments[1];
        String topic = "topic-" + UUID.randomUUID();
        String refused = SaslAuthenticationException.class.getSimpleName();

        check("AWS_MSK_IAM refuses a wrong secret", refused, () -> topics(byIam(key, secret + "x")));
        check("AWS_MSK_IAM refuses an unknown key", refused, () -> topics(byIam("AKIAUNKNOWN", secret)));
        check("a signed token refuses a wrong secret", refused, () -> topics(bySignedToken(key, secret + "x")));
        check("AWS_MSK_IAM lets in", "none", () -> topics(byIam(key, secret)));
        check("a signed token lets in", "none", () -> topics(bySignedToken(key, secret)));
        check("SCRAM refuses a stranger", refused, () -> topics(byScram("nobody", "x")));
        try (Admin admin = Admin.create(byIam(key, secret))) {
            var made = new NewTopic(topic, Optional.of(2), Optional.empty());
            admin.createTopics(List.of(made)).all().get(PATIENCE_S, TimeUnit.SECONDS);
            check("a signer produces", "ok", () -> produce(byIam(key, secret), topic));
            check("a signer consumes", "hello", () -> consume(byIam(key, secret), topic));
            acls(admin, topic);
            check("a signer logs in again on its connection", "ok", () -> logsInAgain(byIam(key, secret), topic));
            check("a user logs in again on its connection", "ok",
                () -> logsInAgain(byScram("eve", "eve's own"), topic));
            check("a user sees what rules are about", "some",
                () -> topics(byScram("eve", "eve's own")));
        }
        if (!FAILURES.isEmpty()) {
            System.out.println(FAILURES.size() + " checks failed");
            System.exit(1);
        }
    }
}
