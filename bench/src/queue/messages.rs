//! What is sent, and what became of it.
//!
//! A message's body is its number in 16 hexadecimal digits, then noise that depends on the number: a receiver can tell from
//! the body alone whether exactly this was sent. Numbers are handed out in lanes: message `seq` of lane `lane` is number
//! `seq * lanes + lane`. In a FIFO queue a lane is a message group; in a standard one it means nothing.

use crate::random::Random;

/// Characters of the number at the start of a body, and the least a body may hold.
pub(crate) const NUMBER_LEN: usize = 16;
/// Characters of noise that bodies are cut from: more than a compressor looks back.
const NOISE_LEN: usize = 256 << 10;
/// Characters that neither JSON nor a URL escapes; 64 of them.
const ALPHABET: &[u8; 64] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ-_abcdefghijklmnopqrstuvwxyz";
/// Lowest bit of a number's part that tells one run from another.
const RUN_SHIFT: u32 = 40;

/// The bodies of one run, each of the same size.
#[derive(Debug)]
pub(crate) struct Bodies {
    noise: Vec<u8>,
    size: usize,
    run: u64,
}

impl Bodies {
    /// Bodies of `size` characters, at least [`NUMBER_LEN`]. `run` tells this run's messages from those of another.
    pub(crate) fn new(size: usize, run: u32) -> Self {
        let mut noise = Random::new(u64::from(run)).noise(NOISE_LEN + size);
        for byte in &mut noise {
            *byte = ALPHABET[usize::from(*byte & 63)];
        }
        Self {
            noise,
            size,
            run: u64::from(run) & 0xff_ffff,
        }
    }

    /// Characters in each body.
    pub(crate) fn size(&self) -> usize {
        self.size
    }

    /// Writes message `number`'s body over `into`, which has the size of a body.
    pub(crate) fn write(&self, number: u64, into: &mut [u8]) {
        let (digits, noise) = into.split_at_mut(NUMBER_LEN);
        digits.copy_from_slice(&hex(self.run << RUN_SHIFT | number));
        noise.copy_from_slice(self.noise_of(number));
    }

    /// The number of the message whose body this is; `None` if this run did not make it.
    pub(crate) fn read(&self, body: &[u8]) -> Option<u64> {
        let (digits, noise) = body.split_at_checked(NUMBER_LEN)?;
        let marked = u64::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?;
        let number = marked & ((1 << RUN_SHIFT) - 1);
        let is_ours = marked >> RUN_SHIFT == self.run && noise == self.noise_of(number);
        is_ours.then_some(number)
    }

    fn noise_of(&self, number: u64) -> &[u8] {
        let at = (number.wrapping_mul(7919) % NOISE_LEN as u64) as usize;
        &self.noise[at..at + self.size - NUMBER_LEN]
    }
}

/// A number in hexadecimal.
pub(crate) fn hex(number: u64) -> [u8; NUMBER_LEN] {
    let digits = b"0123456789abcdef";
    std::array::from_fn(|at| digits[(number >> (60 - 4 * at)) as usize & 15])
}

/// Whether a queue keeps the order of a lane's messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Order {
    /// Standard: any order.
    Any,
    /// FIFO: a lane is a message group.
    PerLane,
}

/// What became of every message of a run: two bits each.
#[derive(Debug)]
pub(crate) struct Ledger {
    order: Order,
    /// The next to be sent in each lane.
    next: Vec<u64>,
    /// The next to be received in each lane, where there is an order.
    expected: Vec<u64>,
    acked: Bits,
    received: Bits,
    missing: u64,
    /// Messages received again.
    pub(crate) duplicates: u64,
    /// Messages received that were never sent.
    pub(crate) unknown: u64,
    /// Messages received before one that was sent earlier in the lane.
    pub(crate) disordered: u64,
}

impl Ledger {
    /// Nothing sent yet.
    pub(crate) fn new(lanes: usize, order: Order) -> Self {
        Self {
            order,
            next: vec![0; lanes],
            expected: vec![0; lanes],
            acked: Bits::default(),
            received: Bits::default(),
            missing: 0,
            duplicates: 0,
            unknown: 0,
            disordered: 0,
        }
    }

    /// Hands out the numbers of the next `count` messages of a lane.
    pub(crate) fn issue(&mut self, lane: usize, count: usize) -> impl Iterator<Item = u64> + use<> {
        let lanes = self.next.len() as u64;
        let first = self.next[lane];
        self.next[lane] += count as u64;
        (first..first + count as u64).map(move |seq| seq * lanes + lane as u64)
    }

    /// The server said it has this message.
    pub(crate) fn on_acked(&mut self, number: u64) {
        // The message may have been received before its sender had the answer.
        if self.acked.set(number) && !self.received.has(number) {
            self.missing += 1;
        }
    }

    /// A body was received.
    pub(crate) fn on_received(&mut self, bodies: &Bodies, body: &[u8]) {
        let lanes = self.next.len() as u64;
        let known = bodies.read(body).map(|number| {
            let lane = (number % lanes) as usize;
            (number, lane, number / lanes)
        });
        let Some((number, lane, seq)) = known.filter(|(_, lane, seq)| *seq < self.next[*lane])
        else {
            self.unknown += 1;
            return;
        };
        if !self.received.set(number) {
            self.duplicates += 1;
            return;
        }
        if self.acked.has(number) {
            self.missing -= 1;
        }
        if self.order == Order::PerLane {
            if seq != self.expected[lane] {
                self.disordered += 1;
            }
            self.expected[lane] = seq + 1;
        }
    }

    /// Messages the server said it has.
    pub(crate) fn acked(&self) -> u64 {
        self.acked.count
    }

    /// Messages acked and never received.
    pub(crate) fn missing(&self) -> u64 {
        self.missing
    }
}

/// A set of numbers, dense from 0.
#[derive(Debug, Default)]
struct Bits {
    words: Vec<u64>,
    count: u64,
}

impl Bits {
    /// Adds a number; whether it is new.
    fn set(&mut self, number: u64) -> bool {
        let (word, bit) = ((number / 64) as usize, 1 << (number % 64));
        if self.words.len() <= word {
            self.words.resize((word + 1).next_power_of_two(), 0);
        }
        let is_new = self.words[word] & bit == 0;
        self.words[word] |= bit;
        self.count += u64::from(is_new);
        is_new
    }

    /// Whether a number is in it.
    fn has(&self, number: u64) -> bool {
        let word = self.words.get((number / 64) as usize);
        word.is_some_and(|word| word & (1 << (number % 64)) != 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RUN: u32 = 7;

    fn body(bodies: &Bodies, number: u64) -> Vec<u8> {
        let mut body = vec![0; bodies.size()];
        bodies.write(number, &mut body);
        body
    }

    #[test]
    fn a_body_is_known_only_as_it_was_written() {
        let bodies = Bodies::new(100, RUN);
        let mut written = body(&bodies, 123_456);
        assert_eq!(bodies.read(&written), Some(123_456));
        assert_eq!(Bodies::new(100, RUN + 1).read(&written), None);
        assert_eq!(bodies.read(&written[..99]), None);
        assert_eq!(bodies.read(b""), None);
        written[50] ^= 1;
        assert_eq!(bodies.read(&written), None);
    }

    #[test]
    fn a_ledger_tells_lost_doubled_unknown_and_disordered() {
        let bodies = Bodies::new(16, RUN);
        let mut ledger = Ledger::new(3, Order::PerLane);
        let numbers: Vec<u64> = ledger.issue(1, 4).collect();
        assert_eq!(numbers, [1, 4, 7, 10]);
        for number in &numbers {
            ledger.on_acked(*number);
        }
        for number in [1, 7, 4, 4, 13] {
            ledger.on_received(&bodies, &body(&bodies, number));
        }
        assert_eq!((ledger.acked(), ledger.received.count), (4, 3));
        assert_eq!((ledger.missing(), ledger.duplicates), (1, 1));
        // 7 came too early, and so 4 too late.
        assert_eq!((ledger.unknown, ledger.disordered), (1, 2));
    }

    #[test]
    fn a_standard_queue_has_no_order() {
        let bodies = Bodies::new(16, RUN);
        let mut ledger = Ledger::new(1, Order::Any);
        let numbers: Vec<u64> = ledger.issue(0, 2).collect();
        for number in numbers.iter().rev() {
            ledger.on_received(&bodies, &body(&bodies, *number));
        }
        assert_eq!((ledger.disordered, ledger.received.count), (0, 2));
        // The answers to the sends come last.
        for number in numbers {
            ledger.on_acked(number);
        }
        assert_eq!((ledger.acked(), ledger.missing()), (2, 0));
    }
}
