package compat;

import static compat.Assert.equal;
import static compat.Assert.ok;

import java.net.URI;
import software.amazon.awssdk.auth.credentials.AwsBasicCredentials;
import software.amazon.awssdk.auth.credentials.StaticCredentialsProvider;
import software.amazon.awssdk.core.SdkBytes;
import software.amazon.awssdk.http.Protocol;
import software.amazon.awssdk.http.SdkHttpConfigurationOption;
import software.amazon.awssdk.http.nio.netty.NettyNioAsyncHttpClient;
import software.amazon.awssdk.regions.Region;
import software.amazon.awssdk.services.kinesis.KinesisAsyncClient;
import software.amazon.awssdk.services.kinesis.KinesisClient;
import software.amazon.awssdk.services.kinesis.model.ShardIteratorType;
import software.amazon.awssdk.utils.AttributeMap;

/**
 * Drives a server with the AWS SDK for Java 2: CBOR, which it sends by default, over HTTP/2 and
 * HTTP/1.1, plain and TLS, and JSON when CBOR is turned off.
 *
 * <p>Endpoints: HEADWATER_ENDPOINT (http://..) and, if set, HEADWATER_TLS_ENDPOINT (https://..), whose
 * self-signed certificate is trusted.
 */
public final class Main {
    static final String ACCOUNT = "500000000001";
    static final String REGION = "sa-east-1";

    private static final StaticCredentialsProvider CREDENTIALS =
        StaticCredentialsProvider.create(AwsBasicCredentials.create(ACCOUNT, "secret"));

    private Main() {}

    private static KinesisAsyncClient async(String endpoint, Protocol protocol) {
        var http = NettyNioAsyncHttpClient.builder().protocol(protocol).buildWithDefaults(
            AttributeMap.builder().put(SdkHttpConfigurationOption.TRUST_ALL_CERTIFICATES, true).build());
        return KinesisAsyncClient.builder().endpointOverride(URI.create(endpoint))
            .region(Region.of(REGION)).credentialsProvider(CREDENTIALS).httpClient(http)
            .overrideConfiguration(o -> o.retryStrategy(r -> r.maxAttempts(1))).build();
    }

    private static void all(String stream, KinesisAsyncClient client, boolean fanOut) throws Exception {
        System.out.println("-- " + stream);
        var checks = new Checks(client, stream);
        checks.create();
        checks.putAndIterate();
        checks.reshard();
        if (fanOut) {
            var subscriptions = new FanOut(checks);
            subscriptions.closedShardEndsWithItsChildren();
            subscriptions.openShardIsPushed();
        }
        checks.remove();
        client.close();
    }

    /** The synchronous client, which has its own HTTP implementation. */
    private static void sync(String endpoint) {
        System.out.println("-- sync");
        try (var client = KinesisClient.builder().endpointOverride(URI.create(endpoint))
                .region(Region.of(REGION)).credentialsProvider(CREDENTIALS)
                .overrideConfiguration(o -> o.retryStrategy(r -> r.maxAttempts(1))).build()) {
            client.createStream(r -> r.streamName("sync").shardCount(2));
            client.waiter().waitUntilStreamExists(r -> r.streamName("sync"));
            byte[] bytes = new byte[70_000];
            for (int i = 0; i < bytes.length; i++) {
                bytes[i] = (byte) i;
            }
            var put = client.putRecord(r -> r.streamName("sync").partitionKey("k")
                .data(SdkBytes.fromByteArray(bytes)));
            var iterator = client.getShardIterator(r -> r.streamName("sync").shardId(put.shardId())
                .shardIteratorType(ShardIteratorType.TRIM_HORIZON)).shardIterator();
            var records = client.getRecords(r -> r.shardIterator(iterator)).records();
            equal("the bytes", records.get(0).data(), SdkBytes.fromByteArray(bytes));
            equal("its number", records.get(0).sequenceNumber(), put.sequenceNumber());
            client.deleteStream(r -> r.streamName("sync"));
            ok("create, put, get and delete");
        }
    }

    public static void main(String[] arguments) {
        String plain = System.getenv("HEADWATER_ENDPOINT");
        String tls = System.getenv("HEADWATER_TLS_ENDPOINT");
        try {
            all("http2-plain", async(plain, Protocol.HTTP2), true);
            all("http1-plain", async(plain, Protocol.HTTP1_1), false);
            sync(plain);
            if (tls != null) {
                all("http2-tls", async(tls, Protocol.HTTP2), true);
                all("http1-tls", async(tls, Protocol.HTTP1_1), false);
            }
            System.setProperty("aws.cborEnabled", "false");
            all("json", async(plain, Protocol.HTTP2), true);
        } catch (Throwable failure) {
            System.out.println("FAIL " + failure);
            failure.printStackTrace(System.out);
            System.exit(1);
        }
        System.exit(0);
    }
}
