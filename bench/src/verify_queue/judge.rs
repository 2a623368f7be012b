//! Holds what was received against what was sent: pure, from the clients' notes alone.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::time::Duration;

use super::QueueVerdict;

/// A message: its sender, and its number from 0 in the order of sending.
type Name = (usize, u64);

/// What a sender was told of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Ack {
    pub(super) id: String,
    /// Decimal; empty in a standard queue.
    pub(super) sequence: String,
}

/// What one sender did.
#[derive(Debug, Default)]
pub(super) struct Sent {
    pub(super) sent: u64,
    pub(super) acks: BTreeMap<u64, Ack>,
}

/// One ReceiveMessage that brought something. Times are on the clock that all clients share.
#[derive(Debug)]
pub(super) struct Receive {
    pub(super) start: Duration,
    pub(super) end: Duration,
    pub(super) seen: Vec<Seen>,
}

/// One message of it.
#[derive(Debug)]
pub(super) struct Seen {
    /// `None` if the body is not one of ours.
    pub(super) name: Option<Name>,
    pub(super) id: String,
    pub(super) delete: Option<Attempt>,
}

/// The receiver's request to delete a message, right after it received it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Attempt {
    pub(super) start: Duration,
    /// When the server said it was done; `None` if it did not say so.
    pub(super) acked: Option<Duration>,
}

/// The verdict, but for the queue's own counters.
pub(super) fn judge(sent: &[Sent], receives: &[Receive], fifo: bool) -> QueueVerdict {
    let mut verdict = QueueVerdict::default();
    let views = collect(sent, receives, &mut verdict);
    for (name, views) in &views {
        check_identity(sent, *name, views, &mut verdict);
        check_deletion(*name, views, &mut verdict);
    }
    for (sender, one) in sent.iter().enumerate() {
        verdict.sent += one.sent;
        verdict.acked += one.acks.len() as u64;
        for number in one.acks.keys() {
            if !views.contains_key(&(sender, *number)) {
                verdict.violation(|| format!("{sender}:{number} was acknowledged and never came"));
            }
        }
        if fifo {
            check_sequences(sender, one, &mut verdict);
        }
    }
    if fifo {
        check_order(sent, receives, &mut verdict);
    }
    verdict
}

/// One message as one receiver saw it.
#[derive(Debug)]
struct View<'a> {
    start: Duration,
    end: Duration,
    seen: &'a Seen,
}

/// All views of each message that was sent.
fn collect<'a>(
    sent: &[Sent],
    receives: &'a [Receive],
    verdict: &mut QueueVerdict,
) -> HashMap<Name, Vec<View<'a>>> {
    let mut views: HashMap<Name, Vec<View<'a>>> = HashMap::new();
    for receive in receives {
        for seen in &receive.seen {
            let known = seen
                .name
                .filter(|(sender, number)| sent.get(*sender).is_some_and(|one| *number < one.sent));
            let Some(name) = known else {
                verdict.violation(|| format!("{:?}, id {}, was never sent", seen.name, seen.id));
                continue;
            };
            views.entry(name).or_default().push(View {
                start: receive.start,
                end: receive.end,
                seen,
            });
        }
    }
    verdict.received = views.len() as u64;
    views
}

fn check_identity(sent: &[Sent], name: Name, views: &[View<'_>], verdict: &mut QueueVerdict) {
    let (sender, number) = name;
    let ack = sent.get(sender).and_then(|one| one.acks.get(&number));
    if ack.is_none() {
        verdict.received_unacked += 1;
    }
    let told = ack.map(|ack| ack.id.as_str());
    let mut ids: HashSet<&str> = views.iter().map(|view| view.seen.id.as_str()).collect();
    ids.extend(told);
    if ids.len() > 1 {
        verdict.violation(|| format!("{sender}:{number} has the ids {ids:?}, told was {told:?}"));
    }
}

fn check_deletion(name: Name, views: &[View<'_>], verdict: &mut QueueVerdict) {
    let (sender, number) = name;
    verdict.again += views.len() as u64 - 1;
    let mut is_deleted = false;
    for (at, view) in views.iter().enumerate() {
        let Some(acked) = view.seen.delete.and_then(|attempt| attempt.acked) else {
            continue;
        };
        is_deleted = true;
        // Only the handle of the latest receive is sure to delete (SQS API reference, DeleteMessage). Another receive that
        // may lie between this one and the delete makes the delete prove nothing.
        let others = || views.iter().enumerate().filter(|(other, _)| *other != at);
        let is_outdated = others().any(|(_, other)| other.end > view.start && other.start < acked);
        if is_outdated {
            continue;
        }
        if let Some((_, back)) = others().find(|(_, other)| other.start >= acked) {
            verdict.violation(|| {
                format!(
                    "{sender}:{number} was deleted at {acked:?} and came back between {:?} and {:?}",
                    back.start, back.end
                )
            });
        }
    }
    verdict.deleted += u64::from(is_deleted);
}

fn check_sequences(sender: usize, one: &Sent, verdict: &mut QueueVerdict) {
    let mut last = ("", 0);
    for (number, ack) in &one.acks {
        // Decimal numbers without leading zeros compare by their length first.
        let sequence = ack.sequence.as_str();
        if (sequence.len(), sequence) <= (last.0.len(), last.0) {
            verdict.violation(|| {
                let (before, at) = last;
                format!(
                    "{sender}:{number} has sequence {sequence:?} after {sender}:{at}'s {before:?}"
                )
            });
        }
        last = (sequence, *number);
    }
}

/// What happens to a group, in the order of time.
enum Event<'a> {
    /// Somebody asked to delete this message: from here on it may be gone.
    Deleting(Name),
    Received(&'a Receive),
}

fn check_order(sent: &[Sent], receives: &[Receive], verdict: &mut QueueVerdict) {
    let mut events = Vec::new();
    for receive in receives {
        events.push((receive.end, Event::Received(receive)));
        for seen in &receive.seen {
            if let (Some(name), Some(attempt)) = (seen.name, seen.delete) {
                events.push((attempt.start, Event::Deleting(name)));
            }
        }
    }
    // A delete asked for at the very time of an answer counts as before it.
    events.sort_by_key(|(at, event)| (*at, matches!(event, Event::Received(_))));
    let mut there: Vec<BTreeSet<u64>> = sent.iter().map(|one| (0..one.sent).collect()).collect();
    for (_, event) in events {
        match event {
            Event::Deleting((sender, number)) => {
                if let Some(there) = there.get_mut(sender) {
                    there.remove(&number);
                }
            }
            Event::Received(receive) => check_answer(receive, &there, verdict),
        }
    }
}

/// `there` are the messages of each group that nobody has asked to delete.
fn check_answer(receive: &Receive, there: &[BTreeSet<u64>], verdict: &mut QueueVerdict) {
    let mut before: HashMap<usize, BTreeSet<u64>> = HashMap::new();
    for (sender, number) in receive.seen.iter().filter_map(|seen| seen.name) {
        let earlier = before.entry(sender).or_default();
        if let Some(last) = earlier.last().filter(|last| **last >= number) {
            verdict.violation(|| {
                format!("{sender}:{number} came after {sender}:{last} in one answer")
            });
        }
        let skipped = there.get(sender).and_then(|there| {
            let mut lower = there.range(..number);
            lower.find(|lower| !earlier.contains(lower))
        });
        if let Some(skipped) = skipped {
            verdict.violation(|| {
                format!(
                    "{sender}:{number} came at {:?} before {sender}:{skipped}, which is not deleted",
                    receive.end
                )
            });
        }
        earlier.insert(number);
    }
}

#[cfg(test)]
mod tests;
