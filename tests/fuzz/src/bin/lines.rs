//! The line reader and the files service's parser: whatever the pieces, the lines are the same, and each is a request
//! or an error that can be told.
#![no_main]

use libfuzzer_sys::fuzz_target;
use r2_core::files::parse;
use r2_core::limits::FILES_LINE_MAX;
use r2_core::line::{Line, LineReader};

fn lines(bytes: &[u8], mut size: impl FnMut() -> usize) -> Vec<(bool, Vec<u8>)> {
    let mut reader = LineReader::<FILES_LINE_MAX>::new();
    let (mut rest, mut found) = (bytes, Vec::new());
    while !rest.is_empty() {
        let piece = &rest[..size().clamp(1, rest.len())];
        let (taken, complete) = reader.take(piece);
        assert!(taken > 0 && taken <= piece.len());
        rest = &rest[taken..];
        if complete {
            let line = reader.line();
            let _ = parse::parse(line);
            found.push(match line {
                Line::Whole(text) => (true, text.to_vec()),
                Line::TooLong(text) => (false, text.to_vec()),
            });
            reader.clear();
        }
    }
    found
}

fuzz_target!(|input: &[u8]| {
    let [size, bytes @ ..] = input else { return };
    let whole = lines(bytes, || usize::MAX);
    let mut state = *size;
    let pieces = lines(bytes, || {
        state = state.wrapping_mul(5).wrapping_add(7);
        usize::from(state >> 3)
    });
    assert_eq!(whole, pieces);
});
