//! Tickets: given back at any moment, bounded, many at once.

use super::*;

#[test]
fn a_ticket_is_given_back_at_any_moment() {
    let dir = TempDir::new().unwrap();
    let limits = Limits {
        tickets: 3,
        ..Limits::default()
    };
    let mut store = Asked::with(dir.path(), limits);
    store.put("x", &noise(CHUNK * 9), None).unwrap();
    fs::copy(dir.path().join("x"), dir.path().join("unhashed")).unwrap();
    for _ in 0..50 {
        for moment in 0..6 {
            let ticket = store.claim();
            let named = name("y");
            let upload = Upload::Named {
                name: &named,
                length: 9,
                sha256: Some([3; 32]),
            };
            // Whether the answer is there is a matter of luck, and must not matter.
            let _ = match moment {
                0 => store.0.create(&ticket, Upload::Numbered).map(drop),
                1 => store.0.create(&ticket, upload).map(drop),
                2 => store.0.open(&ticket, &name("unhashed")).map(drop),
                3 => store.0.next(&ticket, None).map(drop),
                4 => {
                    store.create(&ticket, Upload::Numbered).unwrap();
                    let _ = store.0.append(&ticket, &noise(CHUNK + 1));
                    store.0.seal(&ticket).map(drop)
                }
                _ => {
                    store.wait(|store| store.open(&ticket, &name("x"))).unwrap();
                    store.0.read(&ticket, 0, &mut [0; 10]).map(drop)
                }
            };
            store.0.release(ticket);
        }
        store.settle();
    }
    for entry in store.list() {
        store.delete(entry.name.as_str()).unwrap();
    }
    assert!(on_disk(dir.path()).is_empty());
    assert_eq!(store.0.usage(), r2_core::store::Usage::default());
}

#[test]
fn tickets_are_bounded_and_come_back() {
    let dir = TempDir::new().unwrap();
    let limits = Limits {
        tickets: 2,
        ..Limits::default()
    };
    let mut store = Asked::with(dir.path(), limits);
    let (a, _b) = (store.claim(), store.claim());
    assert_eq!(store.0.claim(), None);
    store.0.release(a);
    let _again = store.claim();
    assert_eq!(store.0.claim(), None);
}

#[test]
fn many_uploads_at_once_do_not_mix() {
    let dir = TempDir::new().unwrap();
    let mut store = Asked::at(dir.path());
    let uploads: Vec<_> = (0..40)
        .map(|i| {
            let ticket = store.claim();
            let created = store.create(&ticket, Upload::Numbered).unwrap();
            (ticket, created.name, noise(CHUNK + i * 7919))
        })
        .collect();
    for piece in 0.. {
        let mut more = false;
        for (ticket, _, bytes) in &uploads {
            if let Some(bytes) = bytes.chunks(10_007).nth(piece) {
                store.append(ticket, bytes).unwrap();
                more = true;
            }
        }
        if !more {
            break;
        }
    }
    for (ticket, name, bytes) in uploads {
        let entry = store.seal(&ticket).unwrap();
        assert_eq!((&entry.name, entry.sha256), (&name, sha(&bytes)));
        store.0.confirm(ticket);
    }
    store.settle();
    assert_eq!(store.list().len(), 40);
}
