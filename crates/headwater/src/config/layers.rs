//! Where a setting's text is looked up, and what is said when it cannot be read.

use std::collections::HashMap;
use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};

use toml::{Table, Value};

use super::settings::keys_known;
use crate::Failure;

/// What variables begin with that the verbs read, that tests do, and that Kubernetes makes.
const OF_OTHERS: &[&str] = &[
    "HEADWATER_ENDPOINT",
    "HEADWATER_CRASH_",
    "HEADWATER_PORT",
    "HEADWATER_SERVICE_",
];

/// Where a value came from.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Origin {
    /// A flag of the command line.
    Flag,
    /// A variable of the environment.
    Variable,
    /// The configuration file.
    File(PathBuf),
    /// Nobody said.
    Default,
}

impl Origin {
    /// What the setting `key` is called there: `--tls-cert`, `HEADWATER_TLS_CERT`, `tls_cert in /etc/headwater.toml`.
    fn name_of(&self, key: &str) -> String {
        match self {
            Origin::Flag | Origin::Default => flag(key),
            Origin::Variable => variable(key),
            Origin::File(path) => format!("{key} in {}", path.display()),
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::Flag => f.write_str("flag"),
            Origin::Variable => f.write_str("environment"),
            Origin::File(path) => write!(f, "{}", path.display()),
            Origin::Default => f.write_str("default"),
        }
    }
}

/// A value, and where it came from.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Setting<T> {
    /// What is in force.
    pub value: T,
    /// Who said so.
    pub origin: Origin,
}

fn flag(key: &str) -> String {
    format!("--{}", key.replace('_', "-"))
}

fn variable(key: &str) -> String {
    format!("HEADWATER_{}", key.to_ascii_uppercase())
}

/// All that was said, as text, strongest first.
#[derive(Debug, Default)]
pub(crate) struct Layers {
    flags: HashMap<&'static str, String>,
    variables: HashMap<String, String>,
    file: Option<(PathBuf, Table)>,
}

impl Layers {
    /// Gathers what was said. The file is the one `path` names, else the one that `HEADWATER_CONFIG` names, else none.
    pub(crate) fn gather(
        flags: impl IntoIterator<Item = (&'static str, String)>,
        variables: impl IntoIterator<Item = (OsString, OsString)>,
        path: Option<&Path>,
    ) -> Result<Layers, Failure> {
        let mut ours = HashMap::new();
        for (name, value) in variables {
            let Some(name) = name.to_str().filter(|name| name.starts_with("HEADWATER_")) else {
                continue;
            };
            let Some(value) = value.to_str() else {
                return Err(Failure::Usage(format!("{name} is not valid UTF-8")));
            };
            ours.insert(name.to_owned(), value.to_owned());
        }
        let path = path.map(Path::to_owned);
        let path = path.or_else(|| ours.get("HEADWATER_CONFIG").map(PathBuf::from));
        let file = match path {
            Some(path) => {
                let table = read_file(&path)?;
                Some((path, table))
            }
            None => None,
        };
        Ok(Layers {
            flags: flags.into_iter().collect(),
            variables: ours,
            file,
        })
    }

    /// The setting `key`: the strongest text read by `read`, whose error continues "... must be", else `default`.
    pub(crate) fn setting<T>(
        &self,
        key: &'static str,
        default: T,
        read: impl Fn(&str) -> Result<T, String>,
    ) -> Result<Setting<T>, Failure> {
        let Some((text, origin)) = self.text(key)? else {
            return Ok(Setting {
                value: default,
                origin: Origin::Default,
            });
        };
        match read(&text) {
            Ok(value) => Ok(Setting { value, origin }),
            Err(must_be) => Err(Failure::Usage(format!(
                "{} must be {must_be}, got {text:?}",
                origin.name_of(key)
            ))),
        }
    }

    /// The tables of the array `name` of the file, and the file's path.
    pub(crate) fn tables(&self, name: &str) -> Result<Option<(&Path, Vec<&Table>)>, Failure> {
        let Some((path, file)) = &self.file else {
            return Ok(None);
        };
        let Some(value) = file.get(name) else {
            return Ok(None);
        };
        let tables: Option<Vec<&Table>> = value
            .as_array()
            .and_then(|array| array.iter().map(Value::as_table).collect());
        match tables {
            Some(tables) => Ok(Some((path, tables))),
            None => Err(Failure::Usage(format!(
                "{name} in {} must be tables, each under [[{name}]]",
                path.display()
            ))),
        }
    }

    /// Variables that look like settings and are none, sorted: typing errors that would silently not hold. Not refused as
    /// the file's are, since others set variables too: Kubernetes makes some for a service called `headwater`.
    pub(crate) fn variables_unknown(&self) -> Vec<String> {
        let is_known = |name: &str| {
            let in_the_file_alone = ["keys", "kafka_users"];
            let mut settings = keys_known().filter(|key| !in_the_file_alone.contains(key));
            name == "HEADWATER_CONFIG"
                || OF_OTHERS.iter().any(|start| name.starts_with(start))
                || settings.any(|key| variable(key) == name)
        };
        let mut unknown: Vec<String> = self.variables.keys().cloned().collect();
        unknown.retain(|name| !is_known(name));
        unknown.sort_unstable();
        unknown
    }

    fn text(&self, key: &'static str) -> Result<Option<(String, Origin)>, Failure> {
        if let Some(text) = self.flags.get(key) {
            return Ok(Some((text.clone(), Origin::Flag)));
        }
        if let Some(text) = self.variables.get(&variable(key)) {
            return Ok(Some((text.clone(), Origin::Variable)));
        }
        let Some((path, file)) = &self.file else {
            return Ok(None);
        };
        let text = match file.get(key) {
            None => return Ok(None),
            Some(Value::String(text)) => text.clone(),
            Some(Value::Integer(number)) => number.to_string(),
            Some(Value::Boolean(true)) => "on".to_owned(),
            Some(Value::Boolean(false)) => "off".to_owned(),
            Some(_) => {
                return Err(Failure::Usage(format!(
                    "{key} in {} must be text in quotes, a whole number, true or false",
                    path.display()
                )));
            }
        };
        Ok(Some((text, Origin::File(path.clone()))))
    }
}

/// Reads the file. A key nobody knows is refused: it is a typing error whose setting would silently not hold.
fn read_file(path: &Path) -> Result<Table, Failure> {
    let shown = path.display();
    let text = std::fs::read_to_string(path)
        .map_err(|error| Failure::Usage(format!("could not read --config {shown}: {error}")))?;
    let table: Table = text
        .parse()
        .map_err(|error| Failure::Usage(format!("{shown} is not valid TOML: {error}")))?;
    for key in table.keys() {
        if !keys_known().any(|known| known == key) {
            return Err(Failure::Usage(format!(
                "{shown}: there is no setting {key:?}; there are {}",
                keys_known().collect::<Vec<_>>().join(", ")
            )));
        }
    }
    Ok(table)
}
