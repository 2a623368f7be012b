//! What values a configuration takes.

/// What values a configuration takes.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Kind {
    /// `true` or `false`.
    Boolean,
    /// A 32-bit number in this range.
    Int(i64, i64),
    /// A 32-bit number: the first of these, or one in the range of the others.
    IntOr(i64, i64, i64),
    /// A 64-bit number in this range.
    Long(i64, i64),
    /// A number in this range.
    Double(f64, f64),
    /// One of these.
    OneOf(&'static [&'static str]),
    /// Some of these, divided by commas, or none.
    ListOf(&'static [&'static str]),
    /// Replicas whose copying is slowed down, as `PARTITION:BROKER`, or `*` for all.
    Replicas,
    /// Anything, divided by commas.
    List,
    /// Any text.
    Text,
    /// Where a share group begins: `earliest`, `latest` or `by_duration:` and a duration (KIP-932).
    ShareStart,
}

impl Kind {
    /// The type's number on the wire (KIP-569).
    pub(crate) fn wire_type(self) -> i8 {
        match self {
            Kind::Boolean => 1,
            Kind::Text | Kind::OneOf(_) | Kind::ShareStart => 2,
            Kind::Int(..) | Kind::IntOr(..) => 3,
            Kind::Long(..) => 5,
            Kind::Double(..) => 6,
            Kind::List | Kind::ListOf(_) | Kind::Replicas => 7,
        }
    }

    /// Whether values are lists, to which there can be added.
    pub(crate) fn is_list(self) -> bool {
        matches!(self, Kind::List | Kind::ListOf(_) | Kind::Replicas)
    }

    /// Whether it takes `value`, read as Kafka reads it: without the blanks around it, and `TRUE` is true.
    pub(crate) fn takes(self, value: &str) -> bool {
        let value = value.trim();
        let is_within = |least: i64, most: i64| {
            let number = value.parse::<i64>();
            number.is_ok_and(|number| (least..=most).contains(&number))
        };
        match self {
            Kind::Boolean => ["true", "false"]
                .iter()
                .any(|word| value.eq_ignore_ascii_case(word)),
            Kind::Int(least, most) | Kind::Long(least, most) => is_within(least, most),
            Kind::IntOr(other, least, most) => is_within(other, other) || is_within(least, most),
            Kind::Double(least, most) => value
                .parse::<f64>()
                .is_ok_and(|number| (least..=most).contains(&number)),
            Kind::OneOf(values) => values.contains(&value),
            Kind::ListOf(values) => parts(value).all(|part| values.contains(&part)),
            Kind::Replicas => value == "*" || parts(value).all(is_replica),
            Kind::List | Kind::Text => true,
            Kind::ShareStart => is_share_start(value),
        }
    }

    /// A value that it takes, as clients are shown it.
    pub(crate) fn written(self, value: &str) -> String {
        let value = value.trim();
        match self {
            Kind::Boolean => value.to_ascii_lowercase(),
            Kind::ListOf(_) => {
                let mut once: Vec<&str> = Vec::new();
                for part in parts(value) {
                    if !once.contains(&part) {
                        once.push(part);
                    }
                }
                once.join(",")
            }
            _ => value.to_owned(),
        }
    }

    /// What is said of a value that it does not take.
    pub(crate) fn must_be(self) -> String {
        match self {
            Kind::Boolean => "it must be true or false".into(),
            Kind::Int(least, most) | Kind::Long(least, most) => {
                format!("it must be a whole number from {least} to {most}")
            }
            Kind::IntOr(other, least, most) => {
                format!("it must be {other}, or a whole number from {least} to {most}")
            }
            Kind::Double(least, most) => format!("it must be a number from {least} to {most}"),
            Kind::OneOf(values) => format!("it must be one of {}", values.join(", ")),
            Kind::ListOf(values) => format!("it must be some of {}", values.join(", ")),
            Kind::Replicas => "it must be *, or a list of PARTITION:BROKER".into(),
            Kind::List | Kind::Text => "it must be text".into(),
            Kind::ShareStart => {
                "it must be earliest, latest or by_duration: and an ISO 8601 duration such as PT1H"
                    .into()
            }
        }
    }
}

/// The parts of a list; nothing has none.
fn parts(list: &str) -> impl Iterator<Item = &str> {
    let parts = list.split(',').map(str::trim);
    parts.filter(move |_| !list.is_empty())
}

fn is_replica(text: &str) -> bool {
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let replica = text.split_once(':');
    replica.is_some_and(|(partition, broker)| is_number(partition) && is_number(broker))
}

fn is_share_start(value: &str) -> bool {
    match value.split_once(':') {
        None => matches!(value, "earliest" | "latest"),
        Some(("by_duration", duration)) => duration_ms(duration).is_some(),
        Some(_) => false,
    }
}

/// Milliseconds of an ISO 8601 duration of days and smaller, such as `P1DT2H3M4.5S`, as Java's `Duration` reads it.
pub(crate) fn duration_ms(text: &str) -> Option<u64> {
    let rest = text.strip_prefix('P')?;
    let (days, time) = match rest.split_once('T') {
        Some((_, "")) => return None,
        Some((days, time)) => (days, time),
        None => (rest, ""),
    };
    let mut total = 0.0;
    let mut count = 0;
    for (part, units) in [(days, "D"), (time, "HMS")] {
        let mut part = part;
        for unit in units.chars() {
            let Some((number, after)) = part.split_once(unit) else {
                continue;
            };
            // Only seconds have fractions.
            let is_plain = unit == 'S' || number.bytes().all(|b| b.is_ascii_digit());
            let number: f64 = number.parse().ok().filter(|n| *n >= 0.0 && is_plain)?;
            total += number
                * match unit {
                    'D' => 86_400_000.0,
                    'H' => 3_600_000.0,
                    'M' => 60_000.0,
                    _ => 1_000.0,
                };
            part = after;
            count += 1;
        }
        if !part.is_empty() {
            return None;
        }
    }
    (count > 0).then_some(total as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_as_java_reads_them() {
        let known = [
            ("PT1H", Some(3_600_000)),
            ("P1DT2H3M4.5S", Some(93_784_500)),
            ("P2D", Some(172_800_000)),
            ("PT", None),
            ("P", None),
            ("1H", None),
            ("PT1X", None),
            ("PT-1H", None),
            ("PT1.5H", None),
        ];
        for (text, expected) in known {
            assert_eq!(duration_ms(text), expected, "{text}");
        }
    }

    #[test]
    fn values_are_read_and_shown_as_kafka_does() {
        let policies = Kind::ListOf(&["compact", "delete"]);
        let words = Kind::OneOf(&["gzip", "zstd"]);
        // As Apache Kafka 4.3.1 answers.
        let taken = [
            (Kind::Boolean, "True", "true"),
            (Kind::Boolean, " false ", "false"),
            (words, " gzip ", "gzip"),
            (policies, "", ""),
            (policies, " compact , delete,compact", "compact,delete"),
            (Kind::IntOr(-1, 1, 9), "-1", "-1"),
            (Kind::IntOr(-1, 1, 9), "9", "9"),
            (Kind::Replicas, "", ""),
            (Kind::Replicas, "*", "*"),
            (Kind::Replicas, "0:1,12:1", "0:1,12:1"),
        ];
        for (kind, value, shown) in taken {
            assert!(kind.takes(value), "{kind:?} {value}");
            assert_eq!(kind.written(value), shown, "{kind:?} {value}");
        }
        let refused = [
            (Kind::Boolean, "yes"),
            (Kind::Boolean, ""),
            (words, "GZIP"),
            (policies, ","),
            (policies, "compact,,delete"),
            (policies, "Compact"),
            (Kind::IntOr(-1, 1, 9), "0"),
            (Kind::IntOr(-1, 1, 9), "10"),
            (Kind::Replicas, "0"),
            (Kind::Replicas, "a:b"),
            (Kind::Replicas, "0:1:2"),
            (Kind::Replicas, "*,0:1"),
        ];
        for (kind, value) in refused {
            assert!(!kind.takes(value), "{kind:?} {value}");
        }
    }
}
