//! Replaces and drops batches of a log that lie in segments: log compaction's part in the engine, which knows no keys. In
//! steps, as [`super::compact`]:
//!
//! 1. [`Core::plan_rewrite`]: which segments' parts of the log are next.
//! 2. Where that is a part of the journal: [`Core::plan_move`], then as a compaction, but the journal files stay.
//! 3. [`Core::write_rewrite`]: a new segment, durable, as a request to [`Core::submit`]. When that is answered, readers find
//!    the new segment; the old ones are unwanted, and removed as any such.
//!
//! A crash before the request is durable leaves a segment that is not known, which is removed at the next start; one after it
//! leaves old segments that nothing is wanted of.

use std::ops::Range;

use model::{LogId, Offset};
use store::{Bounds, Change, Piece, Rewritten, StoreError, StoredBatch};

use crate::embedded::compact::{Plan, SEGMENT_BYTES};
use crate::embedded::core::{Core, unavailable};
use crate::frame::RewrittenSegment;
use crate::segments::{SegmentRange, SegmentWriter};
use crate::state::LogState;
use crate::state::request::{NewRewrite, Request};
use crate::tail::Entry;

/// What is next in a rewrite.
#[derive(Debug)]
pub enum Step {
    /// Nothing: the span has no more batches.
    Done,
    /// Batches must leave the journal first.
    Move,
    /// These.
    Write(Part),
}

/// Parts of segments to be rewritten as one.
#[derive(Debug)]
pub struct Part {
    log: LogId,
    born: u64,
    bounds: Bounds,
    span: Range<Offset>,
    sources: Vec<SegmentRange>,
    upto: Offset,
}

impl Part {
    /// These ranges of a log, one after the other, whole; `None` without any.
    pub(super) fn whole(log: LogId, state: &LogState, sources: Vec<SegmentRange>) -> Option<Part> {
        let span = sources.first()?.start..sources.last()?.end;
        Some(Part {
            log,
            born: state.born,
            bounds: state.bounds,
            upto: span.end,
            span,
            sources,
        })
    }

    pub(super) fn log(&self) -> LogId {
        self.log
    }
}

impl Core {
    /// What is next in a rewrite of `span`.
    ///
    /// # Errors
    /// [`StoreError::NoSuchLog`]; [`StoreError::OffsetOutOfRange`].
    pub fn plan_rewrite(&self, log: LogId, span: &Range<Offset>) -> Result<Step, StoreError> {
        let view = self.view();
        let state = view.state.log(log)?;
        let Bounds { start, end, .. } = state.bounds;
        if span.end > end {
            return Err(StoreError::OffsetOutOfRange {
                asked: span.end,
                start,
                end,
            });
        }
        let first = state
            .ranges
            .partition_point(|range| range.end <= span.start);
        let mut ranges = state
            .ranges
            .range(first..)
            .take_while(|range| range.start < span.end)
            .peekable();
        let mut sources: Vec<SegmentRange> = Vec::new();
        let mut bytes: u64 = 0;
        while let Some(range) =
            ranges.next_if(|range| bytes == 0 || bytes + range.batch_bytes <= SEGMENT_BYTES)
        {
            bytes += range.batch_bytes;
            sources.push(range.clone());
        }
        let is_wanted = |entry: &Entry| entry.end() <= span.end;
        let is_in_journal = view
            .tail
            .entries_from(log, span.start)
            .next()
            .is_some_and(is_wanted);
        let Some(last) = sources.last() else {
            return Ok(if is_in_journal {
                Step::Move
            } else {
                Step::Done
            });
        };
        let is_more = is_in_journal || ranges.peek().is_some();
        let upto = if is_more { last.end } else { span.end };
        Ok(Step::Write(Part {
            log,
            born: state.born,
            bounds: state.bounds,
            span: span.clone(),
            upto,
            sources,
        }))
    }

    /// A compaction of one log alone, up to the batch that holds `before`, from journal files that may still be written to.
    /// `None` where it has nothing there.
    #[must_use]
    pub fn plan_move(&self, log: LogId, before: Offset) -> Option<Plan> {
        let view = self.view();
        let entries: Vec<Entry> = view
            .tail
            .entries(log)
            .take_while(|entry| entry.base_offset < before)
            .cloned()
            .collect();
        let files = view.tail.files().map(|(file, _)| file.clone()).collect();
        let born = view.state.log(log).ok()?.born;
        Plan::of_one(log, born, entries, files)
    }

    /// Writes a part's new segment, as `rewriter` has it, and gives the request that makes it known, if anything changed.
    /// Blocks its thread for long.
    ///
    /// # Errors
    /// What `rewriter` fails with; [`StoreError::Invalid`] for a replacement of other offsets; [`StoreError::Full`];
    /// [`StoreError::Damaged`]; [`StoreError::Unavailable`].
    pub fn write_rewrite(
        &self,
        part: &Part,
        rewriter: &mut dyn FnMut(&StoredBatch) -> Result<Change, StoreError>,
    ) -> Result<(Option<Request>, Rewritten), StoreError> {
        self.write_part(part, Writing::of(self, part, rewriter))
    }

    /// Writes a part's batches, as they are, to a new segment, as [`Core::write_rewrite`].
    ///
    /// # Errors
    /// As there.
    pub fn write_moved(&self, part: &Part) -> Result<Option<Request>, StoreError> {
        let rewriter = &mut |_: &StoredBatch| Ok(Change::Keep);
        let writing = Writing {
            is_changed: true,
            ..Writing::of(self, part, rewriter)
        };
        self.write_part(part, writing).map(|(request, _)| request)
    }

    fn write_part(
        &self,
        part: &Part,
        mut writing: Writing<'_>,
    ) -> Result<(Option<Request>, Rewritten), StoreError> {
        for source in &part.sources {
            let visited = self.segments.visit(source, |stored| writing.take(stored));
            match visited {
                Ok(()) => {}
                Err(_) if self.are_dropped(&part.sources) => {
                    let reason = format!("log {} was trimmed while it was rewritten", part.log);
                    return Err(unavailable(reason));
                }
                Err(error) => return Err(self.located(error)),
            }
        }
        writing.finish()
    }

    /// As [`store::Log::pieces`].
    ///
    /// # Errors
    /// As there.
    pub fn pieces(&self, log: LogId) -> Result<Vec<Piece>, StoreError> {
        let view = self.view();
        let state = view.state.log(log)?;
        let start = state.bounds.start;
        let mut pieces: Vec<Piece> = state
            .ranges
            .iter()
            .map(|range| Piece {
                start: range.start.max(start),
                end: range.end,
                bytes: range.batch_bytes,
                max_timestamp: range.max_timestamp,
                is_settled: true,
            })
            .collect();
        let mut in_journal: Option<Piece> = None;
        for entry in view.tail.entries(log) {
            let piece = in_journal.get_or_insert(Piece {
                start: entry.base_offset.max(start),
                end: entry.end(),
                bytes: 0,
                max_timestamp: entry.max_timestamp,
                is_settled: false,
            });
            piece.end = entry.end();
            piece.bytes += u64::from(entry.length);
            piece.max_timestamp = piece.max_timestamp.max(entry.max_timestamp);
        }
        pieces.extend(in_journal);
        Ok(pieces)
    }
}

/// A part being written: not before something changes, since most that is asked of may stay.
struct Writing<'a> {
    core: &'a Core,
    part: &'a Part,
    rewriter: &'a mut dyn FnMut(&StoredBatch) -> Result<Change, StoreError>,
    writer: Option<SegmentWriter>,
    is_changed: bool,
    /// Batches that stay and are not copied, as long as nothing has changed.
    kept: usize,
    rewritten: Rewritten,
}

impl<'a> Writing<'a> {
    fn of(
        core: &'a Core,
        part: &'a Part,
        rewriter: &'a mut dyn FnMut(&StoredBatch) -> Result<Change, StoreError>,
    ) -> Writing<'a> {
        Writing {
            core,
            part,
            rewriter,
            writer: None,
            is_changed: false,
            kept: 0,
            rewritten: Rewritten {
                upto: part.upto,
                bytes_before: 0,
                bytes_after: 0,
            },
        }
    }

    fn take(&mut self, stored: StoredBatch) -> Result<(), StoreError> {
        let Part { bounds, span, .. } = self.part;
        let end = stored.end();
        if end <= bounds.start {
            return Ok(());
        }
        let length = stored.batch.bytes().len() as u64;
        self.rewritten.bytes_before += length;
        let is_asked = end > span.start && end <= span.end;
        let change = if is_asked {
            (self.rewriter)(&stored)?
        } else {
            Change::Keep
        };
        if change == Change::Keep {
            self.rewritten.bytes_after += length;
            return self.keep(&stored);
        }
        if !self.is_changed {
            self.is_changed = true;
            self.copy_kept()?;
        }
        if let Some(new) = change.apply(stored)? {
            self.rewritten.bytes_after += new.batch.bytes().len() as u64;
            self.add(&new)?;
        }
        Ok(())
    }

    fn keep(&mut self, stored: &StoredBatch) -> Result<(), StoreError> {
        if self.is_changed {
            return self.add(stored);
        }
        self.kept += 1;
        Ok(())
    }

    /// Copies what stayed before the first change.
    fn copy_kept(&mut self) -> Result<(), StoreError> {
        let part = self.part;
        for source in &part.sources {
            if self.kept == 0 {
                break;
            }
            // Reading on past what stayed, to the source's end, is rare and harmless.
            self.core.segments.visit(source, |stored| {
                if stored.end() <= part.bounds.start || self.kept == 0 {
                    return Ok(());
                }
                self.kept -= 1;
                self.add(&stored)
            })?;
        }
        Ok(())
    }

    fn add(&mut self, stored: &StoredBatch) -> Result<(), StoreError> {
        let writer = match &mut self.writer {
            Some(writer) => writer,
            empty => empty.insert(self.core.new_segment()?),
        };
        writer.add(self.part.log, stored.base_offset, &stored.batch)
    }

    fn finish(self) -> Result<(Option<Request>, Rewritten), StoreError> {
        if !self.is_changed {
            return Ok((None, self.rewritten));
        }
        let segment = match self.writer {
            None => None,
            Some(writer) => {
                let mut summary = writer.finish()?;
                summary.ranges.pop().map(|range| RewrittenSegment {
                    bytes: summary.bytes,
                    range,
                })
            }
        };
        let request = Request::Rewrite(NewRewrite {
            log: self.part.log,
            born: self.part.born,
            sources: self.part.sources.clone(),
            segment,
        });
        Ok((Some(request), self.rewritten))
    }
}
