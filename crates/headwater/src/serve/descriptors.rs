//! File descriptors: connections and the store's files share what the system allows, commonly 1,024 until one asks for more.

use aws::limits::Limits;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Raises the limit as far as this process may, and gives what is allowed then.
pub(crate) fn raise_limit() -> u64 {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: maximum,
        maximum,
    };
    let in_force = match setrlimit(Resource::Nofile, raised) {
        Ok(()) => maximum,
        Err(error) => {
            tracing::debug!(%error, "the limit of open files stays as it is");
            current
        }
    };
    // None is no limit.
    in_force.unwrap_or(u64::MAX)
}

/// The front door's limits: no more than a third of the descriptors for connections there, and as many for Kafka's, so that
/// the store is never without.
pub(super) fn limits(descriptors: u64) -> Limits {
    let mut limits = Limits::default();
    limits.connections_max = limits.connections_max.min(third(descriptors));
    limits
}

/// How many Kafka connections there may be, of those `wanted`.
pub(super) fn kafka_connections(descriptors: u64, wanted: usize) -> usize {
    wanted.min(third(descriptors))
}

fn third(descriptors: u64) -> usize {
    usize::try_from(descriptors / 3)
        .unwrap_or(usize::MAX)
        .max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_leave_a_third_to_the_store() {
        assert_eq!(limits(1_024).connections_max, 341);
        assert_eq!(kafka_connections(1_024, 10_000), 341);
        assert_eq!(kafka_connections(1_024, 100), 100);
        assert_eq!(kafka_connections(u64::MAX, 10_000), 10_000);
        assert_eq!(
            limits(u64::MAX).connections_max,
            Limits::default().connections_max
        );
        assert_eq!(limits(0).connections_max, 1);
    }
}
