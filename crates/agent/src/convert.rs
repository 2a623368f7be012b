//! What `dataProcessingOptions` make of a record, step by step. Every step but ADDBRACKETS ends its record with a newline, as the
//! AWS agent's do.

#[cfg(test)]
mod aws_agent_tests;
mod csv;
mod formats;
mod log;
mod metadata;
pub mod print;
mod single_line;
#[cfg(test)]
mod tests;

use model::Timestamp;

pub use csv::{Csv, Delimiter};
pub use formats::LogFormat;
pub use log::Log;
pub use metadata::Metadata;
pub use single_line::SingleLine;

/// One step.
#[derive(Debug)]
pub enum Step {
    /// SINGLELINE: several lines become one.
    SingleLine(SingleLine),
    /// CSVTOJSON: columns become members.
    Csv(Csv),
    /// LOGTOJSON: the groups of a pattern become members.
    Log(Log),
    /// ADDMETADATA: the record becomes a member beside others.
    Metadata(Metadata),
    /// ADDBRACKETS: the record between `{` and `}`.
    Brackets,
}

/// The steps of a flow, in order.
#[derive(Debug, Default)]
pub struct Chain(Vec<Step>);

/// What is left of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It is in the buffer.
    Converted,
    /// It is not to be sent: LOGTOJSON did not know it.
    Skipped,
}

impl Chain {
    /// These steps.
    #[must_use]
    pub fn of(steps: Vec<Step>) -> Chain {
        Chain(steps)
    }

    /// Whether records are sent as they are.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Puts what becomes of `record` into `out`, in place of what is there; `spare` is overwritten.
    pub fn convert(
        &self,
        record: &[u8],
        now: Timestamp,
        out: &mut Vec<u8>,
        spare: &mut Vec<u8>,
    ) -> Outcome {
        out.clear();
        out.extend_from_slice(record);
        for step in &self.0 {
            std::mem::swap(out, spare);
            out.clear();
            match step {
                Step::SingleLine(step) => step.convert(spare, out),
                Step::Csv(step) => step.convert(spare, out),
                Step::Log(step) => {
                    if step.convert(spare, out) == Outcome::Skipped {
                        return Outcome::Skipped;
                    }
                }
                Step::Metadata(step) => step.convert(spare, now, out),
                Step::Brackets => {
                    out.push(b'{');
                    out.extend_from_slice(spare);
                    out.push(b'}');
                }
            }
        }
        Outcome::Converted
    }
}

/// A record without the newline at its end.
fn without_newline(record: &[u8]) -> &[u8] {
    record.strip_suffix(b"\n").unwrap_or(record)
}
