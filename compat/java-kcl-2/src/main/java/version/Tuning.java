package version;

import software.amazon.kinesis.leases.LeaseManagementConfig;

/** What the KCL 2 alone has: its workers take leases from each other, one at a time unless told otherwise. */
public final class Tuning {
    /** Its key has the same name: see the test that starts the server. */
    public static final String ACCOUNT = "510000000002";

    private Tuning() {}

    public static void hurry(LeaseManagementConfig leases) {
        leases.maxLeasesToStealAtOneTime(2);
    }
}
