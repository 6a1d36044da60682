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

/// The board has 64 KiB of RAM: with all services 4 KiB of them stay free, with three 20 KiB.
#[test]
fn the_small_board_fits_its_memory() {
    for (image, bound) in [("lm3s6965evb", 60 * 1024), ("lm3s6965evb-three", 44 * 1024)] {
        let ram = sizes(image)
            .lines()
            .rfind(|line| line.starts_with("ram"))
            .and_then(|row| row.split_whitespace().nth(1)?.parse::<usize>().ok())
            .expect("a sum");
        assert!(ram <= bound, "{image}: {ram} bytes of RAM, {bound} are allowed");
    }
}
