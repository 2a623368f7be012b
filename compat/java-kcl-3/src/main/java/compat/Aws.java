package compat;

import java.net.URI;
import software.amazon.awssdk.auth.credentials.AwsBasicCredentials;
import software.amazon.awssdk.auth.credentials.StaticCredentialsProvider;
import software.amazon.awssdk.awscore.client.builder.AwsClientBuilder;
import software.amazon.awssdk.regions.Region;
import software.amazon.awssdk.services.cloudwatch.CloudWatchAsyncClient;
import software.amazon.awssdk.services.dynamodb.DynamoDbAsyncClient;
import software.amazon.awssdk.services.kinesis.KinesisAsyncClient;
import software.amazon.kinesis.common.KinesisClientUtil;
import version.Tuning;

/** The three services that the KCL speaks to, all of them at HEADWATER_ENDPOINT. */
final class Aws {
    static final String REGION = "eu-central-1";

    /** As the KCL's own helper sets it up: HTTP/2, which over http:// is by prior knowledge. */
    final KinesisAsyncClient kinesis =
        KinesisClientUtil.createKinesisAsyncClient(at(KinesisAsyncClient.builder()));
    final DynamoDbAsyncClient dynamo = at(DynamoDbAsyncClient.builder()).build();
    final CloudWatchAsyncClient cloudWatch = at(CloudWatchAsyncClient.builder()).build();

    private static <B extends AwsClientBuilder<B, C>, C> B at(B builder) {
        return builder.endpointOverride(URI.create(System.getenv("HEADWATER_ENDPOINT")))
            .region(Region.of(REGION))
            .credentialsProvider(
                StaticCredentialsProvider.create(AwsBasicCredentials.create(Tuning.ACCOUNT, "secret")));
    }
}
