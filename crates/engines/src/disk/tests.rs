use super::*;

struct Folder(RealDisk);

impl Folder {
    fn new(name: &str) -> Folder {
        let path =
            std::env::temp_dir().join(format!("headwater-disk-{}-{name}", std::process::id()));
        Folder(RealDisk::new(path.join("nested/deep")).unwrap())
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let above = self.0.root().parent().and_then(Path::parent).unwrap();
        fs::remove_dir_all(above).unwrap();
    }
}

#[test]
fn what_is_written_in_slices_is_read_back() {
    let Folder(disk) = &Folder::new("slices");
    let file = disk.create("a").unwrap();
    let parts: Vec<[u8; 3]> = (0..3000u32).map(|i| [i as u8, (i >> 8) as u8, 7]).collect();
    let mut slices: Vec<IoSlice<'_>> = parts.iter().map(|part| IoSlice::new(part)).collect();
    slices.insert(0, IoSlice::new(&[]));
    slices.insert(1500, IoSlice::new(&[]));
    // More than one call takes, and few enough.
    let write_durably = |slices: &[IoSlice<'_>]| {
        file.write_at(&[IoSlice::new(&[8; 9005])], 0).unwrap();
        file.write_durably(slices, 5)
    };
    let whole = parts.concat();
    let few: Vec<IoSlice<'_>> = whole.chunks(1_000).map(IoSlice::new).collect();
    let mut read = vec![9; 10_000];
    for slices in [&slices, &few] {
        write_durably(slices).unwrap();
        assert_eq!(file.read_at(&mut read, 0).unwrap(), 9005);
        assert_eq!(read[..5], [8; 5]);
        assert_eq!(read[5..9005], whole);
    }
    assert_eq!(file.read_at(&mut read, 9005).unwrap(), 0);
    assert_eq!(
        disk.open("b").unwrap_err().kind(),
        io::ErrorKind::NotFound,
        "nothing is made by opening"
    );
    assert_eq!(
        disk.create("a").unwrap_err().kind(),
        io::ErrorKind::AlreadyExists
    );
}

#[test]
fn what_is_mapped_is_what_is_read() {
    let Folder(disk) = &Folder::new("mapped");
    let file = disk.create("a").unwrap();
    let bytes: Vec<u8> = (0..1_000_000_u32).map(|at| (at / 7) as u8).collect();
    file.write_at(&[IoSlice::new(&bytes)], 0).unwrap();
    for (position, length) in [
        (0, 1_000_000),
        (1, mapped::LENGTH_MIN),
        (65_535, 700_000),
        (65_536, 700_000),
        (999_990, 10),
    ] {
        let read = file.read_shared(length, position as u64).unwrap();
        assert!(read == bytes[position..position + length], "{position}");
    }
    let cut_short = file.read_shared(mapped::LENGTH_MIN, 900_000).unwrap();
    assert!(cut_short == bytes[900_000..]);
    let beyond = file.read_shared(mapped::LENGTH_MIN, 2_000_000).unwrap();
    assert!(beyond.is_empty());
    let held = file.read_shared(500_000, 400_000).unwrap();
    disk.remove("a").unwrap();
    drop(file);
    assert!(held == bytes[400_000..900_000], "as long as it is held");
}

#[test]
fn space_is_reserved_beyond_what_is_there() {
    let Folder(disk) = &Folder::new("reserve");
    let file = disk.create("a").unwrap();
    file.write_at(&[IoSlice::new(b"head")], 0).unwrap();
    file.preallocate(3 << 20).unwrap();
    assert_eq!(file.preallocate(10).unwrap(), Reserved::Written);
    assert_eq!(file.length().unwrap(), 3 << 20);
    let mut front = [1; 8];
    file.read_at(&mut front, 0).unwrap();
    assert_eq!(&front, b"head\0\0\0\0");
}

#[test]
fn names_are_listed_renamed_and_removed() {
    let Folder(disk) = &Folder::new("names");
    disk.create_folder("in/side").unwrap();
    disk.create_folder("in/side").unwrap();
    for name in ["in/b", "in/a", "in/c"] {
        disk.create(name).unwrap();
    }
    disk.rename("in/c", "in/a").unwrap();
    assert_eq!(disk.list("in").unwrap(), ["a", "b"]);
    disk.remove("in/b").unwrap();
    disk.sync_folder("in").unwrap();
    assert_eq!(disk.list("in").unwrap(), ["a"]);
    assert!(disk.list("").unwrap().is_empty());
    assert_eq!(
        disk.list("none").unwrap_err().kind(),
        io::ErrorKind::NotFound
    );
}

#[test]
fn one_holds_the_lock() {
    let Folder(disk) = &Folder::new("lock");
    let held = disk.lock().unwrap();
    assert_eq!(
        disk.lock().err().map(|error| error.kind()),
        Some(io::ErrorKind::WouldBlock)
    );
    drop(held);
    disk.lock().unwrap();
}
