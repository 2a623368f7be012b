//! Reads the journal back after a stop of whatever kind, and tells a torn tail from damage.
//!
//! Frames are taken in order as long as each is valid and follows the one before. Where that ends, the next file may go on
//! with the missing number: it ends so at a file's last frame, and where an earlier recovery cut. Where no file goes on, the
//! journal ends. Every frame that can still be read behind that, though it is not taken, is asked up to where the journal was
//! durable when it was written: if that is past the end, bytes that were acked are gone, and that is [`StoreError::Damaged`]
//! with the place of the first bad frame. If not, the rest was never acked: it is cut, by never writing to the file again and
//! by freeing the files behind it.
//!
//! Taken frames that are not known to be durable are written again in place and synced before anything is built on them:
//! after a failed sync the system's cache may show bytes that the disk never got.

use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::sync::Arc;

use store::StoreError;

use crate::disk::{Disk, File};
use crate::frame::{ALIGNMENT, Frame, HEADER_BYTES, Header, Malformed, aligned, decision::damaged};
use crate::journal::FOLDER;
use crate::journal::file::{self, FRAMES_FROM, JournalFile};

/// Read at once.
const CHUNK: usize = 4 << 20;

/// Where the first frame to be read is, and what it follows.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Anchor {
    /// Its file's number.
    pub file: u64,
    /// Its own number.
    pub sequence: u64,
    /// The header checksum of the frame before it.
    pub previous: u32,
}

/// What was found.
#[derive(Debug)]
pub struct Recovered {
    /// Files with frames, oldest first, each with the place of its first frame.
    pub files: Vec<(JournalFile, Anchor)>,
    /// Numbers in the names of free files.
    pub free: Vec<u64>,
    /// The greatest number of any file, 0 without one.
    pub last_number: u64,
    /// The number that the next frame gets.
    pub next_sequence: u64,
    /// The last frame's header checksum.
    pub previous: u32,
}

/// What becomes of frames that are there and not known to be durable.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Doubts {
    /// They are written again and synced.
    Settle,
    /// They are taken as they are.
    Ignore,
}

/// A frame's place.
#[derive(Clone, Copy, Debug)]
pub struct FramePlace<'a> {
    /// Its file.
    pub file: &'a JournalFile,
    /// Where its payload starts.
    pub payload_at: u64,
}

/// Reads all frames from `anchor` on and hands each to `take`. `covered` is the number of the last frame that the checkpoint
/// has, 0 without one.
///
/// # Errors
/// [`StoreError::Damaged`]; [`StoreError::Unavailable`] where the disk refuses.
pub fn recover(
    disk: &dyn Disk,
    anchor: Option<Anchor>,
    covered: u64,
    doubts: Doubts,
    take: &mut dyn FnMut(&Frame, FramePlace<'_>) -> Result<(), Malformed>,
) -> Result<Recovered, StoreError> {
    let names = disk
        .list(FOLDER)
        .map_err(|error| refused("list", FOLDER, error))?;
    let mut numbers: Vec<u64> = names
        .iter()
        .filter_map(|name| file::number_of(name))
        .collect();
    numbers.sort_unstable();
    let mut free: Vec<u64> = names
        .iter()
        .filter_map(|name| file::free_number_of(name))
        .collect();
    let last_number = numbers.iter().chain(&free).copied().max().unwrap_or(0);
    let first_file = anchor.map_or(0, |anchor| anchor.file);
    let mut walk = Walk::new(anchor, covered);
    let mut idle = Vec::new();
    for number in numbers {
        if number < first_file || !walk.read_file(disk, number, take)? {
            idle.push(number);
        }
    }
    walk.check_end()?;
    if doubts == Doubts::Settle {
        walk.rewrite_doubtful()?;
    }
    free.extend(release(disk, &idle)?);
    Ok(Recovered {
        files: walk.files,
        free,
        last_number,
        next_sequence: walk.sequence,
        previous: walk.previous,
    })
}

/// Frees files that hold nothing wanted, and gives the numbers of the free ones: what was made a segment only loses its name here. Done
/// before any new file gets a number, so that what was cut never comes back.
fn release(disk: &dyn Disk, numbers: &[u64]) -> Result<Vec<u64>, StoreError> {
    let mut free = Vec::new();
    for &number in numbers {
        let is_kept = is_kept(disk, number).unwrap_or(true);
        let what = if is_kept { "remove" } else { "rename" };
        file::let_go(disk, number, is_kept)
            .map_err(|error| refused(what, &file::name(number), error))?;
        if !is_kept {
            free.push(number);
        }
    }
    disk.sync_folder(FOLDER)
        .map_err(|error| refused("sync", FOLDER, error))?;
    Ok(free)
}

/// As [`JournalFile::is_kept`], of a file that was not read. One whose first page is not what it was may be.
fn is_kept(disk: &dyn Disk, number: u64) -> io::Result<bool> {
    let file = disk.open(&file::name(number))?;
    let page = file.read(FRAMES_FROM as usize, 0)?;
    let length = file.length()?;
    let header = file::read_header(&page, number);
    Ok(header.map_or(true, |(_, capacity)| length > capacity))
}

fn refused(what: &str, name: &str, error: io::Error) -> StoreError {
    StoreError::Unavailable {
        reason: format!("cannot {what} {name}: {error}"),
        source: Some(Arc::new(error)),
    }
}

struct Walk {
    sequence: u64,
    previous: u32,
    /// Frames up to here were durable, by the checkpoint and by every frame that can be read.
    durable_upto: u64,
    /// Where the frame of number `sequence` should have been and was not.
    missing_at: Option<(String, u64, Malformed)>,
    files: Vec<(JournalFile, Anchor)>,
    /// Frames taken that are not known to be durable.
    doubtful: VecDeque<Doubtful>,
}

struct Doubtful {
    sequence: u64,
    file: JournalFile,
    position: u64,
    length: u64,
}

impl Doubtful {
    fn rewrite(&self) -> io::Result<()> {
        let mut bytes = vec![0; self.length as usize];
        let read = self.file.file.read_at(&mut bytes, self.position)?;
        let slice = IoSlice::new(bytes.get(..read).unwrap_or_default());
        self.file.file.write_at(&[slice], self.position)
    }
}

impl Walk {
    fn new(anchor: Option<Anchor>, covered: u64) -> Walk {
        Walk {
            sequence: anchor.map_or(1, |anchor| anchor.sequence),
            previous: anchor.map_or(0, |anchor| anchor.previous),
            durable_upto: covered,
            missing_at: None,
            files: Vec::new(),
            doubtful: VecDeque::new(),
        }
    }

    /// Reads one file. Whether it had frames to take.
    fn read_file(
        &mut self,
        disk: &dyn Disk,
        number: u64,
        take: &mut dyn FnMut(&Frame, FramePlace<'_>) -> Result<(), Malformed>,
    ) -> Result<bool, StoreError> {
        let name = file::name(number);
        let open = || -> io::Result<(Arc<dyn File>, u64)> {
            let file = disk.open(&name)?;
            let length = file.length()?;
            Ok((file, length))
        };
        let (file, length) = open().map_err(|error| refused("open", &name, error))?;
        let mut window = Window::over(file.clone(), length);
        let sector = window
            .get(0, FRAMES_FROM as usize)
            .map_err(|error| refused("read", &name, error))?;
        let (generation, capacity) =
            file::read_header(sector, number).map_err(|what| damaged(&name, 0, what))?;
        if length < capacity {
            let what = format!("the file had {capacity} bytes, and ends here");
            return Err(damaged(&name, length, what));
        }
        let file = JournalFile {
            number,
            generation,
            capacity,
            file,
            writers: Arc::new([]),
        };
        let start = Anchor {
            file: number,
            sequence: self.sequence,
            previous: self.previous,
        };
        let (end, why) = self.take_frames(&file, &mut window, take)?;
        let is_here = self
            .ask_the_rest(&file, &mut window, end)
            .map_err(|error| refused("read", &name, error))?;
        if is_here || self.missing_at.is_none() {
            self.missing_at = Some((name, end, why));
        }
        let has_frames = self.sequence > start.sequence;
        if has_frames {
            self.files.push((file, start));
        }
        Ok(has_frames)
    }

    /// Takes frames as long as they follow one another, and gives the position where they do not, and why.
    fn take_frames(
        &mut self,
        file: &JournalFile,
        window: &mut Window,
        take: &mut dyn FnMut(&Frame, FramePlace<'_>) -> Result<(), Malformed>,
    ) -> Result<(u64, Malformed), StoreError> {
        let mut position = FRAMES_FROM;
        loop {
            let found = self
                .frame_at(file, window, position)
                .map_err(|error| refused("read", &file.name(), error))?;
            let frame = match found {
                Ok(frame) => frame,
                Err(what) => return Ok((position, what)),
            };
            let place = FramePlace {
                file,
                payload_at: position + frame.header.head_bytes(),
            };
            take(&frame, place).map_err(|what| damaged(&file.name(), position, what))?;
            let length = frame.header.frame_bytes();
            self.doubtful.push_back(Doubtful {
                sequence: self.sequence,
                file: file.clone(),
                position,
                length,
            });
            self.sequence += 1;
            self.previous = frame.header.checksum;
            self.missing_at = None;
            self.learn(frame.header.durable_upto);
            position += aligned(length);
        }
    }

    /// The frame at `position`, if it is valid and the next.
    fn frame_at(
        &self,
        file: &JournalFile,
        window: &mut Window,
        position: u64,
    ) -> io::Result<Result<Frame, Malformed>> {
        let header = match Header::peek(window.get(position, HEADER_BYTES)?) {
            Ok(header) => header,
            Err(what) => return Ok(Err(what)),
        };
        let expected = (file.generation, self.sequence, self.previous);
        if (header.generation, header.sequence, header.previous) != expected {
            return Ok(Err(Malformed("a frame does not follow the one before it")));
        }
        if position + header.frame_bytes() > file.capacity {
            return Ok(Err(Malformed("a frame is longer than its file")));
        }
        let bytes = window.get(position, header.frame_bytes() as usize)?;
        Ok(Frame::parse(bytes))
    }

    /// Learns from frames behind the last one taken up to where the journal was durable when they were written. Whether the
    /// missing frame must have been at `from`: it says so itself, or a later one of this use of the file follows.
    fn ask_the_rest(
        &mut self,
        file: &JournalFile,
        window: &mut Window,
        from: u64,
    ) -> io::Result<bool> {
        let mut first = None;
        let mut position = from;
        while position + HEADER_BYTES as u64 <= file.capacity {
            let header = Header::peek(window.get(position, HEADER_BYTES)?)
                .ok()
                .filter(|header| header.generation == file.generation)
                .filter(|header| position + header.head_bytes() <= file.capacity);
            if let Some(header) = header {
                let head = window.get(position, header.head_bytes() as usize)?;
                if header.covers(head) {
                    self.learn(header.durable_upto);
                    first = first.or(Some((position, header.sequence)));
                }
            }
            position += ALIGNMENT;
        }
        // A file that starts with a later frame lacks nothing itself.
        Ok(first.is_some_and(|(at, sequence)| at > from || sequence == self.sequence))
    }

    fn learn(&mut self, durable_upto: u64) {
        self.durable_upto = self.durable_upto.max(durable_upto);
        while self
            .doubtful
            .front()
            .is_some_and(|frame| frame.sequence <= self.durable_upto)
        {
            self.doubtful.pop_front();
        }
    }

    fn check_end(&self) -> Result<(), StoreError> {
        if self.durable_upto < self.sequence {
            return Ok(());
        }
        let what = |why: &dyn std::fmt::Display| {
            format!(
                "frame {} was durable and cannot be read: {why}",
                self.sequence
            )
        };
        Err(match &self.missing_at {
            Some((file, position, why)) => damaged(file, *position, what(why)),
            None => damaged(FOLDER, 0, what(&"its file is missing")),
        })
    }

    fn rewrite_doubtful(&self) -> Result<(), StoreError> {
        let mut frames = self.doubtful.iter().peekable();
        while let Some(frame) = frames.next() {
            let failed = |error| refused("write", &frame.file.name(), error);
            frame.rewrite().map_err(failed)?;
            let next = frames.peek();
            if next.is_none_or(|next| next.file.number != frame.file.number) {
                frame.file.file.sync_data().map_err(failed)?;
            }
        }
        Ok(())
    }
}

/// Reads a file in large pieces, mostly forward.
struct Window {
    file: Arc<dyn File>,
    /// Bytes read at once.
    chunk: usize,
    bytes: Vec<u8>,
    start: u64,
    length: usize,
}

impl Window {
    fn over(file: Arc<dyn File>, file_bytes: u64) -> Window {
        Window {
            file,
            chunk: usize::try_from(file_bytes).map_or(CHUNK, |bytes| bytes.min(CHUNK)),
            bytes: Vec::new(),
            start: 0,
            length: 0,
        }
    }

    /// `length` bytes from `position`, fewer at the file's end.
    fn get(&mut self, position: u64, length: usize) -> io::Result<&[u8]> {
        let end = position + length as u64;
        if position < self.start || end > self.start + self.length as u64 {
            let wanted = length.max(self.chunk);
            if self.bytes.len() < wanted {
                self.bytes = vec![0; wanted];
            }
            self.start = position;
            self.length = self.file.read_at(&mut self.bytes, position)?;
        }
        let from = (position - self.start) as usize;
        let upto = (from + length).min(self.length);
        Ok(self.bytes.get(from..upto).unwrap_or_default())
    }
}
