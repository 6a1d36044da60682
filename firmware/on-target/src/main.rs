//! The conversations of the host's tests, played to `r2-core` where it is to run: on a Cortex-M.
//!
//! They are the same files. Each says how it went on the log; the first that fails ends the run with status 1.
#![no_std]
#![no_main]

// What the conversations need of `std` is in `alloc`, and what they need of the host's tests is here.
#[macro_use]
extern crate alloc as std;
extern crate self as r2_tests;

#[path = "../../../tests/tests/splits/chat.rs"]
mod chat;
#[path = "../../../tests/tests/splits/diag.rs"]
mod diag;
#[path = "../../../tests/tests/splits/drop.rs"]
mod drop;
#[path = "../../../tests/tests/splits/secret.rs"]
mod secret;
#[expect(unreachable_pub, reason = "it is public in the library of the host's tests")]
#[path = "../../../tests/src/splits.rs"]
mod splits;

use core::mem::MaybeUninit;
use core::ptr::addr_of_mut;

use cortex_m_rt::entry;
use defmt::info;
use embedded_alloc::LlffHeap;
use r2_support::exit;

/// What a conversation holds at most: pieces and screens, of less than 100 KiB each.
const HEAP_SIZE: usize = 2 * 1024 * 1024;

#[global_allocator]
static HEAP: LlffHeap = LlffHeap::empty();

static mut MEMORY: [MaybeUninit<u8>; HEAP_SIZE] = [MaybeUninit::uninit(); HEAP_SIZE];

/// Plays each, and counts them.
macro_rules! play {
    ($($service:ident::$conversation:ident),* $(,)?) => {{
        let mut held = 0;
        $(
            info!("{=str}", concat!(stringify!($service), "::", stringify!($conversation)));
            $service::$conversation();
            held += 1;
        )*
        held
    }};
}

#[entry]
fn main() -> ! {
    // SAFETY: called once, before the first allocation; nothing else names MEMORY.
    unsafe { HEAP.init(addr_of_mut!(MEMORY) as usize, HEAP_SIZE) }
    let held: u32 = play!(
        chat::every_screen_shows_every_line_once_in_one_order,
        chat::commands_answer_where_they_were_typed,
        chat::a_last_line_without_ending_counts_at_fin_and_not_at_rst,
        chat::a_question_without_ending_is_answered_before_the_peer_leaves,
        chat::a_long_line_becomes_several_cut_between_characters,
        chat::the_rest_of_a_command_that_is_too_long_is_dropped,
        chat::broken_text_is_mended_however_it_is_cut,
        chat::a_return_alone_ends_a_line_and_telnets_commands_are_skipped,
        chat::a_peer_that_says_what_it_was_sent_is_muted_until_it_says_something_else,
        chat::a_full_room_says_so_and_closes,
        diag::echo_sends_everything_back_and_closes,
        diag::discard_says_nothing_and_closes,
        diag::chargen_goes_on_behind_the_peers_fin,
        diag::the_status_page_comes_whole_and_closes_whatever_the_peer_does,
        diag::a_browser_that_asks_for_the_status_page_is_told_so_at_every_split,
        drop::every_upload_gets_its_receipt,
        secret::the_examples_of_the_contract_hold_with_both_line_endings_and_none,
        secret::a_line_of_1024_bytes_is_answered_and_one_more_is_too_long,
        secret::a_cr_counts_unless_it_ends_the_line,
        secret::a_client_without_newlines_is_answered_when_it_rests,
        secret::a_line_ending_directly_behind_a_rested_string_is_swallowed_and_ends_the_resting,
        secret::what_follows_a_long_string_that_rested_is_a_new_one,
        secret::answers_wait_for_a_peer_that_does_not_read,
    );
    info!("{=u32} conversations went as on the host", held);
    exit::success()
}
