package compat;

import java.net.URI;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import software.amazon.awssdk.auth.credentials.AwsBasicCredentials;
import software.amazon.awssdk.auth.credentials.StaticCredentialsProvider;
import software.amazon.awssdk.awscore.client.builder.AwsClientBuilder;
import software.amazon.awssdk.regions.Region;
import software.amazon.awssdk.services.s3.S3Client;
import software.amazon.awssdk.services.sqs.SqsAsyncClient;
import software.amazon.awssdk.services.sqs.SqsClient;

/**
 * Drives a server's queues with the AWS SDK for Java 2 and what is built on it. Each argument names a part: sync,
 * batch-manager, spring, extended.
 *
 * <p>The endpoint is HEADWATER_ENDPOINT. The SDK compares the MD5 of every message itself.
 */
public final class Main {
    static final String ACCOUNT = "500000000002";
    static final String REGION = "sa-east-1";

    private Main() {}

    private static <B extends AwsClientBuilder<B, C>, C> C connect(B builder) {
        return builder.endpointOverride(URI.create(System.getenv("HEADWATER_ENDPOINT"))).region(Region.of(REGION))
            .credentialsProvider(StaticCredentialsProvider.create(AwsBasicCredentials.create(ACCOUNT, "secret")))
            .overrideConfiguration(o -> o.retryStrategy(r -> r.maxAttempts(1))
                .apiCallTimeout(Duration.ofSeconds(60)))
            .build();
    }

    static SqsClient sync() {
        return connect(SqsClient.builder());
    }

    static SqsAsyncClient async() {
        return connect(SqsAsyncClient.builder());
    }

    static S3Client s3() {
        return connect(S3Client.builder().forcePathStyle(true));
    }

    /** A part of the checks; fails by throwing. */
    interface Part {
        void run() throws Exception;
    }

    public static void main(String[] arguments) {
        Map<String, Part> parts = Map.of("sync", SyncChecks::all, "batch-manager", BatchManager::all,
            "spring", SpringPolling::all, "extended", Extended::all);
        try {
            for (String name : List.of(arguments)) {
                System.out.println("-- " + name);
                parts.get(name).run();
            }
        } catch (Throwable failure) {
            System.out.println("FAIL " + failure);
            failure.printStackTrace(System.out);
            System.exit(1);
        }
        System.exit(0);
    }
}
