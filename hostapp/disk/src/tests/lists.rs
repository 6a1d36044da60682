//! Lists.

use super::*;

#[test]
fn a_list_longer_than_what_is_found_at_once_is_whole_and_in_order() {
    let dir = TempDir::new().unwrap();
    let names: Vec<_> = (0..2 * LISTED + 5)
        .map(|number| format!("f-{number:05}"))
        .collect();
    for name in &names {
        fs::write(dir.path().join(name), name).unwrap();
    }
    let mut store = Asked::at(dir.path());
    let ticket = store.claim();
    store.create(&ticket, Upload::Numbered).unwrap();
    assert!(store.names() == names);
    store.0.release(ticket);
}

#[test]
fn lists_beside_uploads_leave_the_count_right() {
    let dir = TempDir::new().unwrap();
    for number in 0..300 {
        fs::write(dir.path().join(format!("f-{number}")), b"x").unwrap();
    }
    let mut store = Asked::at(dir.path());
    for round in 0..40 {
        // Neither waits for the other: two workers do them at once.
        let (lists, writes) = (store.claim(), store.claim());
        let (mut first, mut created) = (Poll::Pending, Poll::Pending);
        store.wait(|store| {
            if first.is_pending() {
                first = store.next(&lists, None);
            }
            if created.is_pending() {
                created = store.create(&writes, Upload::Numbered);
            }
            if first.is_pending() || created.is_pending() {
                Poll::Pending
            } else {
                Poll::Ready(())
            }
        });
        store.append(&writes, b"hello").unwrap();
        store.seal(&writes).unwrap();
        store.0.confirm(writes);
        store.0.release(lists);
        store.settle();
        let usage = store.0.usage();
        assert_eq!((usage.files, usage.bytes), (301 + round, 300 + 5 * (round + 1)));
    }
}
