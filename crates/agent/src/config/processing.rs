//! `dataProcessingOptions`: what becomes of a record before it is sent.

use regex::bytes::{Regex, RegexBuilder};
use serde_json::Value;

use super::fields::{ConfigError, Fields};
use crate::convert::print::Layout;
use crate::convert::{Chain, Csv, Delimiter, Log, LogFormat, Metadata, SingleLine, Step};

/// Largest a pattern may be once compiled, in bytes.
const PATTERN_BYTES_MAX: usize = 4 << 20;

#[derive(Debug, Clone, Copy)]
enum Name {
    SingleLine,
    CsvToJson,
    LogToJson,
    Metadata,
    Ec2Metadata,
    Brackets,
    Plugin,
}

const NAMES: &[(&str, Name)] = &[
    ("SINGLELINE", Name::SingleLine),
    ("CSVTOJSON", Name::CsvToJson),
    ("LOGTOJSON", Name::LogToJson),
    ("ADDMETADATA", Name::Metadata),
    ("ADDEC2METADATA", Name::Ec2Metadata),
    ("ADDBRACKETS", Name::Brackets),
    ("USINGPLUGGIN", Name::Plugin),
];

const LAYOUTS: &[(&str, Layout)] = &[
    ("COMPACT", Layout::Compact),
    ("PRETTYPRINT", Layout::Pretty),
];

/// The steps in the order they are listed.
pub(super) fn chain(
    fields: &mut Fields<'_>,
    warnings: &mut Vec<String>,
) -> Result<Chain, ConfigError> {
    let mut steps = Vec::new();
    for mut option in fields.objects("dataProcessingOptions")? {
        let name = option.word("optionName", NAMES)?;
        let Some(name) = name else {
            return Err(option.wrong("optionName", "is missing; LOGTOJSON, for example"));
        };
        let unsupported = |what: &str| option.wrong("optionName", what);
        let step = match name {
            Name::SingleLine => Step::SingleLine(single_line(&mut option)?),
            Name::CsvToJson => Step::Csv(csv(&mut option)?),
            Name::LogToJson => Step::Log(log(&mut option)?),
            Name::Metadata => Step::Metadata(metadata(&mut option)?),
            Name::Brackets => Step::Brackets,
            Name::Ec2Metadata => {
                return Err(unsupported(
                    "ADDEC2METADATA is not supported: there is no EC2 here; ADDMETADATA adds what you write yourself",
                ));
            }
            Name::Plugin => {
                return Err(unsupported(
                    "USINGPLUGGIN is not supported: there is no Java here",
                ));
            }
        };
        steps.push(step);
        option.finish(warnings);
    }
    Ok(Chain::of(steps))
}

/// A pattern in Java's words as far as both have them: `\d`, `\w` and `\s` are of ASCII.
pub(super) fn pattern(text: &str) -> Result<Regex, String> {
    RegexBuilder::new(text)
        .unicode(false)
        .size_limit(PATTERN_BYTES_MAX)
        .build()
        .map_err(|error| {
            let error = error.to_string();
            // The last line says what; those before draw where.
            let what = error.lines().last().unwrap_or_default();
            format!(
                "is not a pattern that can be used (look-around and back-references cannot): {what}"
            )
        })
}

fn single_line(option: &mut Fields<'_>) -> Result<SingleLine, ConfigError> {
    let words = option.texts("parseOptions")?.unwrap_or_default();
    let known = ["NO_TRIM", "ESCAPE_NEW_LINE"];
    if let Some(unknown) = words.iter().find(|word| !known.contains(&word.as_str())) {
        let problem = format!("may list NO_TRIM and ESCAPE_NEW_LINE, got {unknown:?}");
        return Err(option.wrong("parseOptions", problem));
    }
    let has = |word: &str| words.iter().any(|given| given == word);
    Ok(SingleLine {
        trims: !has("NO_TRIM"),
        escapes: has("ESCAPE_NEW_LINE"),
    })
}

fn csv(option: &mut Fields<'_>) -> Result<Csv, ConfigError> {
    let names = option.texts("customFieldNames")?.unwrap_or_default();
    if names.is_empty() {
        let problem = "is missing; name the columns, such as [\"id\", \"name\"]";
        return Err(option.wrong("customFieldNames", problem));
    }
    let delimiter = option.text("delimiter")?.unwrap_or_else(|| ",".to_owned());
    let delimiter = match delimiter.as_bytes() {
        // One character stands for itself, also `|` and `.`, which Java would take for patterns that split everywhere.
        [one] => Delimiter::Byte(*one),
        _ => match pattern(&delimiter) {
            Ok(regex) if regex.is_match(b"") => {
                return Err(option.wrong("delimiter", "must not match nothing at all"));
            }
            Ok(regex) => Delimiter::Pattern(regex),
            Err(problem) => return Err(option.wrong("delimiter", problem)),
        },
    };
    Ok(Csv {
        names,
        delimiter,
        layout: layout(option)?,
    })
}

fn log(option: &mut Fields<'_>) -> Result<Log, ConfigError> {
    let formats = LogFormat::ALL.map(|format| (format.name(), format));
    let Some(format) = option.word("logFormat", &formats)? else {
        return Err(option.wrong("logFormat", "is missing; COMMONAPACHELOG, for example"));
    };
    let names = option.texts("customFieldNames")?;
    let regex = match (option.text("matchPattern")?, &names) {
        (None, _) => None,
        (Some(_), None) => {
            let problem = "is missing beside matchPattern; name its groups in order";
            return Err(option.wrong("customFieldNames", problem));
        }
        // The whole record must match, as with Java's `matches`.
        (Some(text), Some(_)) => match pattern(&format!(r"\A(?:{text})\z")) {
            Ok(regex) => Some(regex),
            Err(problem) => return Err(option.wrong("matchPattern", problem)),
        },
    };
    let layout = layout(option)?;
    Log::new(format, regex, names, layout).map_err(|mismatch| {
        let (groups, names) = mismatch;
        let problem =
            format!("must name {groups} fields, as many as the pattern has groups; got {names}");
        option.wrong("customFieldNames", problem)
    })
}

fn metadata(option: &mut Fields<'_>) -> Result<Metadata, ConfigError> {
    let metadata = option.value("metadata").cloned().unwrap_or(Value::Null);
    Ok(Metadata {
        metadata,
        stamps: option.truth("timestamp")?.unwrap_or(false),
        layout: layout(option)?,
    })
}

fn layout(option: &mut Fields<'_>) -> Result<Layout, ConfigError> {
    Ok(option.word("jsonFormat", LAYOUTS)?.unwrap_or_default())
}
