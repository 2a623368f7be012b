//! A directory, and a flow in it, for one test.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use aws::value::Value;
use model::{Clock, Timestamp};
use tokio::sync::mpsc;

use crate::batch::Parcel;
use crate::checkpoint::{FileKey, Mark, Place};
use crate::config::Config;
use crate::files::follow::Follower;
use crate::read::Reader;
use crate::stats::Stats;
use crate::tail::{Tail, Until};
use crate::wake::Wake;

/// Removed when dropped.
pub(crate) struct Directory(PathBuf);

impl Directory {
    pub(crate) fn new() -> Directory {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("headwater-agent-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).unwrap();
        Directory(path)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Batches that wait at one time: more than a test makes.
const CAPACITY: usize = 1_000;
/// Files open at one time, few so that tests meet it.
pub(crate) const OPEN_MAX: usize = 8;

/// A flow's member: what is there when it first runs is read.
pub(crate) const FROM_START: &str = r#""initialPosition": "START_OF_FILE""#;

/// Lines enough that a file is known by them.
pub(crate) fn lines(name: &str, from: usize, to: usize) -> String {
    (from..to)
        .map(|n| format!("{name} line number {n:06}\n"))
        .collect()
}

/// A flow whose clock stands still, and which is taken everything at once.
pub(crate) struct Flow {
    directory: Directory,
    pub(crate) options: String,
    pub(crate) clock: Clock,
    pub(crate) tail: Tail,
    pub(crate) parcels: mpsc::Receiver<Parcel>,
    pub(crate) places: Option<BTreeMap<FileKey, Place>>,
    pub(crate) records: Vec<String>,
}

impl Flow {
    /// A flow of `app.log*` from the start of files, with these members besides.
    pub(crate) fn new(pattern: &str, options: &str) -> Flow {
        let directory = Directory::new();
        let clock = Clock::manual(Timestamp(1_000_000));
        let pattern = directory.path().join(pattern).display().to_string();
        let options = format!(r#"{{"filePattern": "{pattern}", "kinesisStream": "s", {options}}}"#);
        let (tail, parcels) = tail(&options, &clock, None, CAPACITY);
        Flow {
            directory,
            options,
            clock,
            tail,
            parcels,
            places: None,
            records: Vec::new(),
        }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub(crate) fn append(&self, name: &str, text: &str) {
        let file = File::options()
            .append(true)
            .create(true)
            .open(self.path(name));
        file.unwrap().write_all(text.as_bytes()).unwrap();
    }

    pub(crate) fn rename(&self, from: &str, to: &str) {
        fs::rename(self.path(from), self.path(to)).unwrap();
    }

    pub(crate) fn copy(&self, from: &str, to: &str) {
        // Not `fs::copy`: some file systems would share the times too.
        fs::write(self.path(to), fs::read(self.path(from)).unwrap()).unwrap();
    }

    pub(crate) fn empty(&self, name: &str) {
        File::options()
            .write(true)
            .truncate(true)
            .open(self.path(name))
            .unwrap();
    }

    /// A look at the files after so long; what was read is taken.
    pub(crate) fn look(&mut self, after: Duration, scans: bool) {
        self.clock.advance(after);
        self.tail.look(scans).unwrap();
        self.take();
    }

    pub(crate) fn scan(&mut self) {
        self.look(Duration::from_millis(10), true);
    }

    pub(crate) fn take(&mut self) {
        self.tail.reader.close().unwrap();
        while let Ok(parcel) = self.parcels.try_recv() {
            self.records.extend(records(&parcel));
            let places = self.places.get_or_insert_default();
            for mark in parcel.marks {
                match mark {
                    Mark::Reached(place) => drop(places.insert(place.key, place)),
                    Mark::Gone(key) => drop(places.remove(&key)),
                }
            }
        }
    }

    /// Kills the agent, and starts it again on what it noted.
    pub(crate) fn restart(&mut self) {
        let places = self.places.as_ref();
        let places = places.map(|places| places.values().cloned().collect());
        (self.tail, self.parcels) = tail(&self.options, &self.clock, places, CAPACITY);
    }

    /// What was sent since this was last asked, newlines and all.
    pub(crate) fn sent(&mut self) -> String {
        std::mem::take(&mut self.records).concat()
    }
}

pub(crate) fn tail(
    options: &str,
    clock: &Clock,
    places: Option<Vec<Place>>,
    capacity: usize,
) -> (Tail, mpsc::Receiver<Parcel>) {
    let mut config = Config::parse(&format!(r#"{{"flows": [{options}]}}"#), &[]).unwrap();
    assert!(config.warnings.is_empty(), "{:?}", config.warnings);
    let stats = Stats::of(&config.flows);
    let stats = Arc::clone(stats.flows().next().unwrap());
    let flow = config.flows.remove(0);
    let (sink, parcels) = mpsc::channel(capacity);
    let follower = Follower::new(
        flow.patterns.clone(),
        flow.initial,
        flow.skip_header_lines,
        places,
        config.checkpoint_life,
        OPEN_MAX,
    );
    let wake = Arc::new(Wake::default());
    let reader = Reader::new(
        flow,
        sink,
        Arc::clone(&wake),
        Arc::clone(&stats),
        clock.clone(),
    );
    let tail = Tail {
        follower,
        wake,
        clock: clock.clone(),
        poll: Duration::from_millis(100),
        age_max: Duration::from_secs(3_600),
        until: Until::Stopped,
        reader,
        stats,
    };
    (tail, parcels)
}

pub(crate) fn records(parcel: &Parcel) -> Vec<String> {
    if parcel.records() == 0 {
        return Vec::new();
    }
    let Some(Value::Map(members)) = aws::cbor::decode(&parcel.body) else {
        panic!("no map");
    };
    let Some((_, Value::List(items))) = members.into_iter().find(|(name, _)| name == "Records")
    else {
        panic!("no records");
    };
    let record = |item: Value| match item {
        Value::Map(members) => match &members[0].1 {
            Value::Bytes(data) => String::from_utf8_lossy(data).into_owned(),
            other => panic!("{other:?}"),
        },
        other => panic!("{other:?}"),
    };
    items.into_iter().map(record).collect()
}
