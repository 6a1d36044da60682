//! The list.

use crate::client::exchange::Failure;
use crate::client::list::List;
use crate::session::Session;
use crate::time::Instant;
use std::vec::Vec;

#[test]
fn a_file_called_error_is_listed_as_a_file() {
    let mut listing = Vec::new();
    let mut list = List::new();
    let sha = "00".repeat(32);
    let said = std::format!("ERROR 5 {sha}\nERROR io the store failed\n");
    let mut rest = said.as_bytes();
    while !rest.is_empty() {
        let taken = list.receive(Instant::default(), rest, &mut listing);
        assert_ne!(taken, 0, "it never ends");
        rest = &rest[taken..];
    }
    assert_eq!(listing.len(), 1);
    assert!(matches!(list.outcome(), Some(Err(Failure::Refused(why))) if why.code() == "io"));
}
