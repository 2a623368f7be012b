package compat;

import java.util.Objects;
import java.util.concurrent.Callable;
import java.util.concurrent.CompletionException;

/** Short words for checks. The first failure ends the program with what was expected and seen. */
final class Assert {
    private Assert() {}

    static void ok(String what) {
        System.out.println("ok   " + what);
    }

    static void equal(String what, Object seen, Object expected) {
        if (!Objects.equals(seen, expected)) {
            throw new AssertionError(what + ": expected " + expected + ", saw " + seen);
        }
    }

    static void isTrue(String what, boolean condition) {
        if (!condition) {
            throw new AssertionError("expected: " + what);
        }
    }

    /** Wants the call to fail with an exception of exactly this class. */
    static void refused(String what, Class<? extends Exception> expected, Callable<?> call) {
        Throwable seen;
        try {
            seen = null;
            call.call();
        } catch (CompletionException wrapped) {
            seen = wrapped.getCause();
        } catch (Exception thrown) {
            seen = thrown;
        }
        equal(what, seen == null ? "an answer" : seen.getClass().getName(), expected.getName());
    }

    /** Calls {@code look} until it answers true, for at most 30 s. */
    static void until(String what, Callable<Boolean> look) {
        long deadline = System.nanoTime() + 30_000_000_000L;
        try {
            while (!look.call()) {
                isTrue("within 30 s: " + what, System.nanoTime() < deadline);
                Thread.sleep(20);
            }
        } catch (RuntimeException failure) {
            throw failure;
        } catch (Exception failure) {
            throw new AssertionError(what, failure);
        }
    }
}
