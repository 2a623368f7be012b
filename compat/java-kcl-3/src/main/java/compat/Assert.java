package compat;

import java.util.Objects;
import java.util.concurrent.Callable;
import java.util.function.Supplier;

/** Short words for checks. The first failure ends the check with what was expected and seen. */
public final class Assert {
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

    /** Calls {@code look} until it answers true, for at most 90 s; {@code seen} tells what it was then. */
    static void until(String what, Callable<Boolean> look, Supplier<?> seen) {
        long deadline = System.nanoTime() + 90_000_000_000L;
        try {
            while (!look.call()) {
                if (System.nanoTime() > deadline) {
                    throw new AssertionError("not within 90 s: " + what + "; saw " + seen.get());
                }
                Thread.sleep(50);
            }
        } catch (RuntimeException failure) {
            throw failure;
        } catch (Exception failure) {
            throw new AssertionError(what, failure);
        }
    }
}
