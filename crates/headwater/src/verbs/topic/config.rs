//! A topic's settings.

use std::io::{self, Write as _};

use clap::Args;
use client::Kafka;
use client::kafka::topics::Change;

use super::refused;
use crate::Failure;
use crate::verbs::output::{Output, json};
use crate::verbs::pair;
use crate::verbs::table::Table;

#[derive(Debug, Args)]
pub(super) struct Config {
    /// The topic.
    name: String,
    /// Set this, such as retention.ms=86400000; may be given often.
    #[arg(long, value_name = "NAME=VALUE", value_parser = pair::parse)]
    set: Vec<(String, String)>,
    /// Let the broker's setting hold again; may be given often.
    #[arg(long, value_name = "NAME")]
    unset: Vec<String>,
    /// Show settings that are the broker's, too.
    #[arg(long)]
    all: bool,
}

pub(super) async fn config(kafka: &Kafka, config: &Config, output: Output) -> Result<(), Failure> {
    let set = config.set.iter();
    let set = set.map(|(name, value)| (name.as_str(), Change::Set(value.as_str())));
    let unset = config.unset.iter();
    let unset = unset.map(|name| (name.as_str(), Change::Unset));
    let changes: Vec<(&str, Change<'_>)> = set.chain(unset).collect();
    if !changes.is_empty() {
        let changed = kafka.change_settings(&config.name, &changes).await;
        changed.map_err(refused)?;
    }
    let mut settings = kafka.settings(&config.name).await.map_err(refused)?;
    settings.retain(|setting| config.all || setting.is_set);
    if output == Output::Json {
        return json(&settings);
    }
    if settings.is_empty() {
        writeln!(
            io::stdout(),
            "Nothing is set for {}: --all shows what is in force",
            config.name
        )?;
        return Ok(());
    }
    let mut table = Table::new(&["setting", "value", "set by"]);
    for setting in settings {
        table.row([
            setting.name,
            setting.value.unwrap_or_default(),
            if setting.is_set { "topic" } else { "broker" }.to_owned(),
        ]);
    }
    write!(io::stdout(), "{table}")?;
    Ok(())
}
