package compat;

import java.net.URI;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import com.google.common.util.concurrent.ListenableFuture;
import software.amazon.awssdk.auth.credentials.AwsBasicCredentials;
import software.amazon.awssdk.auth.credentials.StaticCredentialsProvider;
import software.amazon.kinesis.producer.KinesisProducer;
import software.amazon.kinesis.producer.KinesisProducerConfiguration;
import software.amazon.kinesis.producer.UserRecordResult;
import version.Tuning;

/** The Kinesis Producer Library, its native daemon pointed at HEADWATER_TLS_ENDPOINT: it speaks nothing but TLS. */
final class Producer implements AutoCloseable {
    static final String NAMESPACE = "compat/KPL";

    private final KinesisProducer kpl;

    /** Its daemon lies in the jar, and is unpacked into the folder {@code work}. */
    Producer(String work) {
        kpl = new KinesisProducer(configuration().setTempDirectory(work));
    }

    /** The defaults, but for where it goes, whose certificate it trusts, and how fast it may be. */
    private static KinesisProducerConfiguration configuration() {
        URI endpoint = URI.create(System.getenv("HEADWATER_TLS_ENDPOINT"));
        return new KinesisProducerConfiguration()
            .setKinesisEndpoint(endpoint.getHost()).setKinesisPort(endpoint.getPort())
            .setCloudwatchEndpoint(endpoint.getHost()).setCloudwatchPort(endpoint.getPort())
            .setVerifyCertificate(false)
            .setRegion(Aws.REGION)
            .setCredentialsProvider(
                StaticCredentialsProvider.create(AwsBasicCredentials.create(Tuning.ACCOUNT, "secret")))
            .setAggregationEnabled(true)
            .setRateLimit(Long.MAX_VALUE)
            .setMetricsNamespace(NAMESPACE).setMetricsUploadDelay(1000)
            .setLogLevel("warning");
    }

    ListenableFuture<UserRecordResult> put(String stream, String key, String text) {
        return kpl.addUserRecord(stream, key, ByteBuffer.wrap(text.getBytes(StandardCharsets.UTF_8)));
    }

    ListenableFuture<UserRecordResult> put(String stream, String key, byte[] bytes) {
        return kpl.addUserRecord(stream, key, ByteBuffer.wrap(bytes));
    }

    /** Records that were added and are not yet answered. */
    int outstanding() {
        return kpl.getOutstandingRecordsCount();
    }

    @Override
    public void close() {
        kpl.flushSync();
        kpl.destroy();
    }
}
