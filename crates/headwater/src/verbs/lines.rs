//! Lines of standard input.

use std::io::{self, BufRead as _};

use tokio::sync::mpsc;

/// The lines of standard input without their ends, up to `ahead` of them read ahead by a thread of their own.
pub(super) fn read(ahead: usize) -> mpsc::Receiver<io::Result<Vec<u8>>> {
    let (tx, rx) = mpsc::channel(ahead);
    std::thread::spawn(move || {
        for line in io::stdin().lock().split(b'\n') {
            let line = line.map(|mut line| {
                if line.last() == Some(&b'\r') {
                    line.pop();
                }
                line
            });
            if tx.blocking_send(line).is_err() {
                return;
            }
        }
    });
    rx
}
