package compat;

import java.util.concurrent.TimeUnit;
import software.amazon.kinesis.common.ConfigsBuilder;
import software.amazon.kinesis.common.InitialPositionInStream;
import software.amazon.kinesis.common.InitialPositionInStreamExtended;
import software.amazon.kinesis.coordinator.Scheduler;
import software.amazon.kinesis.processor.ShardRecordProcessor;
import software.amazon.kinesis.processor.SingleStreamTracker;
import software.amazon.kinesis.retrieval.RetrievalSpecificConfig;
import software.amazon.kinesis.retrieval.fanout.FanOutConfig;
import software.amazon.kinesis.retrieval.polling.PollingConfig;
import version.Tuning;

/** One worker of an application, with the KCL's timers shortened so that a check takes seconds. */
final class Worker implements AutoCloseable {
    /** How records come. */
    enum Mode { POLLING, FAN_OUT }

    private static final InitialPositionInStreamExtended FROM_THE_START =
        InitialPositionInStreamExtended.newInitialPosition(InitialPositionInStream.TRIM_HORIZON);

    private static final long FAILOVER_MILLIS =
        Long.parseLong(System.getenv().getOrDefault("HEADWATER_FAILOVER_MILLIS", "3000"));

    private final Scheduler scheduler;
    private final Thread thread;

    Worker(Aws aws, String application, String stream, String name, Mode mode,
            Processor.Checkpoints checkpoints, Processor.Sink sink) {
        var tracker = new SingleStreamTracker(stream, FROM_THE_START);
        var builder = new ConfigsBuilder(tracker, application, aws.kinesis, aws.dynamo, aws.cloudWatch,
            name, () -> (ShardRecordProcessor) new Processor(sink, checkpoints));
        var coordinator = builder.coordinatorConfig()
            .parentShardPollIntervalMillis(500).shardConsumerDispatchPollIntervalMillis(200);
        var leases = builder.leaseManagementConfig()
            .failoverTimeMillis(FAILOVER_MILLIS).shardSyncIntervalMillis(1000)
            .leasesRecoveryAuditorExecutionFrequencyMillis(1000);
        Tuning.hurry(leases);
        scheduler = new Scheduler(builder.checkpointConfig(), coordinator, leases,
            builder.lifecycleConfig(), builder.metricsConfig().metricsBufferTimeMillis(1000),
            builder.processorConfig(),
            builder.retrievalConfig().retrievalSpecificConfig(retrieval(aws, application, stream, mode)));
        thread = new Thread(scheduler, name);
        thread.setDaemon(true);
        thread.start();
    }

    private static RetrievalSpecificConfig retrieval(Aws aws, String application, String stream, Mode mode) {
        if (mode == Mode.POLLING) {
            return new PollingConfig(stream, aws.kinesis).idleTimeBetweenReadsInMillis(200);
        }
        return new FanOutConfig(aws.kinesis).applicationName(application).streamName(stream);
    }

    /** Ends it in an orderly manner: its processors checkpoint, its leases are given back. */
    @Override
    public void close() {
        try {
            Assert.isTrue("an orderly end", scheduler.startGracefulShutdown().get(60, TimeUnit.SECONDS));
            thread.join(10_000);
        } catch (RuntimeException failure) {
            throw failure;
        } catch (Exception failure) {
            throw new AssertionError("an orderly end", failure);
        }
    }

    /** Ends it at once: asked for an orderly end, the KCL 2 waits for processors of shards that ended before. */
    void stop() {
        scheduler.shutdown();
        Assert.until("the worker ends", () -> !thread.isAlive(), thread::getState);
    }
}
