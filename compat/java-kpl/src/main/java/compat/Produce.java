package compat;

import com.google.common.util.concurrent.FutureCallback;
import com.google.common.util.concurrent.Futures;
import com.google.common.util.concurrent.MoreExecutors;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicLong;
import software.amazon.kinesis.producer.UserRecordResult;

/**
 * Measures the KPL: {@code Produce STREAM SHARDS RECORDS BYTES} creates the stream, puts as many records of as many bytes
 * as one process can, and prints records a second. What it leaves behind, which is one record more that it begins with, is
 * what compat.Consume of java-kcl-3 reads.
 */
public final class Produce {
    /** Records given to the KPL and not yet answered: enough that it always has work, few enough for the heap. */
    private static final int OUTSTANDING = 50_000;

    private Produce() {}

    public static void main(String[] arguments) throws InterruptedException {
        String stream = arguments[0];
        int records = Integer.parseInt(arguments[2]);
        byte[] payload = new byte[Integer.parseInt(arguments[3])];
        new Stream(new Aws(), stream).create(Integer.parseInt(arguments[1]));
        AtomicLong failed = new AtomicLong();
        CountDownLatch left = new CountDownLatch(records);
        var answer = new FutureCallback<UserRecordResult>() {
            @Override
            public void onSuccess(UserRecordResult result) {
                left.countDown();
            }

            @Override
            public void onFailure(Throwable failure) {
                failed.incrementAndGet();
                left.countDown();
            }
        };
        try (Producer producer = new Producer(System.getProperty("java.io.tmpdir"))) {
            // The daemon's start and its look at the shards are not measured.
            Futures.getUnchecked(producer.put(stream, "warm", new byte[] {0}));
            long start = System.nanoTime();
            for (int i = 0; i < records; i++) {
                while (producer.outstanding() > OUTSTANDING) {
                    Thread.onSpinWait();
                    Thread.sleep(1);
                }
                Futures.addCallback(producer.put(stream, "key " + i % 1000, payload), answer,
                    MoreExecutors.directExecutor());
            }
            left.await();
            double seconds = (System.nanoTime() - start) / 1e9;
            System.out.printf("kpl: %d records of %d B in %.1f s: %.0f records/s, %d failed%n",
                records, payload.length, seconds, records / seconds, failed.get());
        }
        System.exit(failed.get() == 0 ? 0 : 1);
    }
}
