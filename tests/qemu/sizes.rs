//! What a board's image takes.

use crate::lab::sizes;

/// The figure of one row of the table.
fn row(board: &str, name: &str) -> usize {
    let table = sizes(board);
    let row = table.lines().find(|line| line.ends_with(name));
    row.and_then(|row| row.split_whitespace().nth(1)?.parse().ok())
        .unwrap_or_else(|| panic!("no {name} in\n{table}"))
}

pub(crate) fn at_most_three_quarters_of_the_stack(board: &str, used: usize) {
    let reserved = row(board, "the stack, reserved");
    assert!(used * 4 <= reserved * 3, "{used} of {reserved} bytes were in use");
}

/// The small board has 64 KiB of RAM: 4 KiB of them stay free.
#[test]
fn the_small_board_fits_its_memory() {
    let ram = sizes("lm3s6965evb")
        .lines()
        .rfind(|line| line.starts_with("ram"))
        .and_then(|row| row.split_whitespace().nth(1)?.parse::<usize>().ok())
        .expect("a sum");
    assert!(ram <= 60 * 1024, "{ram} bytes");
}
