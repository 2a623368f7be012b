package compat;

import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/**
 * Measures the KCL: {@code Consume STREAM RECORDS polling|fan_out} reads what is in the stream by one worker, and prints
 * records a second from its first record to its last. {@code Consume STREAM RECORDS fill SHARDS BYTES} creates the stream
 * and puts that many records, each by itself; compat.Produce of java-kpl puts them aggregated.
 */
public final class Consume {
    private Consume() {}

    private static void fill(compat.Stream stream, int records, int shards, int bytes) {
        stream.create(shards);
        String text = "x".repeat(bytes);
        for (int done = 0; done < records; done += 500) {
            int count = Math.min(500, records - done);
            stream.put(Math.max(shards, 1), Stream.generate(() -> text).limit(count)
                .collect(Collectors.toList()));
        }
        System.out.printf("filled %s with %d records of %d B%n", stream.name, records, bytes);
    }

    private static void read(compat.Stream stream, int records, Worker.Mode mode) throws InterruptedException {
        AtomicInteger count = new AtomicInteger();
        AtomicLong first = new AtomicLong();
        CountDownLatch all = new CountDownLatch(1);
        new Worker(stream.aws, stream.name + "-" + mode + "-" + System.currentTimeMillis(), stream.name,
            "reader", mode, Processor.Checkpoints.BATCHES, event -> {
                first.compareAndSet(0, System.nanoTime());
                if (count.incrementAndGet() == records) {
                    all.countDown();
                }
            });
        all.await();
        double seconds = (System.nanoTime() - first.get()) / 1e9;
        System.out.printf("kcl %s: %d records in %.1f s: %.0f records/s%n", mode, records, seconds,
            records / seconds);
    }

    public static void main(String[] arguments) throws InterruptedException {
        compat.Stream stream = new compat.Stream(new Aws(), arguments[0]);
        int records = Integer.parseInt(arguments[1]);
        if (arguments[2].equals("fill")) {
            fill(stream, records, Integer.parseInt(arguments[3]), Integer.parseInt(arguments[4]));
        } else {
            read(stream, records, Worker.Mode.valueOf(arguments[2].toUpperCase(java.util.Locale.ROOT)));
        }
        System.exit(0);
    }
}
