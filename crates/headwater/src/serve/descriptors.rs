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

/// The front door's limits: no more than half of the descriptors for connections, so that the store is never without.
pub(super) fn limits(descriptors: u64) -> Limits {
    let mut limits = Limits::default();
    let half = usize::try_from(descriptors / 2).unwrap_or(usize::MAX);
    limits.connections_max = limits.connections_max.min(half.max(1));
    limits
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_leave_half_to_the_store() {
        assert_eq!(limits(1_024).connections_max, 512);
        assert_eq!(
            limits(u64::MAX).connections_max,
            Limits::default().connections_max
        );
        assert_eq!(limits(0).connections_max, 1);
    }
}
