//! One file into batches: its bytes divide into records, and each goes into the request straight from the read buffer.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;
use std::time::Duration;

use memchr::memchr;
use model::{Clock, Rng, Timestamp};
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;

use crate::batch::{Batch, Encoder, Parcel};
use crate::checkpoint::Mark;
use crate::config::Flow;
use crate::convert::{Chain, Outcome};
use crate::files::tracked::Tracked;
use crate::footer::Footer;
use crate::split::{Reach, Splitter};
use crate::stats::FlowStats;
use crate::wake::Wake;

/// Longest record before it is converted and cut.
const RECORD_MAX: usize = 5 << 20;
/// Bytes read at a time: they stay in the processor's cache until they are in the request.
const CHUNK: usize = 256 << 10;

/// Longest wait for room for a batch. Then files are looked at again: they are rotated also while the server is away.
const ROOM_TIME_MAX: Duration = Duration::from_secs(1);

/// Why reading does not go on.
#[derive(Debug)]
pub(crate) enum Halt {
    /// Nobody takes batches any more.
    Closed,
    /// The file cannot be read.
    Failed(io::Error),
}

impl From<io::Error> for Halt {
    fn from(error: io::Error) -> Halt {
        Halt::Failed(error)
    }
}

/// Reads the files of one flow.
pub(crate) struct Reader {
    splitter: Splitter,
    footer: Option<Footer>,
    chain: Chain,
    terminator: Vec<u8>,
    /// Most bytes of a record's data.
    data_max: usize,
    batch_bytes: usize,
    batch_records: usize,
    encoder: Encoder,
    clock: Clock,
    now: Timestamp,
    buffer: Vec<u8>,
    converted: Vec<u8>,
    spare: Vec<u8>,
    batch: Option<Batch>,
    /// How long the last body became: the next one's capacity.
    body_length: usize,
    sink: mpsc::Sender<Parcel>,
    /// What `sink` had no room for; while it is here, nothing is read.
    held_back: Option<Parcel>,
    /// Rings when `sink` has room again.
    wake: Arc<Wake>,
    stats: Arc<FlowStats>,
}

impl Reader {
    /// A reader of this flow's files, whose batches go to `sink`; whoever takes one there rings `wake`.
    pub(crate) fn new(
        flow: Flow,
        sink: mpsc::Sender<Parcel>,
        wake: Arc<Wake>,
        stats: Arc<FlowStats>,
        clock: Clock,
    ) -> Reader {
        let splitter = match (flow.record_start, flow.aggregated) {
            (Some(start), _) => Splitter::Starts(start),
            (None, 0) => Splitter::Lines,
            (None, most) => Splitter::Aggregated(most),
        };
        let is_combined = matches!(splitter, Splitter::Aggregated(_));
        let record_max = flow.destination.record_max();
        let encoder = Encoder::new(flow.destination, flow.partition_key, &Rng::system());
        Reader {
            splitter,
            footer: flow.footer.map(|pattern| Footer::new(pattern, is_combined)),
            chain: flow.chain,
            data_max: record_max - encoder.key_length(),
            terminator: flow.terminator,
            batch_bytes: flow.batch_bytes,
            batch_records: flow.batch_records,
            encoder,
            now: clock.now(),
            clock,
            buffer: Vec::new(),
            converted: Vec::new(),
            spare: Vec::new(),
            batch: None,
            body_length: 0,
            sink,
            held_back: None,
            wake,
            stats,
        }
    }

    /// Whether something waits to be read or sent that nothing rings for.
    pub(crate) fn is_busy(&self) -> bool {
        self.held_back.is_some()
    }

    /// Whether the batch being made can take no more.
    pub(crate) fn is_full(&self) -> bool {
        let is_full = |batch: &Batch| !batch.has_room(1, self.batch_bytes, self.batch_records);
        self.batch.as_ref().is_some_and(is_full)
    }

    /// When the first record of the batch being made came.
    pub(crate) fn waiting_since(&self) -> Option<Timestamp> {
        self.batch.as_ref().map(|batch| batch.since)
    }

    /// Reads all whole records there are.
    ///
    /// # Errors
    /// See [`Halt`].
    pub(crate) fn read(&mut self, file: &mut Tracked, reach: Reach) -> Result<(), Halt> {
        let is_exhausted = file.exhausted == Some((file.size, reach));
        let has_more = file.file.is_some() && file.lag() > 0 && !is_exhausted;
        if !has_more || !self.has_room()? {
            return Ok(());
        }
        // Taken out, so that records can be borrowed from it.
        let mut buffer = std::mem::take(&mut self.buffer);
        let from = file.offset;
        let read = self.read_into(&mut buffer, file, reach);
        self.buffer = buffer;
        self.stats.bytes_read.inc_by(file.offset - from);
        if file.offset > from {
            self.note(file);
        }
        let is_done = read.is_ok() && !self.is_interrupted();
        if is_done && !file.is_changed {
            file.exhausted = Some((file.size, reach));
        }
        read
    }

    /// Sends what is after the last newline of a file that will not grow, as a record. Whether that is done.
    ///
    /// # Errors
    /// See [`Halt`].
    pub(crate) fn read_rest(&mut self, file: &mut Tracked) -> Result<bool, Halt> {
        if !self.has_room()? {
            return Ok(false);
        }
        let length = file.lag().min(RECORD_MAX as u64) as usize;
        if length == 0 || file.cut_line.is_some() || file.file.is_none() {
            return Ok(true);
        }
        let mut rest = vec![0; length];
        let mut filled = 0;
        while let Some(room) = rest.get_mut(filled..)
            && !room.is_empty()
            && let Some(open) = &file.file
        {
            match read_at(open, room, file.offset + filled as u64)? {
                0 => break,
                count => filled += count,
            }
        }
        rest.truncate(filled);
        if self.footer_in(&rest) == Some(0) {
            file.is_ended = true;
            return Ok(true);
        }
        self.emit(file, &rest, &[])?;
        file.seen.extend(file.offset, &rest);
        file.offset += filled as u64;
        self.note(file);
        Ok(true)
    }

    /// Whether reading is to stop for now: nobody takes what is read, or the end is near.
    fn is_interrupted(&self) -> bool {
        self.held_back.is_some() || self.wake.is_over()
    }

    fn read_into(
        &mut self,
        buffer: &mut Vec<u8>,
        file: &mut Tracked,
        reach: Reach,
    ) -> Result<(), Halt> {
        // What lies in the buffer begins at the file's offset.
        let mut filled = 0;
        while file.offset + (filled as u64) < file.size && !file.is_ended && !self.is_interrupted()
        {
            self.now = self.clock.now();
            let end = (filled + CHUNK).min(RECORD_MAX);
            if buffer.len() < end {
                buffer.resize(end, 0);
            }
            let Some(open) = &file.file else {
                break;
            };
            let at = file.offset + filled as u64;
            let count = match buffer.get_mut(filled..end) {
                Some(room) => read_at(open, room, at)?,
                None => 0,
            };
            if count == 0 {
                break;
            }
            if !file.is_same_content() {
                // Emptied and written again since it was looked at: not ours to judge here.
                file.is_changed = true;
                break;
            }
            filled += count;
            let is_last = file.offset + filled as u64 >= file.size;
            let reach = if is_last { reach } else { Reach::Open };
            let data = buffer.get(..filled).unwrap_or_default();
            let mut used = self.consume(file, data, reach)?;
            if used == 0 && filled >= RECORD_MAX && !file.is_ended && !self.is_interrupted() {
                used = self.cut_short(file, data)?;
            }
            if used > 0 {
                buffer.copy_within(used..filled, 0);
                filled -= used;
            }
        }
        Ok(())
    }

    /// Makes records of `data`, which begins at the file's offset; how many bytes are done with.
    fn consume(&mut self, file: &mut Tracked, data: &[u8], reach: Reach) -> Result<usize, Halt> {
        let mut used = 0;
        // What the file remembers having seen ends here: not at every record, for they are many.
        let mut seen = 0;
        loop {
            let rest = data.get(used..).unwrap_or_default();
            if file.headers_left > 0 || file.cut_line.is_some() {
                let passed = pass_over_line(file, rest);
                used += passed;
                if passed == 0 {
                    break;
                }
                continue;
            }
            if self.held_back.is_some() {
                break;
            }
            let Some(length) = self.splitter.next(rest, reach) else {
                break;
            };
            let ends_at = self.footer_in(rest.get(..length).unwrap_or_default());
            file.is_ended = ends_at.is_some();
            let length = ends_at.unwrap_or(length);
            if length == 0 {
                break;
            }
            let record = rest.get(..length).unwrap_or_default();
            let passed = data.get(seen..used).unwrap_or_default();
            if self.emit(file, record, passed)? {
                seen = used;
            }
            used += length;
            file.offset += length as u64;
            if self.held_back.is_none() && self.is_full() {
                self.close_at(file, data.get(seen..used).unwrap_or_default())?;
                seen = used;
            }
            if file.is_ended {
                break;
            }
        }
        see(file, data.get(seen..used).unwrap_or_default());
        Ok(used)
    }

    fn footer_in(&self, record: &[u8]) -> Option<usize> {
        self.footer.as_ref()?.find(record)
    }

    /// A record longer than the buffer: what is there is sent, the rest of its line passed over.
    fn cut_short(&mut self, file: &mut Tracked, data: &[u8]) -> Result<usize, Halt> {
        self.emit(file, data, &[])?;
        file.cut_line = Some(file.offset);
        file.offset += data.len() as u64;
        see(file, data);
        Ok(data.len())
    }

    /// Adds a record, which begins at the file's offset, to a batch. Whether one was closed before, with the file at `passed`.
    fn emit(&mut self, file: &mut Tracked, raw: &[u8], passed: &[u8]) -> Result<bool, Halt> {
        self.stats.records_parsed.inc();
        let mut converted = std::mem::take(&mut self.converted);
        let mut spare = std::mem::take(&mut self.spare);
        let mut data = raw;
        if !self.chain.is_empty() {
            match self
                .chain
                .convert(raw, self.now, &mut converted, &mut spare)
            {
                Outcome::Converted => data = &converted,
                Outcome::Skipped => {
                    self.stats.records_skipped.inc();
                    self.converted = converted;
                    self.spare = spare;
                    return Ok(false);
                }
            }
        }
        if data.len() > self.data_max {
            self.stats.records_cut.inc();
            tracing::warn!(path = %file.path.display(), offset = file.offset, bytes = data.len(), "a record is too long and was cut");
            let kept = self.data_max - self.terminator.len();
            spare.clear();
            spare.extend_from_slice(data.get(..kept).unwrap_or(data));
            spare.extend_from_slice(&self.terminator);
            data = &spare;
        }
        let pushed = self.push(file, data, passed);
        self.converted = converted;
        self.spare = spare;
        pushed
    }

    fn push(&mut self, file: &mut Tracked, data: &[u8], passed: &[u8]) -> Result<bool, Halt> {
        let bytes = data.len() + self.encoder.key_length();
        let lacks_room =
            |batch: &Batch| !batch.has_room(bytes, self.batch_bytes, self.batch_records);
        let closes = self.batch.as_ref().is_some_and(lacks_room);
        if closes {
            self.close_at(file, passed)?;
        }
        let batch = match &mut self.batch {
            Some(batch) => batch,
            None => self
                .batch
                .insert(self.encoder.begin(self.now, self.body_length)),
        };
        self.encoder.push(batch, data);
        Ok(closes)
    }

    /// Notes in the batch how far a file is done with once the batch is sent.
    fn note(&mut self, file: &Tracked) {
        let mark = file.mark(self.now);
        self.add_marks(vec![mark]);
    }

    /// Tells the checkpoints something once all that was read so far is sent.
    pub(crate) fn add_marks(&mut self, marks: Vec<Mark>) {
        if marks.is_empty() {
            return;
        }
        let batch = match &mut self.batch {
            Some(batch) => batch,
            None => self.batch.insert(self.encoder.begin(self.now, 0)),
        };
        for mark in marks {
            let of = |mark: &Mark| match mark {
                Mark::Reached(place) => place.key,
                Mark::Gone(key) => *key,
            };
            batch.marks.retain(|other| of(other) != of(&mark));
            batch.marks.push(mark);
        }
    }

    /// Closes the batch with a file at its offset, `passed` being what of it was not remembered yet.
    fn close_at(&mut self, file: &mut Tracked, passed: &[u8]) -> Result<(), Halt> {
        see(file, passed);
        self.note(file);
        self.close()
    }

    /// Sends the batch on its way. Where too many are, it waits a moment and then holds it back.
    ///
    /// # Errors
    /// [`Halt::Closed`].
    pub(crate) fn close(&mut self) -> Result<(), Halt> {
        if self.has_room()?
            && let Some(parcel) = self.finish()
        {
            self.held_back = Some(parcel);
            self.has_room()?;
        }
        Ok(())
    }

    /// Sends everything on its way, however long it takes.
    ///
    /// # Errors
    /// [`Halt::Closed`].
    pub(crate) fn close_all(&mut self) -> Result<(), Halt> {
        let last = self.finish();
        for parcel in self.held_back.take().into_iter().chain(last) {
            self.sink.blocking_send(parcel).map_err(|_| Halt::Closed)?;
        }
        Ok(())
    }

    fn finish(&mut self) -> Option<Parcel> {
        let batch = self.batch.take()?;
        if !batch.is_empty() {
            self.body_length = batch.body_length() + batch.body_length() / 8;
        }
        Some(self.encoder.finish(batch))
    }

    /// Whether nothing is held back; tries to send what is, and waits a moment for room.
    ///
    /// # Errors
    /// [`Halt::Closed`].
    pub(crate) fn has_room(&mut self) -> Result<bool, Halt> {
        let Some(mut parcel) = self.held_back.take() else {
            return Ok(true);
        };
        let since = self.clock.now();
        loop {
            parcel = match self.sink.try_send(parcel) {
                Ok(()) => return Ok(true),
                Err(TrySendError::Closed(_)) => return Err(Halt::Closed),
                Err(TrySendError::Full(parcel)) => parcel,
            };
            let waited = self.clock.now().since(since);
            if waited >= ROOM_TIME_MAX || self.wake.is_over() {
                self.held_back = Some(parcel);
                return Ok(false);
            }
            self.wake.wait(ROOM_TIME_MAX.saturating_sub(waited));
        }
    }
}

/// Has the file remember the bytes before its offset.
fn see(file: &mut Tracked, passed: &[u8]) {
    let start = file.offset - passed.len() as u64;
    file.seen.extend(start, passed);
}

/// Passes over a header line, or the rest of a line that was cut; how many bytes that were.
fn pass_over_line(file: &mut Tracked, data: &[u8]) -> usize {
    let end = memchr(b'\n', data);
    let passed = end.map_or(data.len(), |at| at + 1);
    file.cut_line.get_or_insert(file.offset);
    file.offset += passed as u64;
    if end.is_some() {
        file.headers_left = file.headers_left.saturating_sub(1);
        if file.headers_left == 0 {
            file.cut_line = None;
        }
    }
    passed
}

fn read_at(file: &File, room: &mut [u8], offset: u64) -> io::Result<usize> {
    loop {
        match file.read_at(room, offset) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            other => return other,
        }
    }
}
