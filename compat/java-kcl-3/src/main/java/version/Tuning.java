package version;

import software.amazon.kinesis.leases.LeaseAssignmentStrategy;
import software.amazon.kinesis.leases.LeaseManagementConfig;

/** The timers that the KCL 3 alone has. */
public final class Tuning {
    /** Its key has the same name: see the test that starts the server. */
    public static final String ACCOUNT = "510000000001";

    private Tuning() {}

    /** Leases are assigned by an elected leader: each second, by their number, the leader replaced in seconds. */
    public static void hurry(LeaseManagementConfig leases) {
        leases.leaseAssignmentIntervalMillis(1000L)
            .leaseAssignmentStrategy(LeaseAssignmentStrategy.LEASE_COUNT_BASED)
            .dynamoDbLockBasedLeaderLeaseDurationInMillis(3000)
            .dynamoDbLockBasedLeaderHeartbeatPeriodInMillis(1000);
        leases.workerUtilizationAwareAssignmentConfig()
            .disableWorkerMetrics(true).workerMetricsReporterFreqInMillis(4000);
        // Seconds are enough for a worker that is asked to give a lease away.
        leases.gracefulLeaseHandoffConfig(LeaseManagementConfig.GracefulLeaseHandoffConfig.builder()
            .gracefulLeaseHandoffTimeoutMillis(3000).isGracefulLeaseHandoffEnabled(true).build());
    }
}
