//! Pages of datapoints. A token says which line of the answer the page before ended in, and at what time; it is bound to the
//! request by a digest. It holds no secret and gives no right.

use aws::Timestamp;
use aws::shapes::{decode_base64, encode_base64};
use aws_lc_rs::digest::{SHA256, digest};

use super::results::Found;
use crate::metrics::api::{GetMetricDataInput, GetMetricDataOutput, MetricDataResult};
use crate::metrics::error::MetricsError;
use crate::metrics::limits;
use crate::metrics::packed::{Reader, Writer};

/// Which part of the answer is asked for.
#[derive(Debug)]
pub(super) struct Page {
    is_ascending: bool,
    size: usize,
    digest: Vec<u8>,
    start: Start,
}

/// Where it begins: in which line, and after what time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Start {
    line: usize,
    after: Option<i64>,
}

impl Page {
    /// # Errors
    /// [`MetricsError::InvalidNextToken`] for a token of another request; [`MetricsError::Validation`].
    pub(super) fn of(input: &GetMetricDataInput) -> Result<Page, MetricsError> {
        let is_ascending = match input.scan_by.as_deref() {
            None | Some("TimestampDescending") => false,
            Some("TimestampAscending") => true,
            Some(_) => {
                let set = "TimestampAscending, TimestampDescending";
                return Err(MetricsError::not_in_set("ScanBy", set).into_validation());
            }
        };
        let size = match input.max_datapoints {
            None => limits::DATAPOINTS,
            Some(given) => usize::try_from(given)
                .ok()
                .filter(|size| (1..=limits::DATAPOINTS).contains(size))
                .ok_or_else(|| MetricsError::invalid(given, "MaxDatapoints").into_validation())?,
        };
        // All but the page's own members, as they are printed: a client sends them again as they were.
        let bound_to = (
            &input.metric_data_queries,
            input.start_time,
            input.end_time,
            is_ascending,
        );
        let digest = digest(&SHA256, format!("{bound_to:?}").as_bytes()).as_ref()[..8].to_vec();
        let start = match input.next_token.as_deref() {
            None => Start::default(),
            Some(token) => redeem(token, &digest).ok_or_else(|| {
                MetricsError::InvalidNextToken("The next token specified is invalid.".into())
            })?,
        };
        Ok(Page {
            is_ascending,
            size,
            digest,
            start,
        })
    }

    /// The page's part of all lines.
    pub(super) fn cut(&self, lines: Vec<Found>) -> GetMetricDataOutput {
        let mut room = self.size;
        let mut results = Vec::new();
        let mut next = None;
        for (number, mut line) in lines.into_iter().enumerate().skip(self.start.line) {
            if room == 0 {
                next = Some(Start {
                    line: number,
                    after: None,
                });
                break;
            }
            if !self.is_ascending {
                line.points.reverse();
            }
            if let Some(after) = self.start.after.filter(|_| number == self.start.line) {
                line.points.retain(|(at, _)| {
                    if self.is_ascending {
                        *at > after
                    } else {
                        *at < after
                    }
                });
            }
            let is_cut = line.points.len() > room;
            line.points.truncate(room);
            room -= line.points.len();
            if is_cut {
                let after = line.points.last().map(|(at, _)| *at);
                next = Some(Start {
                    line: number,
                    after,
                });
            }
            results.push(shown(line, is_cut));
            if is_cut {
                break;
            }
        }
        GetMetricDataOutput {
            metric_data_results: results,
            next_token: next.map(|start| token(start, &self.digest)),
            messages: Vec::new(),
        }
    }
}

fn shown(line: Found, is_cut: bool) -> MetricDataResult {
    let status_code = match (line.is_forbidden, is_cut) {
        (true, _) => "Forbidden",
        (false, true) => "PartialData",
        (false, false) => "Complete",
    };
    let timestamp = |at: i64| Timestamp::from_millis(at.saturating_mul(1_000));
    MetricDataResult {
        id: line.id,
        label: line.label,
        timestamps: line.points.iter().map(|(at, _)| timestamp(*at)).collect(),
        values: line.points.iter().map(|(_, value)| *value).collect(),
        status_code,
        messages: Vec::new(),
    }
}

fn token(start: Start, digest: &[u8]) -> String {
    let mut writer = Writer::default();
    writer.bytes(digest);
    writer.whole(start.line as i64);
    if let Some(after) = start.after {
        writer.whole(after);
    }
    encode_base64(&writer.finish())
}

fn redeem(token: &str, digest: &[u8]) -> Option<Start> {
    let bytes = decode_base64(token).ok()?;
    let mut reader = Reader::new(&bytes);
    let is_own = reader.bytes()? == digest;
    let line = usize::try_from(reader.whole()?).ok()?;
    let after = if reader.is_at_end() {
        None
    } else {
        Some(reader.whole()?)
    };
    (is_own && reader.is_at_end()).then_some(Start { line, after })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines() -> Vec<Found> {
        let line = |id: &str, count: i64| Found {
            id: id.into(),
            label: id.into(),
            points: (0..count).map(|at| (60 * at, at as f64)).collect(),
            is_forbidden: false,
        };
        vec![line("a", 3), line("b", 0), line("c", 4)]
    }

    fn all_pages(size: usize, is_ascending: bool) -> Vec<(String, Vec<f64>, &'static str)> {
        let mut page = Page {
            is_ascending,
            size,
            digest: vec![1; 8],
            start: Start::default(),
        };
        let mut all = Vec::new();
        loop {
            let answer = page.cut(lines());
            let count: usize = answer
                .metric_data_results
                .iter()
                .map(|line| line.values.len())
                .sum();
            assert!(count <= size);
            all.extend(
                answer
                    .metric_data_results
                    .into_iter()
                    .map(|line| (line.id, line.values, line.status_code)),
            );
            match answer.next_token {
                Some(token) => page.start = redeem(&token, &page.digest).unwrap(),
                None => return all,
            }
        }
    }

    #[test]
    fn pages_are_all_of_it_cut() {
        for is_ascending in [true, false] {
            for size in 1..9 {
                let mut values: Vec<(String, Vec<f64>)> = Vec::new();
                for (id, some, _) in all_pages(size, is_ascending) {
                    match values.last_mut() {
                        Some((last, values)) if *last == id => values.extend(some),
                        _ => values.push((id, some)),
                    }
                }
                let whole: Vec<_> = all_pages(100, is_ascending)
                    .into_iter()
                    .map(|(id, some, _)| (id, some))
                    .collect();
                assert_eq!(values, whole, "{size}");
            }
        }
        let cut = all_pages(2, false);
        let expected = [
            ("a", vec![2.0, 1.0], "PartialData"),
            ("a", vec![0.0], "Complete"),
            ("b", vec![], "Complete"),
            ("c", vec![3.0], "PartialData"),
            ("c", vec![2.0, 1.0], "PartialData"),
            ("c", vec![0.0], "Complete"),
        ];
        assert_eq!(
            cut,
            expected.map(|(id, values, status)| (id.to_owned(), values, status))
        );
    }

    #[test]
    fn a_token_of_another_request_is_refused() {
        let start = Start {
            line: 3,
            after: Some(-60),
        };
        let text = token(start, &[1; 8]);
        assert_eq!(redeem(&text, &[1; 8]), Some(start));
        assert_eq!(redeem(&text, &[2; 8]), None);
        assert_eq!(redeem("x", &[1; 8]), None);
    }
}
