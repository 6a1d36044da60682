//! The rest of shows 3 and 4: files that fit no memory, and clients that are killed at any moment.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, SystemTime};

use r2_sim::payload::{sha256_of, write_random};
use r2_tests::lab::Lab;
use r2_tests::tmpfs::Tmpfs;
use rustix::process::Signal;

const GIB: u64 = 1 << 30;

/// How long 1 GiB may take on a busy machine.
const SLOW: Duration = Duration::from_mins(3);

/// What the server's memory may differ by: pages of the allocator and of the stacks that were not touched before.
const SAME_MEMORY: u64 = 2 << 20;

#[test]
fn a_gibibyte_arrives_whole_and_leaves_the_memory_as_it_was() {
    let disk = Tmpfs::new(4 * GIB);
    let lab = Lab::on(&disk.path().join("store"), "");
    let file = disk.path().join("sent");
    write_random(&file, GIB, 1);
    let hash = sha256_of(&file);
    let file = file.display();

    let small = lab.file("small", 1000);
    lab.kali(&format!("nc.openbsd -N 192.168.69.1 5020 < {}", small.display()));
    lab.kali(&format!("hostapp send 192.168.69.1 {}", small.display()));
    lab.kali(&format!(
        "hostapp get 192.168.69.1 small -o {}",
        lab.path("back").display()
    ));
    let before = lab.memory().own;

    let receipt = lab
        .start_kali(&format!("nc.openbsd -N 192.168.69.1 5020 < {file}"))
        .patiently(SLOW)
        .prints();
    assert_eq!(receipt, format!("stored drop-0002 {GIB} bytes sha256 {hash}\n"));
    assert_same_memory(before, lab.memory().own);
    lab.store.wait_until("the confirmed file", |store| {
        store.names().contains(&"drop-0002".to_owned())
    });
    assert!(cmp(&disk.path().join("sent"), &lab.store.file("drop-0002")));
    lab.kali("hostapp rm 192.168.69.1 drop-0002");

    lab.start_kali(&format!("hostapp send 192.168.69.1 {file} --as big"))
        .patiently(SLOW)
        .prints();
    assert_same_memory(before, lab.memory().own);
    assert!(cmp(&disk.path().join("sent"), &lab.store.file("big")));

    let got = disk.path().join("got");
    lab.start_kali(&format!("hostapp get 192.168.69.1 big -o {}", got.display()))
        .patiently(SLOW)
        .prints();
    assert_same_memory(before, lab.memory().own);
    assert!(cmp(&disk.path().join("sent"), &got));
}

#[test]
fn a_gibibyte_passes_both_ways_without_any_privilege() {
    let disk = Tmpfs::new(3 * GIB);
    let lab = Lab::local_on(&disk.path().join("store"), "");
    let file = disk.path().join("sent");
    write_random(&file, GIB, 1);
    let hash = sha256_of(&file);
    let line = format!("nc.openbsd -N 127.0.0.1 5020 < {}", file.display());
    assert_eq!(
        lab.start_kali(&line).patiently(SLOW).prints(),
        format!("stored drop-0001 {GIB} bytes sha256 {hash}\n")
    );
    let line = "printf 'GET drop-0001\\n' | nc.openbsd -N 127.0.0.1 5030 | tail -n +2 | sha256sum";
    assert_eq!(
        lab.start_kali(line).patiently(SLOW).prints(),
        format!("{hash}  -\n")
    );
    lab.store.holds(&["drop-0001"]);
}

fn assert_same_memory(before: u64, after: u64) {
    assert!(
        after.abs_diff(before) <= SAME_MEMORY,
        "{before} bytes after the first small file, {after} bytes now"
    );
}

fn cmp(one: &Path, other: &Path) -> bool {
    Command::new("cmp")
        .arg(one)
        .arg(other)
        .status()
        .expect("cmp")
        .success()
}

/// The seed of this run's random moments: `R2_SEED`, or one that is printed.
fn seeded() -> fastrand::Rng {
    let now = || {
        SystemTime::now()
            .duration_since(SystemTime::UNIX_EPOCH)
            .expect("a clock")
            .as_nanos()
    };
    let given = std::env::var("R2_SEED")
        .ok()
        .map(|seed| seed.parse().expect("R2_SEED is a number"));
    let seed = given.unwrap_or_else(|| u64::try_from(now() & 0xffff_ffff).expect("32 bits"));
    println!("R2_SEED={seed}");
    fastrand::Rng::with_seed(seed)
}

#[test]
fn of_a_hundred_netcats_killed_at_random_moments_none_leaves_a_final_name() {
    let mut random = seeded();
    let disk = Tmpfs::new(2 * GIB);
    let mut lab = Lab::on(disk.path(), "");
    let bytes = r2_sim::payload::random(4 << 20, 2);
    for _ in 0..100 {
        // A moment is a number of bytes: nc has taken at least those but a pipe's worth when it is killed.
        let moment = random.usize(0..bytes.len());
        let mut nc = lab.start_kali("nc.openbsd -N 192.168.69.1 5020");
        nc.types(&bytes[..moment]);
        nc.signal(Signal::KILL);
        nc.wait();
    }
    assert!(
        lab.kali("echo whole | nc.openbsd -N 192.168.69.1 5020")
            .starts_with("stored drop-")
    );
    lab.store.wait_until("one confirmed file", |store| {
        store.names().iter().any(|name| !name.contains('.'))
    });
    lab.stop();

    let names = lab.store.names();
    let confirmed: Vec<_> = names.iter().filter(|name| !name.contains('.')).collect();
    assert_eq!(confirmed.len(), 1, "{names:?}");
    assert_eq!(fs::read(lab.store.file(confirmed[0])).unwrap(), b"whole\n");
    for name in names.iter().filter(|name| name.contains('.')) {
        assert!(
            name.ends_with(".partial") || name.ends_with(".unconfirmed"),
            "{name}"
        );
        assert!(
            bytes.starts_with(&fs::read(lab.store.file(name)).unwrap()),
            "{name} is no prefix of what was sent"
        );
    }
}

#[test]
fn of_killed_sends_none_leaves_a_final_name_or_harms_the_old_file() {
    const WHOLE: u64 = 128 << 20;
    let mut random = seeded();
    let disk = Tmpfs::new(2 * GIB);
    let mut lab = Lab::on(disk.path(), "");
    lab.kali("printf 'PUT file 3\\nold' | nc.openbsd -N 192.168.69.1 5030");
    let file = lab.file("file", WHOLE);
    for round in 0..20 {
        let before = lab.store.bytes();
        let moment = random.u64(1..(4 << 20));
        let name = if round % 2 == 0 { "file" } else { "other" };
        let mut send = lab.start_kali(&format!(
            "exec hostapp send 192.168.69.1 {} --as {name}",
            file.display()
        ));
        lab.store.wait_until("so many bytes more", |store| {
            store.bytes() >= before + moment
                || fs::metadata(store.file(name)).is_ok_and(|file| file.len() == WHOLE)
        });
        send.signal(Signal::KILL);
        send.wait();
        // What the killed sender's kernel had taken is still on its way, and the name is busy until it is there. It
        // may be all that was missing.
        lab.wait_until_alone();
        let is_old = fs::read(lab.store.file("file")).unwrap() == b"old";
        assert!(is_old || cmp(&file, &lab.store.file("file")));
        assert!(!lab.store.names().contains(&"other".to_owned()) || cmp(&file, &lab.store.file("other")));
    }
    lab.stop();
}

#[test]
fn a_server_killed_while_it_stores_leaves_no_final_name() {
    let mut random = seeded();
    let disk = Tmpfs::new(2 * GIB);
    for _ in 0..10 {
        let lab = Lab::on(disk.path(), "");
        let mut peer = lab.connect(5020);
        let moment = random.u64(1..(4 << 20));
        let before = lab.store.bytes();
        peer.write_all(&r2_sim::payload::random(8 << 20, 3)).unwrap();
        lab.store
            .wait_until("so many bytes", |store| store.bytes() >= before + moment);
        lab.r2.signal(Signal::KILL);
        drop(lab);
    }
    let lab = Lab::on(disk.path(), "");
    let names = lab.store.names();
    assert!(names.iter().all(|name| name.ends_with(".partial")), "{names:?}");
}
