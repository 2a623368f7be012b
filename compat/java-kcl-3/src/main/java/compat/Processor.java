package compat;

import java.nio.charset.StandardCharsets;
import software.amazon.kinesis.exceptions.InvalidStateException;
import software.amazon.kinesis.exceptions.ShutdownException;
import software.amazon.kinesis.lifecycle.events.InitializationInput;
import software.amazon.kinesis.lifecycle.events.LeaseLostInput;
import software.amazon.kinesis.lifecycle.events.ProcessRecordsInput;
import software.amazon.kinesis.lifecycle.events.ShardEndedInput;
import software.amazon.kinesis.lifecycle.events.ShutdownRequestedInput;
import software.amazon.kinesis.processor.RecordProcessorCheckpointer;
import software.amazon.kinesis.processor.ShardRecordProcessor;
import software.amazon.kinesis.retrieval.KinesisClientRecord;

/** Writes down what it is given, and checkpoints. */
final class Processor implements ShardRecordProcessor {
    /** What is checkpointed. */
    enum Checkpoints {
        /** The last record of each batch. */
        BATCHES,
        /** Just the records whose text ends in this. */
        MARKS;

        static final String MARK = " mark";
    }

    /** Takes what was seen, as it is seen. */
    interface Sink {
        void take(Seen.Event event);
    }

    private final Sink sink;
    private final Checkpoints checkpoints;
    private String shard;

    Processor(Sink sink, Checkpoints checkpoints) {
        this.sink = sink;
        this.checkpoints = checkpoints;
    }

    @Override
    public void initialize(InitializationInput input) {
        shard = input.shardId();
    }

    @Override
    public void processRecords(ProcessRecordsInput input) {
        for (KinesisClientRecord record : input.records()) {
            String text = StandardCharsets.UTF_8.decode(record.data()).toString();
            if (checkpoints == Checkpoints.MARKS && text.endsWith(Checkpoints.MARK)) {
                checkpoint(() -> input.checkpointer()
                    .checkpoint(record.sequenceNumber(), record.subSequenceNumber()));
            }
            sink.take(new Seen.Event(shard, record.sequenceNumber(), record.subSequenceNumber(), text));
        }
        if (checkpoints == Checkpoints.BATCHES) {
            checkpoint(input.checkpointer()::checkpoint);
        }
    }

    @Override
    public void leaseLost(LeaseLostInput input) {}

    @Override
    public void shardEnded(ShardEndedInput input) {
        sink.take(new Seen.Event(shard, null, 0, null));
        checkpoint(input.checkpointer()::checkpoint);
    }

    @Override
    public void shutdownRequested(ShutdownRequestedInput input) {
        RecordProcessorCheckpointer checkpointer = input.checkpointer();
        if (checkpoints == Checkpoints.BATCHES) {
            checkpoint(checkpointer::checkpoint);
        }
    }

    private interface Step {
        void run() throws InvalidStateException, ShutdownException;
    }

    private static void checkpoint(Step step) {
        try {
            step.run();
        } catch (ShutdownException lost) {
            // Another worker has the lease, and goes on from the checkpoint before.
        } catch (InvalidStateException broken) {
            throw new IllegalStateException(broken);
        }
    }
}
