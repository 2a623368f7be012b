//! How long resharding a wide stream takes, and what very many shards cost.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use serde_json::json;

use crate::control::Control;
use crate::process::Server;
use crate::report::Row;
use crate::usage;

/// Doubles a stream of `from` shards with UpdateShardCount: time to the answer, and to ACTIVE with all shards open.
pub(crate) fn double(server: &Server, from: usize, row: &mut Row) -> Result<()> {
    let stream = "bench-reshard";
    let mut control = Control::new(server.address, Duration::from_secs(120));
    control.fresh_stream(stream, from)?;
    let input = json!({ "StreamName": stream, "TargetShardCount": 2 * from, "ScalingType": "UNIFORM_SCALING" });
    let start = Instant::now();
    control
        .call("UpdateShardCount", &input)
        .context("UpdateShardCount")?;
    let answered = start.elapsed();
    control.await_active(stream, 2 * from)?;
    row.add("answer", answered.as_secs_f64() * 1000.0, "ms");
    row.add("active", start.elapsed().as_secs_f64() * 1000.0, "ms");
    control
        .call("DeleteStream", &json!({ "StreamName": stream }))
        .context("DeleteStream")?;
    Ok(())
}

/// Makes `streams` streams of `shards` shards each: the time it takes, and the server's memory before and after.
pub(crate) fn many(server: &Server, streams: usize, shards: usize, row: &mut Row) -> Result<()> {
    let mut control = Control::new(server.address, Duration::from_secs(120));
    row.add(
        "memory before",
        usage::resident(server.id())? as f64 / 1e6,
        "MB",
    );
    let start = Instant::now();
    for index in 0..streams {
        control.fresh_stream(&format!("bench-many-{index}"), shards)?;
    }
    row.add("create", start.elapsed().as_secs_f64() * 1000.0, "ms");
    row.add(
        "memory after",
        usage::resident(server.id())? as f64 / 1e6,
        "MB",
    );
    for index in 0..streams {
        let input = json!({ "StreamName": format!("bench-many-{index}") });
        control
            .call("DeleteStream", &input)
            .context("DeleteStream")?;
    }
    Ok(())
}
