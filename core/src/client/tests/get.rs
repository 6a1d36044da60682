//! Getting a file.

use super::{HeldFile, TO_THE_END, join, name, told, with_store};
use crate::client::exchange::Failure;
use crate::client::get::Get;
use crate::client::send::Send;
use crate::session::Session;
use crate::time::Instant;

#[test]
fn a_front_of_another_file_is_a_mismatch() {
    with_store(|store| {
        join(
            &mut Send::new(name("a")),
            &mut HeldFile(b"hello".to_vec()),
            store,
            100,
            TO_THE_END,
        );
        let mut get = Get::new(name("a"));
        join(&mut get, &mut HeldFile(b"hal".to_vec()), store, 100, TO_THE_END);
        assert_eq!(get.outcome(), &Some(Err(Failure::Mismatch)));
    });
}

#[test]
fn what_a_client_knows_of_a_file_grows_with_what_has_come() {
    let said = std::format!("FILE a 5 {}\n", "00".repeat(32));
    let mut held = HeldFile(b"hel".to_vec());
    let mut get = told(Get::new(name("a")), &mut held, "");
    assert_eq!((get.file(), get.progress()), (None, 3));
    get.receive(Instant::default(), said.as_bytes(), &mut held);
    assert_eq!((get.file().map(|file| file.length), get.progress()), (Some(5), 3));
    get.receive(Instant::default(), b"l", &mut held);
    assert_eq!((get.progress(), &held.0[..]), (4, &b"hell"[..]));
}
