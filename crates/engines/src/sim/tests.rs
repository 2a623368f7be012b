use super::*;

fn disk(seed: u64) -> SimDisk {
    let disk = SimDisk::new(Rng::seeded(seed));
    disk.create_folder("f").unwrap();
    disk.sync_folder("").unwrap();
    disk
}

fn write(file: &Arc<dyn File>, bytes: &[u8], position: u64) {
    file.write_at(&[IoSlice::new(bytes)], position).unwrap();
}

/// The file's bytes after a crash, `None` where it is not there.
fn found(disk: &SimDisk, name: &str) -> Option<Vec<u8>> {
    disk.crash().image().get(name).map(|bytes| bytes.to_vec())
}

#[test]
fn what_is_synced_outlives_a_crash() {
    for seed in 0..100 {
        let disk = disk(seed);
        let file = disk.create("f/a").unwrap();
        write(&file, &[1; 2000], 0);
        file.sync_data().unwrap();
        disk.sync_folder("f").unwrap();
        write(&file, &[2; 1500], 500);
        let bytes = found(&disk, "f/a").unwrap();
        assert_eq!((bytes.len(), &bytes[..500]), (2000, &[1; 500][..]));
        assert!(file.sync_data().is_err(), "the old machine is off");
    }
}

#[test]
fn what_is_not_synced_is_kept_lost_and_torn() {
    let mut seen = [false; 4];
    for seed in 0..200 {
        let disk = disk(seed);
        let file = disk.create("f/a").unwrap();
        write(&file, &[0; 4096], 0);
        file.sync_data().unwrap();
        disk.sync_folder("f").unwrap();
        write(&file, &[1; 4096], 0);
        let bytes = found(&disk, "f/a").unwrap();
        let kept = bytes.iter().filter(|&&byte| byte == 1).count();
        let is_prefix = bytes[..kept].iter().all(|&byte| byte == 1);
        let kind = match kept {
            0 => 0,
            4096 => 1,
            _ if is_prefix => 2,
            _ => 3,
        };
        seen[kind] = true;
        assert!(kind != 3 || kept % 512 == 0, "sectors are whole");
    }
    assert_eq!(seen, [true; 4]);
}

#[test]
fn a_failed_sync_is_not_mended_by_the_next() {
    let mut lost = 0;
    for seed in 0..100 {
        let disk = disk(seed);
        let file = disk.create("f/a").unwrap();
        disk.sync_folder("f").unwrap();
        write(&file, &[1; 100], 0);
        disk.set_faults(Faults {
            sync: 1,
            ..Faults::default()
        });
        assert!(file.sync_data().is_err());
        disk.set_faults(Faults::default());
        file.sync_data().unwrap();
        let mut seen = [0; 100];
        assert_eq!(file.read_at(&mut seen, 0).unwrap(), 100);
        assert_eq!(seen, [1; 100], "the page cache still shows it");
        let bytes = found(&disk, "f/a").unwrap();
        lost += u32::from(bytes != [1; 100]);
    }
    assert!(lost > 10, "lost {lost} times");
}

#[test]
fn each_open_file_is_told_of_a_failed_sync_once() {
    let disk = disk(1);
    let file = disk.create("f/a").unwrap();
    let second = disk.open("f/a").unwrap();
    write(&file, &[1; 100], 0);
    disk.set_faults(Faults {
        sync: 1,
        ..Faults::default()
    });
    assert!(file.sync_data().is_err());
    disk.set_faults(Faults::default());
    assert!(file.sync_data().is_ok());
    assert!(second.sync_data().is_err());
    assert!(second.sync_data().is_ok());
    assert!(disk.open("f/a").unwrap().sync_data().is_ok());
}

#[test]
fn a_restart_keeps_what_was_written_until_the_crash() {
    let mut lost = 0;
    for seed in 0..50 {
        let disk = disk(seed);
        let file = disk.create("f/a").unwrap();
        disk.sync_folder("f").unwrap();
        write(&file, &[1; 100], 0);
        let next = disk.restart();
        assert!(file.length().is_err(), "the old process is gone");
        assert_eq!(next.image()["f/a"][..], [1; 100]);
        lost += u32::from(found(&next, "f/a").unwrap() != [1; 100]);
    }
    assert!(lost > 10, "lost {lost} times");
}

#[test]
fn the_power_is_cut_after_so_many_changes() {
    let disk = disk(1);
    let file = disk.create("f/a").unwrap();
    disk.cut_after(2);
    write(&file, &[1; 100], 0);
    file.sync_data().unwrap();
    assert!(disk.is_off());
    assert!(file.read_at(&mut [0; 1], 0).is_err());
    assert!(disk.sync_folder("f").is_err());
    let next = disk.crash();
    assert!(!next.is_off() && disk.is_off());
    next.create("f/b").unwrap();
}

#[test]
fn names_are_kept_in_order_up_to_some_point() {
    let mut seen = BTreeMap::new();
    for seed in 0..200 {
        let disk = disk(seed);
        let file = disk.create("f/old").unwrap();
        write(&file, b"old", 0);
        file.sync_data().unwrap();
        disk.sync_folder("f").unwrap();
        let file = disk.create("f/new").unwrap();
        write(&file, b"new", 0);
        file.sync_data().unwrap();
        disk.rename("f/new", "f/old").unwrap();
        disk.create("f/other").unwrap();
        disk.remove("f/old").unwrap();
        let image = disk.crash().image();
        let names: Vec<String> = image.keys().cloned().collect();
        let old = image.get("f/old").map(|bytes| bytes.to_vec());
        *seen.entry((names, old)).or_insert(0) += 1;
    }
    let states: Vec<_> = seen
        .keys()
        .map(|(names, old)| {
            let old = old.as_ref().map(|old| String::from_utf8_lossy(old));
            format!("{} {}", names.join(","), old.unwrap_or("gone".into()))
        })
        .collect();
    assert_eq!(
        states,
        [
            "f/new,f/old old",
            "f/old new",
            "f/old old",
            "f/old,f/other new",
            "f/other gone"
        ]
    );
}

#[test]
fn a_full_disk_says_so_and_keeps_what_is_there() {
    let disk = disk(1);
    let file = disk.create("f/a").unwrap();
    disk.set_capacity(1000);
    file.preallocate(800).unwrap();
    let error = file.preallocate(1200).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::StorageFull);
    let error = file.write_at(&[IoSlice::new(&[1; 400])], 900).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::StorageFull);
    assert!(disk.used() <= 1000);
    write(&file, &[2; 800], 0);
    disk.set_capacity(2000);
    file.preallocate(1200).unwrap();
}

#[test]
fn one_seed_gives_one_history() {
    let run = |seed| {
        let mut disk = disk(seed);
        for round in 0..20u8 {
            let name = format!("f/{round}");
            let file = disk.create(&name).unwrap();
            write(&file, &[round; 700], 0);
            disk.sync_folder("f").unwrap();
            disk = disk.crash();
        }
        (disk.image(), disk.trace())
    };
    assert_eq!(run(3), run(3));
    assert_ne!(run(3), run(4));
}

#[test]
fn a_flip_is_one_bit() {
    let disk = disk(1);
    let file = disk.create("f/a").unwrap();
    write(&file, &[0; 16], 0);
    disk.flip("f/a", 9);
    assert_eq!(disk.image()["f/a"][9], 2);
    let held = disk.lock().unwrap();
    assert!(disk.lock().is_err());
    drop(held);
    assert!(disk.lock().is_ok());
}
