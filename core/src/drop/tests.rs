use super::*;
use crate::store::ram::{Block, File, RamStore};
use std::string::String;
use std::vec::Vec;

const EMPTY_SHA256: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
const HELLO_SHA256: &str = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";

fn with_store<T>(blocks: usize, test: impl FnOnce(&mut RamStore<'_>) -> T) -> T {
    let mut blocks: Vec<_> = (0..blocks).map(|_| Block::EMPTY).collect();
    let mut files = [const { File::EMPTY }; 4];
    test(&mut RamStore::new(&mut blocks, &mut files, u64::MAX))
}

fn at(ms: u64) -> Instant {
    Instant::from_millis(ms)
}

fn opened(store: &mut RamStore<'_>) -> Deposit {
    let mut deposit = Deposit::new();
    deposit.opened(at(0), store);
    deposit
}

fn heard<S: Store>(deposit: &mut Deposit, ms: u64, room: usize, store: &mut S) -> String {
    let mut tx = std::vec![0; room];
    let mut all = Vec::new();
    loop {
        let count = deposit.transmit(at(ms), &mut tx, store);
        all.extend_from_slice(&tx[..count]);
        assert!(all.len() < 1000, "it never ends");
        if count == 0 {
            return String::from_utf8(all).unwrap();
        }
    }
}

fn names(store: &mut RamStore<'_>) -> Vec<String> {
    let ticket = store.claim().unwrap();
    let mut names = Vec::new();
    let mut last = None;
    while let Poll::Ready(Ok(Some(entry))) = store.next(&ticket, last.as_ref()) {
        names.push(std::format!("{} {}", entry.name, entry.length));
        last = Some(entry.name);
    }
    store.release(ticket);
    names
}

fn release_all(tickets: Vec<Ticket>, store: &mut RamStore<'_>) {
    for ticket in tickets {
        store.release(ticket);
    }
}

/// Whether every ticket is free again.
fn all_tickets_free(store: &mut RamStore<'_>) -> bool {
    let tickets: Vec<_> = (0..crate::limits::STORE_TICKETS)
        .filter_map(|_| store.claim())
        .collect();
    let free = tickets.len() == crate::limits::STORE_TICKETS;
    release_all(tickets, store);
    free
}

#[test]
fn hello_and_fin_are_answered_with_a_receipt_at_every_split_and_room() {
    for split in 1..=5 {
        for room in [1, 2, 7, 100, 300] {
            with_store(4, |store| {
                let mut deposit = opened(store);
                for piece in b"hello".chunks(split) {
                    assert_eq!(deposit.receive(at(1), piece, store), piece.len());
                }
                deposit.finished(at(1), store);
                assert_eq!(Session::<RamStore<'_>>::wants(&deposit), Wants::Nothing);
                let receipt = std::format!("stored drop-0001 5 bytes sha256 {HELLO_SHA256}\n");
                assert_eq!(heard(&mut deposit, 1, room, store), receipt);
                assert_eq!(Session::<RamStore<'_>>::wants(&deposit), Wants::Close);
                assert_eq!(Session::<RamStore<'_>>::poll_at(&deposit), None);
                assert_eq!(names(store), ["drop-0001 5"], "known by its final name already");
                deposit.over(at(2), Over::Delivered, store);
                assert_eq!(names(store), ["drop-0001 5"]);
            });
        }
    }
}

#[test]
fn how_it_ends_decides_the_name() {
    for (finished, how, name) in [
        (true, Over::Delivered, "drop-0001 5"),
        (true, Over::Reset, "drop-0001.unconfirmed 5"),
        (true, Over::TimedOut, "drop-0001.unconfirmed 5"),
        (true, Over::Unknown, "drop-0001.unconfirmed 5"),
        (false, Over::Reset, "drop-0001.partial 5"),
        (false, Over::TimedOut, "drop-0001.partial 5"),
        (false, Over::Stopped, "drop-0001.partial 5"),
    ] {
        with_store(4, |store| {
            let mut deposit = opened(store);
            deposit.receive(at(1), b"hello", store);
            if finished {
                deposit.finished(at(1), store);
            }
            deposit.over(at(2), how, store);
            assert_eq!(names(store), [name], "{how:?}");
            assert!(all_tickets_free(store));
        });
    }
}

#[test]
fn a_connection_without_a_byte_leaves_nothing_unless_confirmed() {
    for (finished, how, left) in [
        (true, Over::Delivered, &["drop-0001 0"][..]),
        (true, Over::Reset, &[]),
        (false, Over::Reset, &[]),
    ] {
        with_store(4, |store| {
            let mut deposit = opened(store);
            if finished {
                deposit.finished(at(1), store);
                let receipt = std::format!("stored drop-0001 0 bytes sha256 {EMPTY_SHA256}\n");
                assert_eq!(heard(&mut deposit, 1, 300, store), receipt);
            }
            deposit.over(at(2), how, store);
            assert_eq!(names(store), left);
            assert!(all_tickets_free(store));
        });
    }
}

#[test]
fn each_silence_gets_one_hint() {
    with_store(4, |store| {
        let mut deposit = opened(store);
        assert_eq!(heard(&mut deposit, 4999, 300, store), "");
        let hint = "waiting: 0 bytes so far; end with FIN (nc -N, -q 1) or Ctrl-C\n";
        assert_eq!(heard(&mut deposit, 5000, 300, store), hint);
        assert_eq!(heard(&mut deposit, 20_000, 300, store), "");
        deposit.receive(at(30_000), b"hello", store);
        assert_eq!(heard(&mut deposit, 34_999, 300, store), "");
        let hint = "waiting: 5 bytes so far; end with FIN (nc -N, -q 1) or Ctrl-C\n";
        assert_eq!(heard(&mut deposit, 35_000, 300, store), hint);
        deposit.over(at(35_000), Over::Reset, store);
    });
}

#[test]
fn silence_begins_when_the_connection_does_and_with_every_byte() {
    with_store(4, |store| {
        let mut deposit = Deposit::new();
        deposit.opened(at(7000), store);
        assert_eq!(Session::<RamStore<'_>>::poll_at(&deposit), Some(at(12_000)));
        deposit.receive(at(8000), b"hello", store);
        assert_eq!(Session::<RamStore<'_>>::poll_at(&deposit), Some(at(13_000)));
        assert_eq!(heard(&mut deposit, 12_999, 300, store), "");
        assert_ne!(heard(&mut deposit, 13_000, 300, store), "");
        assert_eq!(Session::<RamStore<'_>>::poll_at(&deposit), Some(at(68_000)));
        deposit.over(at(13_000), Over::Reset, store);
    });
}

#[test]
fn after_a_minute_of_silence_comes_the_receipt_but_no_confirmation() {
    with_store(4, |store| {
        let mut deposit = opened(store);
        deposit.receive(at(0), b"hello", store);
        heard(&mut deposit, 5000, 300, store);
        let receipt = std::format!("stored drop-0001 5 bytes sha256 {HELLO_SHA256}\n");
        assert_eq!(heard(&mut deposit, 60_000, 300, store), receipt);
        assert_eq!(Session::<RamStore<'_>>::wants(&deposit), Wants::Close);
        assert_eq!(deposit.receive(at(61_000), b"more", store), 4);
        deposit.finished(at(62_000), store);
        deposit.over(at(62_000), Over::Delivered, store);
        assert_eq!(names(store), ["drop-0001.unconfirmed 5"]);
    });
}

#[test]
fn a_minute_without_a_single_byte_stores_nothing() {
    with_store(4, |store| {
        let mut deposit = opened(store);
        heard(&mut deposit, 5000, 300, store);
        assert_eq!(
            heard(&mut deposit, 60_000, 300, store),
            "nothing stored: no byte and no FIN came\n"
        );
        assert_eq!(Session::<RamStore<'_>>::wants(&deposit), Wants::Close);
        deposit.over(at(60_000), Over::Delivered, store);
        assert_eq!(names(store), [""; 0]);
    });
}

#[test]
fn a_full_store_says_after_how_many_bytes_and_discards_for_a_minute() {
    with_store(1, |store| {
        let mut deposit = opened(store);
        assert_eq!(deposit.receive(at(0), &[7; 300], store), 300);
        assert_eq!(
            heard(&mut deposit, 0, 300, store),
            "failed drop-0001 no space after 256 bytes\n"
        );
        assert_eq!(Session::<RamStore<'_>>::wants(&deposit), Wants::Close);
        assert!(all_tickets_free(store));
        assert_eq!(deposit.receive(at(59_000), &[7; 300], store), 300);
        heard(&mut deposit, 59_999, 300, store);
        assert_eq!(Session::<RamStore<'_>>::wants(&deposit), Wants::Close);
        heard(&mut deposit, 60_000, 300, store);
        assert_eq!(Session::<RamStore<'_>>::wants(&deposit), Wants::Abort);
        deposit.over(at(60_000), Over::Stopped, store);
        assert_eq!(names(store), [""; 0], "nothing is kept");
    });
}

#[test]
fn without_a_ticket_the_bytes_wait_and_the_clock_stands() {
    with_store(4, |store| {
        let tickets: Vec<_> = std::iter::from_fn(|| store.claim()).collect();
        let mut deposit = opened(store);
        assert_eq!(deposit.receive(at(1), b"hello", store), 0);
        assert_eq!(heard(&mut deposit, 100_000, 300, store), "");
        release_all(tickets, store);
        assert_eq!(deposit.receive(at(100_000), b"hello", store), 5);
        assert_eq!(heard(&mut deposit, 104_999, 300, store), "");
        deposit.over(at(105_000), Over::Reset, store);
        assert_eq!(names(store), ["drop-0001.partial 5"]);
    });
}

#[test]
fn a_fin_without_a_ticket_is_answered_when_one_is_free() {
    with_store(4, |store| {
        let tickets: Vec<_> = std::iter::from_fn(|| store.claim()).collect();
        let mut deposit = opened(store);
        deposit.finished(at(1), store);
        assert_eq!(heard(&mut deposit, 2, 300, store), "");
        release_all(tickets, store);
        assert!(heard(&mut deposit, 3, 300, store).starts_with("stored drop-0001 0 bytes"));
        deposit.over(at(4), Over::Delivered, store);
        assert!(all_tickets_free(store));
    });
}
