package compat;

import com.amazonaws.services.kinesis.clientlibrary.interfaces.IRecordProcessorCheckpointer;
import com.amazonaws.services.kinesis.clientlibrary.interfaces.v2.IRecordProcessor;
import com.amazonaws.services.kinesis.clientlibrary.interfaces.v2.IShutdownNotificationAware;
import com.amazonaws.services.kinesis.clientlibrary.lib.worker.ShutdownReason;
import com.amazonaws.services.kinesis.clientlibrary.types.InitializationInput;
import com.amazonaws.services.kinesis.clientlibrary.types.ProcessRecordsInput;
import com.amazonaws.services.kinesis.clientlibrary.types.ShutdownInput;
import com.amazonaws.services.kinesis.model.Record;
import java.math.BigInteger;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;

/** Writes down what it is given, and checkpoints each batch. */
final class Processor implements IRecordProcessor, IShutdownNotificationAware {
    /** What all processors of a worker were given. */
    static final class Seen {
        private final List<String> texts = new ArrayList<>();
        private final Map<String, BigInteger> last = new HashMap<>();

        synchronized void add(String shard, String sequence, String text) {
            BigInteger number = new BigInteger(sequence);
            BigInteger before = last.put(shard, number);
            // Its thread ends by this, and the check by what it then misses.
            if (before != null && before.compareTo(number) >= 0) {
                throw new AssertionError(shard + ": " + before + " before " + number);
            }
            texts.add(text);
        }

        synchronized Set<String> distinct() {
            return new HashSet<>(texts);
        }

        synchronized int count() {
            return texts.size();
        }
    }

    private final Seen seen;
    private String shard;

    Processor(Seen seen) {
        this.seen = seen;
    }

    @Override
    public void initialize(InitializationInput input) {
        shard = input.getShardId();
    }

    @Override
    public void processRecords(ProcessRecordsInput input) {
        for (Record record : input.getRecords()) {
            seen.add(shard, record.getSequenceNumber(),
                StandardCharsets.UTF_8.decode(record.getData()).toString());
        }
        checkpoint(input.getCheckpointer());
    }

    @Override
    public void shutdown(ShutdownInput input) {
        if (input.getShutdownReason() == ShutdownReason.TERMINATE) {
            checkpoint(input.getCheckpointer());
        }
    }

    @Override
    public void shutdownRequested(IRecordProcessorCheckpointer checkpointer) {
        checkpoint(checkpointer);
    }

    private static void checkpoint(IRecordProcessorCheckpointer checkpointer) {
        try {
            checkpointer.checkpoint();
        } catch (Exception failure) {
            throw new IllegalStateException(failure);
        }
    }
}
